/**
 * What is to become of a connection: a pure function of its addresses, the mapping and the rules. BPF makes the same decision on the
 * addresses at SYN time (bpf/); the dispatcher uses this one to find the peer's nodes and to cross-check what BPF says.
 */
import { formatAddress, isLoopback, type AddressBytes } from '../shared/address.js';
import type { Role } from '../shared/native.js';

export type FlowClass = 'mesh' | 'plaintext' | 'refused';

/** Addresses as 16 bytes, see address.ts. */
export interface FlowAddresses {
  local: AddressBytes;
  remote: AddressBytes;
  role: Role;
}

export interface PolicyRules {
  policy: 'strict' | 'permissive';
}

/** What the decision needs of the mapping. */
export interface PeerNodes {
  nodesOfAddress(address: AddressBytes): readonly string[];
}

export interface Decision {
  class: FlowClass;
  /** which rule decided */
  rule: 'loopback' | 'mesh-peer' | 'not-mesh';
  /** a sentence for the log and `tlshubctl flows` */
  reason: string;
  /** nodes whose certificate the peer may show; empty unless class is `mesh` */
  peerNodes: readonly string[];
}

const NO_NODES: readonly string[] = Object.freeze([]);

/**
 * Loopback is plaintext, since it never leaves the host; a peer in the mapping is mesh under either policy; for any other the policy says.
 * The rules look at both addresses the same way, so that the two ends of a connection on one host decide alike.
 */
export function decide(flow: FlowAddresses, mapping: PeerNodes, rules: PolicyRules): Decision {
  if (isLoopback(flow.remote) || isLoopback(flow.local)) {
    return { class: 'plaintext', rule: 'loopback', reason: 'loopback never leaves the host', peerNodes: NO_NODES };
  }
  const peerNodes = mapping.nodesOfAddress(flow.remote);
  const remote = formatAddress(flow.remote);
  if (peerNodes.length > 0) {
    return { class: 'mesh', rule: 'mesh-peer', reason: `${remote} is on ${peerNodes.join(' or ')}`, peerNodes };
  }
  const direction = flow.role === 'active' ? 'to' : 'from';
  return rules.policy === 'strict'
    ? {
        class: 'refused',
        rule: 'not-mesh',
        reason: `${direction} ${remote}, which is not in the mapping (policy strict)`,
        peerNodes: NO_NODES,
      }
    : {
        class: 'plaintext',
        rule: 'not-mesh',
        reason: `${direction} ${remote}, which is not in the mapping (policy permissive)`,
        peerNodes: NO_NODES,
      };
}
