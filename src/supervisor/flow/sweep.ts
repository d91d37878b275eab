/**
 * What events did not say. The perf buffer can lose samples and an agent can come after its predecessor, so the kernel's own list of
 * flows (a BPF iterator over the sockets' storage) is read at start, whenever samples were lost, and every few seconds. A lost event
 * must not leave a program hanging, nor the table growing.
 */
import { BOTH_DIRECTIONS, FlowClass, TcpState, reasonText, type SweepRecord } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Dispatcher } from './dispatcher.js';
import { ADOPTED_SECURED } from './machine.js';
import type { Flow } from './table.js';
import { isForgotten } from './unloaded.js';

/** States in which keys can be set. */
const USABLE_STATES = new Set<number>([TcpState.ESTABLISHED, TcpState.CLOSE_WAIT]);
/** A flow that events have just told of may be younger than the list. In ns. */
const SETTLING_NS = 1e9;

export interface SweepResult {
  records: number;
  /** flows that the table learned of, or learned whom they belong to */
  found: number;
  /** flows of the table that the kernel no longer has */
  gone: number;
  /** secured flows of an earlier agent */
  adopted: number;
}

/**
 * Brings the dispatcher up to date with the kernel's list.
 * @param records the list, read after `startedNs`; each is used up before the next one is asked for
 */
export function applySweep(dispatcher: Dispatcher, records: Iterable<SweepRecord>, startedNs: number): SweepResult {
  const { table } = dispatcher;
  const result: SweepResult = { records: 0, found: 0, gone: 0, adopted: 0 };
  const present = new Set<Flow>();
  let forgotten = 0;
  for (const record of records) {
    result.records++;
    if (isForgotten(table, record)) {
      const before = table.get(record.cookie);
      if (before !== undefined) dispatcher.supersede(before);
      forgotten++;
      continue;
    }
    applyRecord(dispatcher, record, result);
    const flow = table.get(record.cookie);
    if (flow !== undefined && record.generation >= flow.generation) present.add(flow);
  }
  for (const flow of [...table.all()]) {
    if (!table.isLive(flow) || flow.seenNs > startedNs - SETTLING_NS) continue;
    // The kernel goes on in its list by a place's number: a socket that ends behind it meanwhile lets another one be skipped.
    const missedBefore = flow.missed;
    flow.missed = !present.has(flow);
    if (!missedBefore || !flow.missed) continue;
    result.gone++;
    dispatcher.feed(flow, { type: 'closed' });
  }
  const { values } = dispatcher.counters;
  if (values.sweeps === 0) result.adopted += forgotten;
  dispatcher.countForgotten(forgotten);
  dispatcher.adopted(result.adopted);
  values.sweeps++;
  values.sweptIn += result.found;
  values.sweptOut += result.gone;
  dispatcher.flush();
  return result;
}

function applyRecord(dispatcher: Dispatcher, record: SweepRecord, result: SweepResult): void {
  let flow = dispatcher.table.get(record.cookie);
  if (flow?.generation === record.generation) dispatcher.learnTraffic(flow, record.traffic);
  if (record.class !== FlowClass.MESH) return;
  if (flow !== undefined && flow.generation > record.generation) return;
  if (flow === undefined || flow.generation < record.generation) {
    // Not established yet, or over: events will say, or there is nothing to say.
    if (record.refused !== 0 || record.establishedNs === 0 || !USABLE_STATES.has(record.skState)) return;
    if (flow !== undefined) dispatcher.supersede(flow);
    flow = dispatcher.learn(record);
    if (record.encrypts === BOTH_DIRECTIONS) {
      adopt(flow, record, result);
      return;
    }
    result.found++;
    flow.tainted = record.agentTx > 0 || record.keyed !== 0;
  } else if (flow.machine.phase !== 'waiting') {
    lostRefusal(dispatcher, flow, record);
    return;
  } else if (flow.holder === undefined && record.owner !== undefined) {
    result.found++;
  }
  if (record.refused !== 0) {
    lostRefusal(dispatcher, flow, record);
    return;
  }
  if (record.owner !== undefined) dispatcher.ownerKnown(flow, record.owner);
}

function lostRefusal(dispatcher: Dispatcher, flow: Flow, record: SweepRecord): void {
  // Our own refusals (from 64 on) are under way and will answer by themselves.
  if (record.refused === 0 || record.refused >= 64) return;
  dispatcher.feed(flow, { type: 'gate-refused', reason: reasonText(record.refused) });
}

function adopt(flow: Flow, record: SweepRecord, result: SweepResult): void {
  flow.owner = record.owner;
  flow.secured = true;
  flow.kernelUlp = 'tls';
  flow.machine = ADOPTED_SECURED;
  result.adopted++;
}

/**
 * Continues whoever stands still for a flow that nobody works on: an earlier agent died between deciding and continuing, or it and
 * its guardian together. If the flow is still held, the repeated call tells of it.
 * @param stopped cookies of the flows for which somebody stands still
 * @param resume returns how many processes it continued
 * @returns how many were continued in all
 */
export function continueForgotten(
  dispatcher: Dispatcher,
  stopped: readonly bigint[],
  resume: (cookie: bigint) => number,
): number {
  if (stopped.length === 0) return 0;
  const answered = new Set(dispatcher.pending().map((flow) => flow.cookie));
  return stopped.reduce((count, cookie) => (answered.has(cookie) ? count : count + resume(cookie)), 0);
}

/** Reads and applies. Returns undefined when the list could not be read; `failed` is told why. */
export function sweepNow(
  dispatcher: Dispatcher,
  read: () => Iterable<SweepRecord>,
  failed: (error: unknown) => void,
): SweepResult | undefined {
  try {
    return applySweep(dispatcher, read(), monotonicNs());
  } catch (error) {
    failed(error);
    return undefined;
  }
}
