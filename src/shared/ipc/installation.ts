// SPDX-License-Identifier: Apache-2.0
/** Between what a negotiation came to and what a helper is asked for, and back. */
import { PROVIDER_NUMBERS } from '../kernel/abi.js';
import type { InstallResult, KeysToSet } from '../kernel/helpers-addon.js';
import type { InstallerReport, Negotiated } from './messages.js';

/** What of a negotiation is for a helper. */
export type Negotiation = Pick<
  Negotiated,
  'role' | 'summary' | 'secrets' | 'txSequence' | 'rxSequence' | 'bytesSent' | 'bytesReceived'
>;

export function keysToSet(negotiation: Negotiation): KeysToSet {
  const { role, summary, secrets, txSequence, rxSequence, bytesSent, bytesReceived } = negotiation;
  return {
    ...{ cipher: summary.cipher, role, secrets, txSequence, rxSequence },
    handshakeBytesSent: bytesSent,
    handshakeBytesReceived: bytesReceived,
    provider: PROVIDER_NUMBERS[summary.provider],
    askedNs: BigInt(Math.round(summary.askedNs)),
    startedNs: BigInt(Math.round(summary.startedNs)),
    negotiationNs: BigInt(Math.round(summary.negotiationMs * 1e6)),
    peerNode: summary.peerName,
  };
}

export function installedReport(
  ticket: number,
  summary: Negotiated['summary'],
  result: InstallResult,
): InstallerReport & { type: 'installed' } {
  const { openedNs, kernelUlp, kernelCipher, kernelVersion, remembered, continued } = result;
  return {
    ...{ type: 'installed', ticket, summary, openedNs: Number(openedNs) },
    ...{ kernelUlp, kernelCipher, kernelVersion, remembered, continued },
  };
}
