// SPDX-License-Identifier: Apache-2.0
/** Policy and mapping as BPF has them. */
import type { MappedNetwork } from '../mapping/pod-node-mapping.js';
import type { GateSettings, MeshEntry } from '../shared/kernel/kernel-addon.js';
import type { Policy } from './decide.js';

export function policyForGate({
  policy,
  sameNode,
  rules,
}: Policy): Pick<GateSettings, 'policy' | 'sameNode' | 'rules'> {
  const entries = [...rules].map(({ network, port, rank }) => ({
    addr: network.address,
    prefix: network.prefix,
    port,
    rank,
  }));
  return { policy, sameNode, rules: entries };
}

export function meshForGate(networks: Iterable<MappedNetwork>, nodeName: string): Omit<MeshEntry, 'node'>[] {
  return [...networks].map(({ address, prefix, nodes }) => ({
    addr: address,
    prefix,
    local: isLocal(nodes, nodeName),
  }));
}

/** Whether a network's pods are all on this node. */
export function isLocal(nodes: readonly string[], nodeName: string): boolean {
  return nodes.every((node) => node === nodeName);
}
