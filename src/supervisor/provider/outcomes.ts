// SPDX-License-Identifier: Apache-2.0
/** Outcomes of negotiations: what they say, and those of a pool's own. */
import type { Role } from '../../shared/kernel/words.js';
import type { NegotiationOutcome } from './provider.js';
import type { PeerAnswer } from './standing.js';

/** A peer that has not sent a byte in this time counts as silent though the flow was given up before its deadline. */
const SILENT_MS = 1000;

/** What an outcome says about the peer. A client's agent that has not begun yet is not silent: it has its own queue. */
export function answerOf(
  { role, peerHasAgent }: { role: Role; peerHasAgent: boolean },
  outcome: NegotiationOutcome,
): PeerAnswer {
  if (outcome.ok) return 'succeeded';
  if ('lost' in outcome) return 'unclear';
  if (outcome.bytesReceived > 0) return 'failed';
  if (outcome.code === 'TLSHUB_HANDSHAKE_TIMEOUT') return 'silent';
  return outcome.negotiationMs >= SILENT_MS && !(peerHasAgent && role === 'passive') ? 'silent' : 'unclear';
}

export function overload(reason: string): NegotiationOutcome {
  return failure('TLSHUB_OVERLOAD', reason);
}

export function failure(code: string, reason: string): NegotiationOutcome {
  const nothing = { peerNames: [], handshakeOnly: false, bytesSent: 0, bytesReceived: 0, negotiationMs: 0 };
  return { ok: false, code, reason, ...nothing };
}
