// SPDX-License-Identifier: Apache-2.0
/**
 * The dups of programs' sockets, from having one taken until the installer has had it closed. Helpers do that, since a system call on a
 * program's socket may wait for the program: the answers come later.
 */
import type { Logger } from '../../logging/logger.js';
import type { FlowEvent } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import { toWire, type WireError } from '../../shared/errors/errors.js';
import type { Held } from '../../shared/ipc/messages.js';
import type {
  Helpers,
  InstallResult,
  KeysToSet,
  NotSecured,
  SecuredSocket,
  TakeRequest,
  TakenSocket,
} from '../../shared/kernel/helpers-addon.js';
import type { GateFds, KernelAddon } from '../../shared/kernel/kernel-addon.js';
import type { SecretHandle } from '../../shared/kernel/words.js';
import type { SlotTable } from '../../shared/ipc/slots.js';
import type { Accounts } from './accounts.js';
import type { Counters } from './counters.js';
import { HELPER_LOST, type Input } from './machine.js';
import { party, who } from './log.js';
import { isBusy, type Flow, type FlowTable } from './table.js';

/** What came of taking a socket, for the machine; `secured`: this was done before. */
export type TakeOutcome = Input | 'secured';

/** What came of securing one. `secrets`: of keys that nobody can have used, if there are any left */
export type SecureOutcome =
  | { type: 'installed'; result: InstallResult }
  | { type: 'install-failed'; error: WireError }
  | { type: 'not-secured'; outcome: TakeOutcome; secrets: SecretHandle | undefined };

interface Begun {
  place: Pick<Held, 'slot' | 'ticket'>;
  request: TakeRequest;
}

export interface SocketsOptions {
  kernel: Pick<KernelAddon, 'readFlow'>;
  helpers: Pick<Helpers, 'take' | 'secure' | 'has'>;
  accounts: Accounts;
  fds: Pick<GateFds, 'flows'>;
  slots: SlotTable;
  table: FlowTable;
  counters: Counters;
  log: Logger;
}

const FULL = {
  full: 'too many connections are held at once',
  share: 'its cgroup has too many connections held at once: what is left is for others',
};

export class Sockets {
  /** flows whose descriptor may have gone while it was being taken */
  private readonly doubtful = new Set<Flow>();

  constructor(private readonly options: SocketsOptions) {}

  /** Takes the flow's socket from who has it. `done` is called once, at once if there is nothing to wait for. */
  take(flow: Flow, done: (outcome: TakeOutcome) => void): void {
    const begun = this.begin(flow);
    if ('type' in begun) {
      done(begun);
      return;
    }
    const { place, request } = begun;
    this.options.helpers.take(request, (taken) => {
      this.answered(flow, taken);
      done(taken instanceof Error ? this.notTaken(flow, place, taken) : this.taken(flow, place, taken));
    });
  }

  /** Takes it and sets these keys, in one. `done` as with `take`. */
  secure(flow: Flow, keys: KeysToSet, done: (outcome: SecureOutcome) => void): void {
    const begun = this.begin(flow);
    if ('type' in begun) {
      done({ type: 'not-secured', outcome: begun, secrets: keys.secrets });
      return;
    }
    const { place, request } = begun;
    const answer = (result: SecuredSocket | NotSecured): void => {
      this.answered(flow, result);
      if (!(result instanceof Error) && !result.live) {
        done({ type: 'not-secured', outcome: this.taken(flow, place, result), secrets: result.secrets });
      } else if (result instanceof Error && !result.refused) {
        done({ type: 'not-secured', outcome: this.notTaken(flow, place, result), secrets: result.secrets });
      } else {
        // Whoever closed it meanwhile has closed a connection that was secured, or refused.
        this.doubtful.delete(flow);
        this.options.slots.release(place.slot);
        done(
          result instanceof Error ? { type: 'install-failed', error: toWire(result) } : { type: 'installed', result },
        );
      }
    };
    try {
      this.options.helpers.secure(Object.assign(request, keys), answer);
    } catch (error) {
      // No keys could be made of the secrets.
      answer(Object.assign(error instanceof Error ? error : new Error(String(error)), { refused: false }));
    }
  }

  /** The installer has had it closed. */
  release(flow: Flow): void {
    if (flow.held === undefined) return;
    this.options.slots.release(flow.held.slot);
    flow.held = undefined;
  }

