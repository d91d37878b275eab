// SPDX-License-Identifier: Apache-2.0
/**
 * The dups of programs' sockets, from having one taken until the installer has had it closed. Helpers do that, since a system call on a
 * program's socket may wait for the program: the answers come later.
 */
import type { Logger } from '../../logging/logger.js';
import type { FlowEvent } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import { toWire } from '../../shared/errors/errors.js';
import type { Held } from '../../shared/ipc/messages.js';
import type { Helpers, TakeRequest, TakenSocket } from '../../shared/kernel/helpers-addon.js';
import type { GateFds, KernelAddon } from '../../shared/kernel/kernel-addon.js';
import type { SlotTable } from '../../shared/ipc/slots.js';
import type { Accounts } from './accounts.js';
import type { Counters } from './counters.js';
import { HELPER_LOST, type Input } from './machine.js';
import { party, who } from './log.js';
import { isBusy, type Flow, type FlowTable } from './table.js';

/** What came of taking a socket, for the machine; `secured`: this was done before. */
export type TakeOutcome = Input | 'secured';

export interface SocketsOptions {
  kernel: Pick<KernelAddon, 'readFlow'>;
  helpers: Pick<Helpers, 'take' | 'has'>;
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
    const { holder } = flow;
    if (holder === undefined) {
      done({ type: 'take-gone' });
      return;
    }
    if (flow.predecessor !== undefined && isBusy(flow.predecessor)) {
      done({ type: 'take-busy' });
      return;
    }
    flow.predecessor = undefined;
    const { helpers, slots, counters } = this.options;
    const place = slots.acquire(flow.cgroup);
    if (typeof place === 'string') {
      done({ type: 'take-failed', code: 'TLSHUB_TOO_MANY_HELD', reason: FULL[place] });
      return;
    }
    counters.values.takes++;
    flow.charge = this.options.accounts.of(holder);
    flow.taking = true;
    flow.takeBegunNs = monotonicNs();
    helpers.take(this.requestOf(flow, holder), (taken) => {
      flow.taking = false;
      flow.takenNs = monotonicNs();
      this.options.accounts.spent(flow.charge, taken);
      if (taken instanceof Error) {
        slots.release(place.slot);
        this.doubtful.delete(flow);
        done(this.failure(taken));
      } else {
        done(this.taken(flow, place, taken));
      }
    });
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

  private look(flow: Flow, gone: () => void): void {
    const { holder } = flow;
    if (holder === undefined) return;
    this.options.helpers.has(this.requestOf(flow, holder), (found) => {
      this.options.accounts.spent(flow.charge, found);
      if (!(found instanceof Error) && !found.has) gone();
    });
  }

  private taken(flow: Flow, place: Pick<Held, 'slot' | 'ticket'>, { fd, live }: TakenSocket): Input {
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
