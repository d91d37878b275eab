// SPDX-License-Identifier: Apache-2.0
/** Why the gate refused a connection: in words, by a code, and with what to do about it. */
import { GateReason, reasonText } from '../../shared/kernel/abi.js';
import type { ProviderName } from '../provider/provider.js';
import { intentText, type Peer } from './marker.js';

export interface GateRefusal {
  code: 'TLSHUB_PEER_UNKNOWN' | 'TLSHUB_GATE_REFUSED';
  reason: string;
  /** undefined: the one of the code */
  remedy?: string;
}

const SAME_POLICY = 'Give both nodes the same mapping and the same rules (policy, policy_exclude, policy_require).';
const NEW_SOCKET =
  'Restart the program, so that it makes its sockets after the agent came and inside the captured cgroup.';

/** By enum tlshub_reason of bpf/tlshub.h. */
const REMEDIES: Readonly<Record<number, string>> = {
  [GateReason.OVERDUE]:
    'Look whether the agent of the peer answers, and how busy both are (`tlshubctl status -v`); hold_timeout_ms and overload_timeout_ms are the limits.',
  [GateReason.SILENT_PEER]:
    'Look whether an agent runs on the peer node, and whether its server accepts; silent_peer_timeout_ms is the limit.',
  [GateReason.NO_AGENT]:
    'Start the agent on this node (`systemctl start tlshub`); programs are refused until it is there.',
  [GateReason.UNSUPERVISED]: NEW_SOCKET,
  [GateReason.UNSUPPORTED]: 'Let the program use plain TCP without Fast Open, and a new socket for each connection.',
  [GateReason.CLOSED]: 'Nothing on this node: the peer ended the connection. Its log says why.',
  [GateReason.PEER_REFUSES]: `Look at the peer's log for the rule that refuses it. ${SAME_POLICY}`,
  [GateReason.PEER_PLAINTEXT]: SAME_POLICY,
  [GateReason.PEER_SECURES]: SAME_POLICY,
  [GateReason.PEER_MODE]:
    'Set the same mode on both nodes (`tlshubctl mode set MODE`); openssl and boringssl go together.',
  [GateReason.TRANSLATED]: 'Name the address that programs connect to in the mapping, or in policy_exclude.',
  [GateReason.SOCKET_KIND]: 'Let the program use TCP, or run it outside the captured cgroups.',
};

export function whyRefused(reason: number, { peerIntent, peerReason }: Peer, provider: ProviderName): GateRefusal {
  const text = reasonText(reason);
  if (reason === GateReason.NOT_MESH) return { code: 'TLSHUB_PEER_UNKNOWN', reason: `${text}: ${peerReason}` };
  const remedy = REMEDIES[reason];
  const modes = `: it wants ${intentText(peerIntent)}, this node is in mode ${provider}`;
  return {
    code: 'TLSHUB_GATE_REFUSED',
    reason: reason === GateReason.PEER_MODE ? text + modes : text,
    ...(remedy !== undefined && { remedy }),
  };
}
