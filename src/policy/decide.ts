// SPDX-License-Identifier: Apache-2.0
/**
 * What is to become of a connection: a pure function of its ends, the mapping and the policy. BPF makes the same decision when the SYN
 * leaves and when a connection comes in (bpf/policy.bpf.h, in the same order); user space uses this one for words and for what a reload
 * changes. docs/POLICY.md is the text of it.
 */
import { formatAddress, isLoopback, type AddressBytes } from '../shared/net/address.js';
import type { Role } from '../shared/kernel/words.js';
import { RuleTable, type Rule } from './rules.js';

export type DecidedClass = 'mesh' | 'plaintext' | 'refused';

/** Addresses as 16 bytes, see address.ts; ports as numbers. */
export interface FlowAddresses {
  local: AddressBytes;
  remote: AddressBytes;
  lport: number;
  rport: number;
  role: Role;
}

export interface Policy {
  policy: 'strict' | 'permissive';
  /** what becomes of connections between two pods of this node */
  sameNode: 'secure' | 'plaintext';
  /** this node's name, as in the mapping */
  node: string;
  rules: RuleTable;
}

/** The keys of the configuration that the policy is made of. */
export interface PolicyKeys {
  readonly policy: Policy['policy'];
  readonly policySameNode: Policy['sameNode'];
  readonly nodeName: string;
  readonly policyExclude: readonly string[];
  readonly policyRequire: readonly string[];
}

const policies = new WeakMap<PolicyKeys, Policy>();

/** The policy of a configuration, which never changes: made when it is first asked for. */
export function policyOf(keys: PolicyKeys): Policy {
  let policy = policies.get(keys);
  if (policy === undefined) {
    policy = {
      policy: keys.policy,
      sameNode: keys.policySameNode,
      node: keys.nodeName,
      rules: RuleTable.parse(keys.policyExclude, keys.policyRequire),
    };
    policies.set(keys, policy);
  }
  return policy;
}

/** What the decision needs of the mapping. */
export interface NodesOfAddress {
  nodesOfAddress(address: AddressBytes): readonly string[];
  /** the service whose address it is; undefined: a pod's, or nobody's of the mesh */
  serviceOf(address: AddressBytes): string | undefined;
}

export interface Decision {
  class: DecidedClass;
  /** which rule decided */
  rule: 'loopback' | 'exclude' | 'require' | 'same-node' | 'mesh-peer' | 'no-endpoint' | 'not-mesh';
  /** a sentence for the log and `tlshubctl flows` */
  reason: string;
  /** nodes whose certificate the peer may show; empty unless class is `mesh` */
  peerNodes: readonly string[];
  /** the service that the connection goes to; absent: to a pod, or comes from one */
  service?: string;
}

const NO_NODES: readonly string[] = Object.freeze([]);

/**
 * The same on both ends of a connection, as far as they have the same mapping and rules.
 *
 * A connect() is judged before the kernel has chosen an address of its own for it. What the peer's end alone gets refused stays refused: a
 * rule on the own address does not open it.
 */
export function decide(flow: FlowAddresses, mapping: NodesOfAddress, policy: Policy): Decision {
  const { local, remote, role } = flow;
  if (isLoopback(remote) || isLoopback(local)) {
    return { class: 'plaintext', rule: 'loopback', reason: 'loopback never leaves the host', peerNodes: NO_NODES };
  }
  if (role === 'active') {
    const early = judge(flow, [remote], mapping, policy);
    if (early.class === 'refused') return early;
  }
  return judge(flow, [remote, local], mapping, policy);
}

/** `ends`: the addresses that are known, the peer's first. */
function judge(flow: FlowAddresses, ends: readonly AddressBytes[], mapping: NodesOfAddress, policy: Policy): Decision {
  const { remote, role } = flow;
  const nodes = mapping.nodesOfAddress(remote);
  const peer = formatAddress(remote);
  const text = `${role === 'active' ? 'to' : 'from'} ${peer}`;
  const [server, port] = role === 'active' ? [remote, flow.rport] : [flow.local, flow.lport];
  const rule = policy.rules.best(ends, server, port);
  if (rule?.action === 'exclude') return plaintext('exclude', `${text}: excluded by ${words(rule)}`);
  const service = mapping.serviceOf(remote);
  if (service !== undefined) return toService(peer, service, nodes, rule);
  if (nodes.length > 0) {
    const where = `${peer} is on ${nodes.join(' or ')}`;
    if (rule !== undefined) {
      return { class: 'mesh', rule: 'require', reason: `${where}, required by ${words(rule)}`, peerNodes: nodes };
    }
    const [, own] = ends;
    const here = (list: readonly string[]): boolean => list.length > 0 && list.every((node) => node === policy.node);
    if (policy.sameNode === 'plaintext' && own !== undefined && here(nodes) && here(mapping.nodesOfAddress(own))) {
      return plaintext('same-node', `${text}: both pods are on this node`);
    }
    return { class: 'mesh', rule: 'mesh-peer', reason: where, peerNodes: nodes };
  }
  if (rule !== undefined) return refused('require', `${text}: to be secured by ${words(rule)}, but not in the mapping`);
  const reason = `${text}, which is not in the mapping (policy ${policy.policy})`;
  return policy.policy === 'strict' ? refused('not-mesh', reason) : plaintext('not-mesh', reason);
}

/**
 * Any of the nodes behind it may answer, and it never counts as this node's own: where the connection goes is decided when it is translated.
 * To BPF one without an endpoint is a peer of the mesh like the others: it holds the connection, and the agent refuses it.
 */
function toService(peer: string, service: string, nodes: readonly string[], rule: Rule | undefined): Decision {
  const what = `${peer} is service ${service}`;
  if (nodes.length === 0)
    return { ...refused('no-endpoint', `${what}, which has no endpoint in the mapping`), service };
  const reason = `${what}, on ${nodes.join(' or ')}${rule === undefined ? '' : `, required by ${words(rule)}`}`;
  return { class: 'mesh', rule: rule === undefined ? 'mesh-peer' : 'require', reason, peerNodes: nodes, service };
}

function words({ action, text }: Rule): string {
  return `policy_${action} ${text}`;
}

function plaintext(rule: Decision['rule'], reason: string): Decision {
  return { class: 'plaintext', rule, reason, peerNodes: NO_NODES };
}

function refused(rule: Decision['rule'], reason: string): Decision {
  return { class: 'refused', rule, reason, peerNodes: NO_NODES };
}
