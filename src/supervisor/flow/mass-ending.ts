// SPDX-License-Identifier: Apache-2.0
/** Ends many flows at once: all that are not secured yet, or all that somebody has a word against. */
import { FlowClass } from '../../shared/kernel/abi.js';
import type { Dispatcher } from './dispatcher.js';
import type { Verdict } from './machine.js';
import type { Flow } from './table.js';

type Ending = Pick<Dispatcher, 'table' | 'feed'>;

/** Ends every flow of the mesh that is neither secured nor about to be. Returns how many it gave up now. */
export function giveUpAll(dispatcher: Ending, verdict: Verdict): number {
  let count = 0;
  for (const flow of [...dispatcher.table.all()]) {
    const { phase, verdict: earlier } = flow.machine;
    if (flow.class !== FlowClass.MESH || phase === 'secured' || phase === 'done' || phase === 'installing') continue;
    if (earlier !== undefined) continue;
    count++;
    dispatcher.feed(flow, { type: 'give-up', verdict });
  }
  return count;
}

const LEFT: Verdict = { state: 'closed', code: '', reason: 'left to the next agent', final: false, leave: true };

/**
 * Has work been begun on a connection that somebody who comes later could not go on with? Or nobody else could begin it, since its keys are agreed on by
 * name, and it waits to be accepted.
 */
export function isUnderWay({ class: flowClass, machine, agreed, establishedNs }: Flow): boolean {
  const { phase } = machine;
  if (flowClass !== FlowClass.MESH || phase === 'secured' || phase === 'done') return false;
  return phase !== 'waiting' || (agreed !== undefined && establishedNs !== 0);
}

/** Ends the work on every such connection. One that bears no trace of it is left as it is; the others end as `otherwise` says. */
export function letGoAll(dispatcher: Ending, otherwise: Verdict): number {
  let count = 0;
  for (const flow of [...dispatcher.table.all()]) {
    if (!isUnderWay(flow) || flow.machine.verdict !== undefined || flow.machine.phase === 'installing') continue;
    count++;
    const verdict = flow.agreed === undefined ? { ...LEFT, ifTouched: otherwise } : otherwise;
    dispatcher.feed(flow, { type: 'give-up', verdict });
  }
  return count;
}

/** Ends every flow of the table that `judge` has a word against. Returns how many. */
export function revokeAll(dispatcher: Ending, judge: (flow: Flow) => string | undefined): number {
  const { table } = dispatcher;
  let count = 0;
  for (const flow of [...table.all()]) {
    const { phase } = flow.machine;
    if (!table.isLive(flow) || phase === 'ending' || phase === 'done') continue;
    const reason = judge(flow);
    if (reason === undefined) continue;
    count++;
    const open = flow.class === FlowClass.PLAINTEXT || flow.secured;
    dispatcher.feed(flow, { type: 'revoke', code: 'TLSHUB_REVOKED', reason, open });
  }
  return count;
}
