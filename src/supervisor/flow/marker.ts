// SPDX-License-Identifier: Apache-2.0
/** The marker (docs/POLICY.md): what an agent says in a TCP option of the handshake, in words, and what of it concerns a flow. */
import { Intent } from '../../shared/kernel/abi.js';
import type { Role } from '../../shared/kernel/words.js';
import type { ProviderName } from '../provider/provider.js';

/** What is known of a flow's peer: of the table's flows as much as is needed here, since the table itself has words from here. */
export interface Peer {
  /** what its marker said, see Intent */
  peerIntent: number;
  /** what the policy says of it */
  peerReason: string;
}
interface Opening extends Pick<Peer, 'peerIntent'> {
  role: Role;
  establishedNs: number;
}

/** What this node says of connections that it is to secure. */
export function intentOf(provider: ProviderName): number {
  return provider === 'tlshub' ? Intent.TLSHUB : Intent.IN_BAND;
}

const WORDS: Record<number, string> = {
  [Intent.PLAINTEXT]: 'plaintext',
  [Intent.IN_BAND]: 'in-band TLS',
  [Intent.TLSHUB]: 'keys by TLSHub',
  [Intent.REFUSED]: 'no connection',
};

export function intentText(intent: number): string {
  return WORDS[intent] ?? `a way that this version does not know (${intent})`;
}

/** It says so in its segments; without markers nobody knows. */
export function hasAgent({ peerIntent }: Pick<Peer, 'peerIntent'>): boolean {
  return peerIntent === Intent.IN_BAND || peerIntent === Intent.TLSHUB;
}

/** What may explain a failure on a connection whose peer ought to be an agent, or ''. */
export function missingMarker(flow: Opening): string {
  if (flow.peerIntent !== Intent.UNKNOWN || flow.establishedNs === 0) return '';
  const segment = flow.role === 'active' ? 'SYN-ACK' : 'handshake';
  return ` (the peer's ${segment} had no marker: there may be no agent, or a listener older than its agent, or TCP options are taken away)`;
}
