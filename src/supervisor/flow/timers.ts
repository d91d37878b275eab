/** The timers of flows. All of a flow's end with `clear`. */
import { Deadlines } from '../../shared/async/deadlines.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Flow } from './table.js';

/** Between two looks for a socket that was gone, in ms. */
const TAKE_PAUSE_MS = 5;
/** The provider's own deadline comes first, since it can say more; ours is for a provider that does not answer. In ms. */
const DEADLINE_GRACE_MS = 250;

export class FlowTimers {
  private readonly deadlines = new Deadlines<Flow>();

  /** Says when the flow has to be secured, and ends it if it is not. */
  due(flow: Flow, timeoutMs: number, late: (reason: string) => void): void {
    flow.dueNs = monotonicNs() + timeoutMs * 1e6;
    const ms = timeoutMs + DEADLINE_GRACE_MS;
    this.deadlines.set(flow, 'due', ms, () => late(`not secured within ${timeoutMs} ms`));
  }

  /** In a moment. */
  pause(flow: Flow, over: () => void): void {
    this.deadlines.set(flow, 'pause', TAKE_PAUSE_MS, over);
  }

  /** A stopped program whose peer has said nothing. */
  silence(flow: Flow, ms: number, over: () => void): void {
    this.deadlines.set(flow, 'silence', ms, over);
  }

  clear(flow: Flow): void {
    this.deadlines.clear(flow);
  }

  clearAll(): void {
    this.deadlines.clearAll();
  }
}
