// SPDX-License-Identifier: Apache-2.0
/**
 * What events did not say. The perf buffer can lose samples and an agent can come after its predecessor, so the kernel's own list of
 * flows (a BPF iterator over the sockets' storage) is read at start, whenever samples were lost, and every few seconds. A lost event
 * must not leave a program hanging, nor the table growing.
 */
import { BOTH_DIRECTIONS, FlowClass, TcpState, type SweepRecord, type Traffic } from '../../shared/kernel/abi.js';
import type { Dispatcher } from './dispatcher.js';
import { ADOPTED_SECURED } from './machine.js';
import type { Flow } from './table.js';

/** States in which keys can be set. */
const USABLE_STATES = new Set<number>([TcpState.ESTABLISHED, TcpState.CLOSE_WAIT]);
/** A flow that events have just told of may be younger than the list. In ns. */
const SETTLING_NS = 1e9;
/**
 * Lists in a row without a flow that mean that the kernel has it no more. It goes on in its list by a place's number: for each socket that
 * ends behind that place between two pieces, another one is skipped. So one list says nothing, and of long ones it takes one more.
 */
const ENOUGH_MISSES = { whole: 2, pieces: 3 };

export interface SweepResult {
  records: number;
  /** flows that the table learned of, or learned whom they belong to */
  found: number;
  /** flows of the table that the kernel no longer has */
  gone: number;
  /** secured flows of an earlier agent */
  adopted: number;
}

/** Brings the dispatcher up to date with one reading of the kernel's list. Events may come between two records. */
export class Sweep {
  private readonly result: SweepResult = { records: 0, found: 0, gone: 0, adopted: 0 };
  private readonly present = new Set<Flow>();

  /** @param startedNs before the list was opened, CLOCK_MONOTONIC nanoseconds */
  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly startedNs: number,
  ) {}

  /** @param kind what it is to the gathering of the same reading */
  record(record: SweepRecord, kind: 'unloaded' | 'known' | 'other'): void {
    const { dispatcher, present, result } = this;
    result.records++;
    if (kind === 'known') return;
    if (kind === 'unloaded') {
      const before = dispatcher.table.get(record.cookie);
      if (before !== undefined) dispatcher.supersede(before);
      return;
    }
    applyRecord(dispatcher, record, result);
    const flow = dispatcher.table.get(record.cookie);
    if (flow !== undefined && record.generation >= flow.generation) present.add(flow);
  }

  /** That was all. */
  finish(unloaded: { count: number; countOnList: number }, inPieces = false): SweepResult {
    const { dispatcher, result } = this;
    this.closeMissing(inPieces ? ENOUGH_MISSES.pieces : ENOUGH_MISSES.whole);
    const { values } = dispatcher.counters;
    if (values.sweeps === 0) result.adopted += unloaded.countOnList;
    dispatcher.unloaded.count = unloaded.count;
    dispatcher.adopted(result.adopted);
    values.sweeps++;
    values.sweptIn += result.found;
    values.sweptOut += result.gone;
    dispatcher.flush();
    dispatcher.openRecords.look();
    return result;
  }

  private closeMissing(enough: number): void {
    const { dispatcher, result, present, startedNs } = this;
    const { table } = dispatcher;
    for (const flow of [...table.all()]) {
      if (!table.isLive(flow) || flow.seenNs > startedNs - SETTLING_NS) continue;
      flow.missed = present.has(flow) ? 0 : flow.missed + 1;
      if (flow.missed < enough) continue;
      result.gone++;
      dispatcher.feed(flow, { type: 'closed' });
    }
  }
}

function applyRecord(dispatcher: Dispatcher, record: SweepRecord, result: SweepResult): void {
  let flow = dispatcher.table.get(record.cookie);
  if (flow?.generation === record.generation) {
    learnTraffic(dispatcher, flow, record.traffic);
    flow.hold = record.hold;
  }
  if (record.class !== FlowClass.MESH) return;
  if (flow !== undefined && flow.generation > record.generation) return;
  if (flow === undefined || flow.generation < record.generation) {
    // Not established yet, or over: events will say, or there is nothing to say.
    if (record.refused !== 0 || record.establishedNs === 0 || !USABLE_STATES.has(record.skState)) return;
    if (flow !== undefined) dispatcher.supersede(flow);
    flow = dispatcher.arrivals.learn(record);
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
  dispatcher.established(flow, record);
  if (record.owner === undefined) return;
  // Its SYN is still on its way, and a call waits for it: there is nothing yet that keys could be set on.
  if (record.establishedNs === 0) flow.holder = record.owner;
  else dispatcher.ownerKnown(flow, record.owner);
}

/** What a connection has moved only grows; an event may have told of more since the record was read. */
function learnTraffic(dispatcher: Dispatcher, flow: Flow, traffic: Traffic | undefined): void {
  const { sent = 0, received = 0 } = flow.traffic ?? {};
  if (traffic !== undefined && traffic.sent >= sent && traffic.received >= received) {
    dispatcher.learnTraffic(flow, traffic);
  }
}

function lostRefusal(dispatcher: Dispatcher, flow: Flow, record: SweepRecord): void {
  // Our own refusals (from 64 on) are under way and will answer by themselves.
  if (record.refused === 0 || record.refused >= 64) return;
  dispatcher.refusedByGate(flow, record.refused);
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
export function continueAbandoned(
  dispatcher: Dispatcher,
  stopped: readonly bigint[],
  resume: (cookie: bigint) => number,
): number {
  if (stopped.length === 0) return 0;
  const answered = new Set(dispatcher.table.pending().map((flow) => flow.cookie));
  return stopped.reduce((count, cookie) => (answered.has(cookie) ? count : count + resume(cookie)), 0);
}
