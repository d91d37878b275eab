/** Connections that were made under other rules than those of now (revoke_on_reload). */
import type { Decision } from '../../policy/decide.js';
import { FlowClass, type SweepRecord } from '../../shared/kernel/abi.js';
import { decideBy } from '../settings/directory.js';
import type { Dispatcher } from './dispatcher.js';
import type { Flow } from './table.js';
import type { Settings } from '../settings/in-force.js';

/** Why the rules of now forbid a flow; undefined: they do not. `decision` is theirs on the flow's addresses. */
export function whyForbidden(
  flow: Pick<Flow, 'class' | 'peerNode' | 'peerNodes'>,
  decision: Decision,
): string | undefined {
  if (flow.class === FlowClass.PLAINTEXT) {
    if (decision.class === 'plaintext') return undefined;
    if (decision.class === 'refused') return `no longer allowed: ${decision.reason}`;
    return `no longer allowed in plaintext: ${decision.reason}`;
  }
  // What may be plaintext may be encrypted.
  if (flow.class !== FlowClass.MESH || decision.class === 'plaintext') return undefined;
  if (decision.class === 'refused') return `no longer allowed: ${decision.reason}`;
  const proven = flow.peerNode === null ? flow.peerNodes : [flow.peerNode];
  if (proven.some((node) => decision.peerNodes.includes(node))) return undefined;
  return `no longer allowed: ${decision.reason}, and the connection was made with ${proven.join(' or ') || 'nobody known'}`;
}

/**
 * Ends what the settings forbid, also what only the kernel knows of: secured connections, and plaintext ones of an earlier agent's time.
 * @param records the kernel's list, read after the settings came into force
 * @returns how many
 */
export function revokeForbidden(
  dispatcher: Dispatcher,
  settings: Pick<Settings, 'config' | 'mapping'>,
  records: Iterable<SweepRecord>,
): number {
  const judge = (flow: Flow): string | undefined => whyForbidden(flow, decideBy(settings, flow.tuple, flow.role));
  for (const record of records) {
    const secured = dispatcher.recall(record);
    if (secured !== undefined) {
      if (judge(secured) !== undefined) dispatcher.table.add(secured);
      continue;
    }
    if (record.class !== FlowClass.PLAINTEXT || record.establishedNs === 0 || record.refused !== 0) continue;
    if (dispatcher.table.get(record.cookie) !== undefined) continue;
    dispatcher.learn(record).owner = record.owner;
  }
  return dispatcher.revoke(judge);
}
