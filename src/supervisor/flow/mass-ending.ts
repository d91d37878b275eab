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
