// SPDX-License-Identifier: Apache-2.0
/**
 * The dups of programs' sockets, from taking one until the installer has closed it.
 *
 * takeSocket is called here and not on a thread: it is a handful of short system calls, and a message to and fro would cost more than they do.
 */
import type { Logger } from '../../logging/logger.js';
import type { FlowEvent } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import { toWire } from '../../shared/errors/errors.js';
import type { Held } from '../../shared/ipc/messages.js';
import type { GateFds, KernelAddon, TakenSocket } from '../../shared/kernel/kernel-addon.js';
import type { SlotTable } from '../../shared/ipc/slots.js';
import type { Counters } from './counters.js';
import type { Input } from './machine.js';
import { party, who } from './log.js';
import type { Flow, FlowTable } from './table.js';

export interface SocketsOptions {
  kernel: Pick<KernelAddon, 'takeSocket' | 'readFlow' | 'claim' | 'hasSocket'>;
  fds: GateFds;
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
  constructor(private readonly options: SocketsOptions) {}

  /**
   * Takes the flow's socket from who has it. What came of it, for the machine; undefined: nobody is known to have it; `secured`: this was
   * done before.
   */
  take(flow: Flow): Input | 'secured' | undefined {
    const { holder } = flow;
    if (holder === undefined) return undefined;
    if (flow.predecessor?.held !== undefined) return { type: 'take-busy' };
    flow.predecessor = undefined;
    const { kernel, fds, slots, table, counters } = this.options;
    const place = slots.acquire(flow.cgroup);
    if (typeof place === 'string') return { type: 'take-failed', code: 'TLSHUB_TOO_MANY_HELD', reason: FULL[place] };
    counters.values.takes++;
    let taken: TakenSocket;
    flow.takeBegunNs = monotonicNs();
    try {
      taken = kernel.takeSocket(fds, { ...holder, cookie: flow.cookie });
    } catch (error) {
      slots.release(place.slot);
      return this.failure(error);
    }
    flow.held = { ...place, fd: taken.fd, cookie: flow.cookie, generation: flow.generation } satisfies Held;
    flow.takenNs = monotonicNs();
    table.bindTicket(place.ticket, flow);
    return { type: 'taken', live: taken.live && this.claim(flow, taken.fd) };
  }

  /** The installer has closed it. */
  release(flow: Flow): void {
    if (flow.held === undefined) return;
    this.options.slots.release(flow.held.slot);
    flow.held = undefined;
  }

  /** A descriptor of the program's is being closed: was it the last one? */
  isLastClose(flow: Flow, event: FlowEvent): boolean {
    return isLastClose(flow, event) || this.wasLastClose(flow, event);
  }

  /**
   * True if a dead worker can have left no trace on the connection. An active side that has not written has not read either, since the
   * peer waits for its ClientHello; of a passive side nobody can say.
   */
  isUntouched(flow: Flow): boolean {
    if (flow.role !== 'active' || flow.held === undefined) return false;
    try {
      return this.options.kernel.readFlow(this.options.fds.flows, flow.held.fd).agentTx === 0;
    } catch {
      return false;
    }
  }

  /** Closed while we were taking it: whether our descriptor was counted cannot be told, but whether anybody has another one can. */
  private wasLastClose(flow: Flow, { refs, timeNs }: FlowEvent): boolean {
    const { held, holder } = flow;
    if (held === undefined || holder === undefined) return false;
    if (refs !== 2 || timeNs < flow.takeBegunNs || timeNs >= flow.takenNs) return false;
    return !this.options.kernel.hasSocket({ ...holder, cookie: flow.cookie });
  }

  private claim(flow: Flow, fd: number): boolean {
    try {
      return this.options.kernel.claim(this.options.fds, fd, flow.cookie, flow.generation);
    } catch (error) {
      this.options.log.error(`could not begin with the connection of ${party(flow)}`, { ...who(flow), error });
      return false;
    }
  }

  private failure(thrown: unknown): Input | 'secured' {
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
