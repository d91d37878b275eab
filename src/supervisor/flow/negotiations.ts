// SPDX-License-Identifier: Apache-2.0
/** What the dispatcher asks of the provider, and what the answers are to the flow's machine. */
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Counters } from './counters.js';
import { HELPER_LOST, type Input } from './machine.js';
import type { Flow } from './table.js';
import type { Limits } from './timers.js';
import { hasAgent, missingMarker } from './marker.js';
import type { NegotiationOutcome, Provider } from '../provider/provider.js';

export interface NegotiationsOptions {
  provider: Provider;
  counters: Counters;
  limits(): Limits;
  /** whether a dead worker can have left no trace on the connection */
  isUntouched(flow: Flow): boolean;
  /** the answer; comes after `begin` has returned */
  answer(flow: Flow, input: Input): void;
}

export class Negotiations {
  constructor(private readonly options: NegotiationsOptions) {}

  /** Asks for keys. Undefined: the answer will come; else why there will be none. */
  begin(flow: Flow): Input | undefined {
    const { provider, counters } = this.options;
    const { handshakeTimeoutMs } = this.options.limits();
    const hopeless = whyHopeless(flow);
    if (hopeless !== undefined) return failure(hopeless.code, hopeless.reason);
    if (flow.machine.attempts > 1) counters.values.retries++;
    if (flow.askedNs === 0) flow.askedNs = monotonicNs();
    const negotiation = provider.negotiate({
      names: { role: flow.role, tuple: flow.tuple, iss: flow.iss, irs: flow.irs, peerNames: [...flow.peerNodes] },
      socket: flow.held,
      askedNs: flow.askedNs,
      waitMs: Math.max(0, Math.round((flow.dueNs - monotonicNs()) / 1e6) - handshakeTimeoutMs),
      timeoutMs: handshakeTimeoutMs,
      peerHasAgent: hasAgent(flow),
    });
    if (negotiation === undefined) return { type: 'pool-full' };
    flow.provider = provider.name;
    flow.negotiation = negotiation;
    void negotiation.outcome.then((outcome) => {
      if (flow.negotiation === negotiation) flow.negotiation = undefined;
      this.options.answer(flow, this.inputOf(flow, outcome));
    });
    return undefined;
  }

  private inputOf(flow: Flow, outcome: NegotiationOutcome): Input {
    if (outcome.ok) return { type: 'negotiated' };
    const { code, reason } = outcome;
    if (code === HELPER_LOST) this.options.counters.values.helpersLostElsewhere++;
    if ('lost' in outcome) return { ...failure(code, reason), untouched: this.options.isUntouched(flow) };
    flow.negotiationMs = outcome.negotiationMs;
    flow.handshakeOnly = outcome.handshakeOnly;
    if (code === 'TLSHUB_OVERLOAD') return failure(code, reason);
    const silent = outcome.bytesReceived === 0;
    if (code === 'TLSHUB_HANDSHAKE_CANCELLED') {
      // Who waits to be spoken to has said nothing either.
      const untouched = silent && (flow.role === 'passive' || this.options.isUntouched(flow));
      return { ...failure(code, reason), untouched };
    }
    const ended = code === 'TLSHUB_PEER_CLOSED';
    if (flow.role === 'passive' && (ended || (silent && code === 'TLSHUB_PEER_RESET'))) {
      // A health check, a port scan: nothing has gone wrong.
      const when = silent ? 'without sending a byte' : 'in the middle of the handshake';
      return { ...failure(code, `the peer closed ${when}`), left: true };
    }
    return { ...failure(code, reason + (silent ? missingMarker(flow) : '')), ended };
  }
}

/** A connection that nobody need be asked about. */
export function whyHopeless(flow: Flow): { code: string; reason: string } | undefined {
  if (flow.peerNodes.length === 0) return { code: 'TLSHUB_PEER_UNKNOWN', reason: flow.peerReason };
  if (flow.tainted) return { code: 'TLSHUB_SPOILT', reason: 'an earlier agent died in the middle of its handshake' };
  return undefined;
}

export function failure(code: string, reason: string): Input & { type: 'negotiation-failed' } {
  return { type: 'negotiation-failed', code, reason, untouched: false, left: false, ended: false };
}
