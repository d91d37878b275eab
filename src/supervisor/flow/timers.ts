// SPDX-License-Identifier: Apache-2.0
/** The timers of flows. All of a flow's end with `clear`. */
import { Deadlines } from '../../shared/async/deadlines.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Input, Phase } from './machine.js';
import type { Flow } from './table.js';

type Late = Extract<Input, { type: 'deadline' }>;

/** Between two looks for a socket that was gone, in ms. */
const TAKE_PAUSE_MS = 5;
/** The provider's own deadlines come first, since it can say more; ours is for a provider that does not answer. In ms. */
const DEADLINE_GRACE_MS = 250;

export interface Limits {
  readonly handshakeTimeoutMs: number;
  readonly overloadTimeoutMs: number;
}

/** What a flow may take in all: to wait for this node's processor, then for its peer. */
export function totalMs({ handshakeTimeoutMs, overloadTimeoutMs }: Limits): number {
  return overloadTimeoutMs + handshakeTimeoutMs;
}

/** Why a flow is late that is in a phase so long after somebody began to wait for it; or in how many ms to look again. */
export function lateness(phase: Phase, waitedMs: number, limits: Limits): { late: Late } | { againMs: number } {
  const { handshakeTimeoutMs, overloadTimeoutMs } = limits;
  const [inTime, code] = timeOf(phase, limits);
  if (waitedMs >= inTime) return { late: { type: 'deadline', code, reason: `not secured within ${inTime} ms` } };
  const looks = [handshakeTimeoutMs, overloadTimeoutMs, totalMs(limits)];
  return { againMs: Math.min(...looks.filter((ms) => ms > waitedMs)) - waitedMs };
}

/** How long a flow may be in the phase, since somebody began to wait for it, and what to call it if it is there still. */
function timeOf(phase: Phase, limits: Limits): [number, Late['code']] {
  switch (phase) {
    // Nothing of ours is waited for: its socket is not to be found.
    case 'waiting':
    case 'pausing':
      return [limits.handshakeTimeoutMs, 'TLSHUB_HANDSHAKE_TIMEOUT'];
    case 'retrying':
      return [limits.overloadTimeoutMs, 'TLSHUB_OVERLOAD'];
    case 'taking':
      return [totalMs(limits), 'TLSHUB_OVERLOAD'];
    default:
      return [totalMs(limits), 'TLSHUB_HANDSHAKE_TIMEOUT'];
  }
}

export class FlowTimers {
  private readonly deadlines = new Deadlines<Flow>();

  /** Says when the flow has to be secured, and ends it if it is not. */
  due(flow: Flow, limits: Limits, late: (input: Late) => void): void {
    const sinceNs = monotonicNs();
    flow.dueNs = sinceNs + totalMs(limits) * 1e6;
    const look = (): void => {
      const waitedMs = Math.round((monotonicNs() - sinceNs) / 1e6) - DEADLINE_GRACE_MS;
      const now = lateness(flow.machine.phase, waitedMs, limits);
      if ('late' in now) late(now.late);
      else this.deadlines.set(flow, 'due', now.againMs, look);
    };
    const first = Math.min(limits.handshakeTimeoutMs, limits.overloadTimeoutMs || Infinity);
    this.deadlines.set(flow, 'due', first + DEADLINE_GRACE_MS, look);
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
