/**
 * What the agent knows of its connections, in bounded memory: exact totals of all of them, histograms of their times, and a record of each
 * of the last ones that ended. docs/PERFORMANCE_METRICS.md defines every figure.
 *
 * What a connection has moved may become known after its end (a program can go on reading what arrived before), so its record is found again
 * by its name and totals are corrected by the difference.
 */
import type { Traffic } from '../shared/kernel/abi.js';
import type { FlowObserver } from '../supervisor/flow/observer.js';
import type { Flow } from '../supervisor/flow/table.js';
import {
  connectionId,
  connectionLatencyMs,
  outcomeOf,
  recordOf,
  setBytes,
  type ConnectionRecord,
  type Outcome,
} from './connection-record.js';
import { Latency, type LatencyReport } from './latency.js';

export const LATENCIES = ['syn_to_established', 'hold', 'dispatch', 'queue', 'negotiation', 'install'] as const;
export type LatencyName = (typeof LATENCIES)[number];

/** Sums over connections that ended, or over all at the time of a report. */
export interface Totals {
  outcomes: Record<Outcome, number>;
  bytesSent: number;
  bytesReceived: number;
  /** connections that were open and whose bytes nobody can tell */
  bytesUnknown: number;
  throughputSum: number;
  throughputCount: number;
  throughputMax: number;
}

export interface FlowMetricsReport {
  totals: Totals;
  active: number;
  /** what `connections` can hold at most, and how many there were in all */
  limit: number;
  total: number;
  latencies: Record<LatencyName, LatencyReport>;
  connectionLatency: LatencyReport;
  /** oldest first; those that still run come last */
  connections: ConnectionRecord[];
}

export class FlowMetrics implements FlowObserver {
  private readonly latencies = Object.fromEntries(LATENCIES.map((name) => [name, new Latency()])) as Record<
    LatencyName,
    Latency
  >;
  private readonly connectionLatency = new Latency();
  private readonly totals = emptyTotals();
  /** connections that were secured, and those of them whose end was told */
  private securedCount = 0;
  private securedEnded = 0;
  /** the last connections that ended, by name, and their names in a circle whose oldest is at `next` */
  private readonly kept = new Map<string, ConnectionRecord>();
  private readonly names: string[] = [];
  private next = 0;
  private listener: (name: LatencyName, ms: number) => void = () => undefined;

  /** @param limit connections that are kept one by one */
  constructor(private readonly limit: number) {}

  /** Also told of every time that is recorded, from now on. */
  onLatency(listener: (name: LatencyName, ms: number) => void): void {
    this.listener = listener;
  }

  /** What those that ended and these have moved. */
  bytes(live: Iterable<Pick<Flow, 'traffic'>>): { sent: number; received: number } {
    let { bytesSent: sent, bytesReceived: received } = this.totals;
    for (const { traffic } of live) {
      sent += traffic?.sent ?? 0;
      received += traffic?.received ?? 0;
    }
    return { sent, received };
  }

  adopted(count: number): void {
    this.securedCount += count;
  }

  secured(flow: Flow): void {
    this.securedCount++;
    for (const [name, ms] of [
      ['syn_to_established', flow.synMs],
      ['hold', flow.holdMs],
      ['dispatch', flow.dispatchMs],
      ['queue', flow.queueMs],
      ['negotiation', flow.negotiationMs],
      ['install', flow.installMs],
    ] as const) {
      if (ms !== null) this.record(name, ms);
    }
    const whole = connectionLatencyMs(flow);
    if (whole !== null) this.connectionLatency.record(whole);
  }

  plaintext(flow: Flow): void {
    if (flow.synMs === null) return;
    this.record('syn_to_established', flow.synMs);
    this.connectionLatency.record(flow.synMs);
  }

  ended(flow: Flow): void {
    if (flow.secured) this.securedEnded++;
    const record = recordOf(flow, flow.closedNs);
    addTo(this.totals, record, outcomeOf(flow));
    if (this.limit === 0) return;
    const oldest = this.names[this.next];
    if (oldest !== undefined) this.kept.delete(oldest);
    this.names[this.next] = record.connection_id;
    this.next = (this.next + 1) % this.limit;
    this.kept.set(record.connection_id, record);
  }

  traffic(flow: Pick<Flow, 'cookie' | 'generation'>, traffic: Traffic): void {
    const record = this.kept.get(connectionId(flow));
    if (record === undefined) return;
    countBytes(this.totals, record, -1);
    setBytes(record, traffic);
    countBytes(this.totals, record, 1);
  }

  /**
   * @param live flows of the table that have not ended
   * @param nowNs CLOCK_MONOTONIC nanoseconds
   * @param unloaded secured ones that are not in the table
   */
  report(live: Iterable<Flow>, nowNs: number, unloaded: readonly ConnectionRecord[] = []): FlowMetricsReport {
    const totals = { ...this.totals, outcomes: { ...this.totals.outcomes } };
    const records = [...unloaded];
    for (const record of unloaded) addTo(totals, record, 'secured');
    let unheard = this.securedCount - this.securedEnded - unloaded.length;
    for (const flow of live) {
      const record = recordOf(flow, nowNs);
      addTo(totals, record, outcomeOf(flow));
      records.push(record);
      if (flow.secured) unheard--;
    }
    // Nobody remembers them but their sockets: of those that the kernel has no more, and whose last event was lost, only the number is known.
    totals.outcomes.secured += Math.max(0, unheard);
    totals.bytesUnknown += Math.max(0, unheard);
    const running = records.slice(Math.max(0, records.length - this.limit));
    const order = [...this.names.slice(this.next), ...this.names.slice(0, this.next)];
    const room = this.limit - running.length;
    const ended = room === 0 ? [] : order.slice(-room).flatMap((name) => this.kept.get(name) ?? []);
    return {
      totals,
      active: records.length,
      limit: this.limit,
      total: Object.values(totals.outcomes).reduce((sum, count) => sum + count, 0),
      latencies: Object.fromEntries(LATENCIES.map((name) => [name, this.latencies[name].report()])) as Record<
        LatencyName,
        LatencyReport
      >,
      connectionLatency: this.connectionLatency.report(),
      // Copies: what is written to a file over many turns must not change in between.
      connections: [...ended.map((record) => ({ ...record })), ...running],
    };
  }

  private record(name: LatencyName, ms: number): void {
    this.latencies[name].record(ms);
    this.listener(name, ms);
  }
}

function emptyTotals(): Totals {
  return {
    outcomes: { secured: 0, plaintext: 0, failed: 0, closedUnsecured: 0, pending: 0 },
    bytesSent: 0,
    bytesReceived: 0,
    bytesUnknown: 0,
    throughputSum: 0,
    throughputCount: 0,
    throughputMax: 0,
  };
}

function countBytes(totals: Totals, record: ConnectionRecord, sign: 1 | -1): void {
  totals.bytesSent += sign * (record.bytes_sent ?? 0);
  totals.bytesReceived += sign * (record.bytes_received ?? 0);
  if (record.bytes_sent === null) totals.bytesUnknown += sign;
  if (record.throughput_mbps === null) return;
  totals.throughputSum += sign * record.throughput_mbps;
  totals.throughputCount += sign;
  // What a connection has moved only grows, so a maximum is not taken back.
  if (sign === 1) totals.throughputMax = Math.max(totals.throughputMax, record.throughput_mbps);
}

function addTo(totals: Totals, record: ConnectionRecord, outcome: Outcome): void {
  totals.outcomes[outcome]++;
  countBytes(totals, record, 1);
}
