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
  return [...networks].map((network) => meshEntryOf(network, nodeName));
}

export function meshEntryOf(network: MappedNetwork, nodeName: string): Omit<MeshEntry, 'node'> {
  return { addr: network.address, prefix: network.prefix, local: isLocal(network, nodeName) };
}

/** Whether a network's pods are all on this node. A service's may be elsewhere when the connection is translated: its address never counts as here. */
function isLocal({ nodes, services }: MappedNetwork, nodeName: string): boolean {
  return services.length === 0 && nodes.every((node) => node === nodeName);
}
