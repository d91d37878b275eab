// SPDX-License-Identifier: Apache-2.0
/** Connections that were made under other rules than those of now (revoke_on_reload). */
import type { Decision } from '../../policy/decide.js';
import { FlowClass, type SweepRecord } from '../../shared/kernel/abi.js';
import { decideBy } from '../settings/directory.js';
import type { Dispatcher } from './dispatcher.js';
import type { UnloadedFlow } from './gathering.js';
import type { ListVisitor } from './list-reader.js';
import { revokeAll } from './mass-ending.js';
import type { Flow } from './table.js';
import type { Settings } from '../settings/in-force.js';

/**
 * Why the rules of now forbid a flow; undefined: they do not. `decision` is theirs on the flow's addresses, and `nodes` are those of the
 * mapping of now. What goes to a service was translated when it began, and stays where it is when other endpoints take its place: it is
 * forbidden when its node is no longer in the mapping.
 */
export function whyForbidden(
  flow: Pick<Flow, 'class' | 'peerNode' | 'peerNodes'>,
  decision: Decision,
  nodes: ReadonlySet<string>,
): string | undefined {
  if (flow.class === FlowClass.PLAINTEXT) {
    if (decision.class === 'plaintext') return undefined;
    if (decision.class === 'refused') return `no longer allowed: ${decision.reason}`;
    return `no longer allowed in plaintext: ${decision.reason}`;
  }
  // What may be plaintext may be encrypted.
  if (flow.class !== FlowClass.MESH || decision.class === 'plaintext') return undefined;
  if (decision.service !== undefined && flow.peerNode !== null && nodes.has(flow.peerNode)) return undefined;
  if (decision.class === 'refused') return `no longer allowed: ${decision.reason}`;
  const proven = flow.peerNode === null ? flow.peerNodes : [flow.peerNode];
  if (proven.some((node) => decision.peerNodes.includes(node))) return undefined;
  return `no longer allowed: ${decision.reason}, and the connection was made with ${proven.join(' or ') || 'nobody known'}`;
}

/**
 * Ends what the settings forbid, also what only the kernel knows of: secured connections, and plaintext ones of an earlier agent's time. To be
 * read after the settings came into force. Says how many.
 */
export class Revocation implements ListVisitor<number> {
  private readonly forbidden = new Map<bigint, Flow>();

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly settings: Pick<Settings, 'config' | 'mapping'>,
  ) {}

  found(unloaded: UnloadedFlow): void {
    const flow = unloaded.restore();
    if (this.judge(flow) !== undefined) this.forbidden.set(flow.cookie, flow);
  }

  lost(cookie: bigint): void {
    this.forbidden.delete(cookie);
  }

  other(record: SweepRecord): void {
    if (record.class !== FlowClass.PLAINTEXT || record.establishedNs === 0 || record.refused !== 0) return;
    if (this.dispatcher.table.get(record.cookie) !== undefined) return;
    this.dispatcher.arrivals.learn(record).owner = record.owner;
  }

  done(): number {
    for (const flow of this.forbidden.values()) this.dispatcher.table.add(flow);
    return revokeAll(this.dispatcher, (flow) => this.judge(flow));
  }

  private judge(flow: Flow): string | undefined {
    return whyForbidden(flow, decideBy(this.settings, flow.tuple, flow.role), this.settings.mapping.nodes);
  }
}