  /**
   * A descriptor of the program's is being closed: was it the last one? If it was closed while we were taking it, whether our descriptor was
   * counted cannot be told, but whether anybody has another one can: then the answer is false, and `gone` is called if nobody has.
   */
  isLastClose(flow: Flow, event: FlowEvent, gone: () => void): boolean {
    if (isLastClose(flow, event)) return true;
    const { refs, timeNs } = event;
    if (refs !== 2 || timeNs < flow.takeBegunNs) return false;
    if (flow.taking) this.doubtful.add(flow);
    else if (flow.held !== undefined && timeNs < flow.takenNs) this.look(flow, gone);
    return false;
  }

  /** To be called when the flow has been taken: as in `isLastClose`. */
  lookAgain(flow: Flow, gone: () => void): void {
    if (this.doubtful.delete(flow)) this.look(flow, gone);
  }

  /**
   * True if a dead worker can have left no trace on the connection. An active side that has not written has not read either, since the
   * peer waits for its ClientHello; of a passive side nobody can say.
   */
  isUntouched(flow: Flow): boolean {
    if (flow.role !== 'active' || flow.held === undefined) return false;
    try {
      // Waits for nobody: the socket's storage is read without its lock.
      return this.options.kernel.readFlow(this.options.fds.flows, flow.held.fd).agentTx === 0;
    } catch {
      return false;
    }
  }

  /** Says whose sockets keep helpers waiting. */
  tellLost(flow: Flow, { code, reason }: { code: string; reason: string }): void {
    if (code !== HELPER_LOST) return;
    this.options.log.error(`a helper process was given up at the socket of ${party(flow)}: ${reason}`, {
      ...who(flow),
      cgroup: this.options.accounts.cgroup(flow.charge),
      code,
    });
  }

  /** What a helper is to be asked for, and the place that the flow has meanwhile; or why nothing is begun. */
  private begin(flow: Flow): Begun | Input {
    const { holder } = flow;
    if (holder === undefined) return { type: 'take-gone' };
    if (flow.predecessor !== undefined && isBusy(flow.predecessor)) return { type: 'take-busy' };
    flow.predecessor = undefined;
    const { slots, counters, accounts } = this.options;
    const place = slots.acquire(flow.cgroup);
    if (typeof place === 'string') {
      return { type: 'take-failed', code: 'TLSHUB_TOO_MANY_HELD', reason: FULL[place] };
    }
    counters.values.takes++;
    flow.charge = accounts.of(holder);
    flow.taking = true;
    flow.takeBegunNs = monotonicNs();
    return { place, request: this.requestOf(flow, holder) };
  }

  private answered(flow: Flow, answer: object): void {
    flow.taking = false;
    flow.takenNs = monotonicNs();
    this.options.accounts.spent(flow.charge, answer);
  }

  private notTaken(flow: Flow, place: Begun['place'], error: Error): TakeOutcome {
    this.options.slots.release(place.slot);
    this.doubtful.delete(flow);
    return this.failure(error);
  }

  private look(flow: Flow, gone: () => void): void {
    const { holder } = flow;
    if (holder === undefined) return;
    this.options.helpers.has(this.requestOf(flow, holder), (found) => {
      this.options.accounts.spent(flow.charge, found);
      if (!(found instanceof Error) && !found.has) gone();
    });
  }

  private taken(flow: Flow, place: Begun['place'], { fd, live }: TakenSocket): Input {
    const { cookie, generation, charge } = flow;
    flow.held = { ...place, fd, cookie, generation, charge };
    this.options.table.bindTicket(place.ticket, flow);
    return { type: 'taken', live };
  }

  private requestOf(flow: Flow, { tgid, fd, inode }: NonNullable<Flow['holder']>): TakeRequest {
    const { cookie, generation, charge } = flow;
    return { tgid, fd, inode, cookie, generation, charge, search: this.options.accounts.maySearch(charge) };
  }

  private failure(thrown: Error): TakeOutcome {
    const { code, message } = toWire(thrown);
    if (code === 'TLSHUB_SOCKET_SECURED') return 'secured';
    if (code === 'TLSHUB_SOCKET_GONE') {
      this.options.counters.values.takesGone++;
      return { type: 'take-gone' };
    }
    return { type: 'take-failed', code, reason: message };
  }
}

/**
 * True if nobody has the file any more but the closing descriptor and our dup. The dup counts only if it was there already: a server that
 * forks closes its own descriptor right after, when the child has the other one, and the news of it may come after we have taken that.
 * References 0: the kernel could not say.
 */
function isLastClose(flow: Flow, { refs, timeNs }: FlowEvent): boolean {
  const ours = flow.held !== undefined && timeNs >= flow.takenNs ? 1 : 0;
  return refs <= 1 + ours;
}
