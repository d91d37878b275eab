/** The marker (docs/POLICY.md): what an agent says in a TCP option of the handshake, in words, and what of it concerns a flow. */
import { GateReason, Wants, reasonText } from '../../shared/kernel/abi.js';
import type { Role } from '../../shared/kernel/native.js';
import type { ProviderName } from '../provider/provider.js';

/** What is known of a flow's peer: of the table's flows as much as is needed here, since the table itself has words from here. */
interface Peer {
  /** what its marker said, see Wants */
  peerWants: number;
  /** what the policy says of it */
  peerReason: string;
}
interface Opening extends Pick<Peer, 'peerWants'> {
  role: Role;
  establishedNs: number;
}

/** What this node says of connections that it is to secure. */
export function wantsOf(provider: ProviderName): number {
  return provider === 'tlshub' ? Wants.TLSHUB : Wants.IN_BAND;
}

const WORDS: Record<number, string> = {
  [Wants.PLAINTEXT]: 'plaintext',
  [Wants.IN_BAND]: 'in-band TLS',
  [Wants.TLSHUB]: 'keys by TLSHub',
  [Wants.REFUSED]: 'no connection',
};

export function wantsText(wants: number): string {
  return WORDS[wants] ?? `a way that this version does not know (${wants})`;
}

/** The gate's reason to refuse, with what each side wants, or what the policy says, if that is the reason. */
export function gateReason(reason: number, { peerWants, peerReason }: Peer, provider: ProviderName): string {
  const text = reasonText(reason);
  if (reason === GateReason.NOT_MESH) return `${text}: ${peerReason}`;
  if (reason !== GateReason.PEER_MODE) return text;
  return `${text}: it wants ${wantsText(peerWants)}, this node is in mode ${provider}; set the same mode on both, or openssl and boringssl`;
}

/** What may explain a failure on a connection whose peer ought to be an agent, or ''. */
export function missingMarker(flow: Opening): string {
  if (flow.peerWants !== Wants.UNKNOWN || flow.establishedNs === 0) return '';
  const segment = flow.role === 'active' ? 'SYN-ACK' : 'handshake';
  return ` (the peer's ${segment} had no marker: there may be no agent, or a listener older than its agent, or TCP options are taken away)`;
}
