// SPDX-License-Identifier: Apache-2.0
/** The metrics files' contents: docs/PERFORMANCE_METRICS.md says what each field is. Names and units are a contract: add, do not change. */
import type { ConnectionRecord } from './connection-record.js';
import type { FlowMetricsReport, LatencyName } from './flow-metrics.js';
import type { LatencyReport } from './latency.js';
import type { ProcessUsage } from './process-usage.js';

export interface PerfReport {
  /** when it was made, seconds since 1970; the files carry the same number in their name */
  timestamp: number;
  node: string;
  summary: {
    total_connections: number;
    successful_connections: number;
    failed_connections: number;
    active_connections: number;
    secured_connections: number;
    plaintext_connections: number;
    closed_unsecured_connections: number;
    pending_connections: number;
    avg_connection_latency_ms: number | null;
    min_connection_latency_ms: number | null;
    max_connection_latency_ms: number | null;
    avg_key_negotiation_ms: number | null;
    min_key_negotiation_ms: number | null;
    max_key_negotiation_ms: number | null;
    avg_throughput_mbps: number | null;
    max_throughput_mbps: number | null;
    total_bytes_transferred: number;
    total_bytes_sent: number;
    total_bytes_received: number;
    connections_of_unknown_bytes: number;
    cpu_usage_percent: number;
    memory_usage_kb: number;
  };
  latency_ms: Record<LatencyName | 'connection', LatencyReport>;
  /** of `connections_total` the last `connections_kept` are listed; `connections_limit` is metrics_connections_kept */
  connections_total: number;
  connections_kept: number;
  connections_limit: number;
  connections: ConnectionRecord[];
}

/** Columns of the CSV; the first six are the contract's. */
export const COLUMNS = [
  'connection_id',
  'connection_latency_ms',
  'key_negotiation_ms',
  'bytes_sent',
  'bytes_received',
  'throughput_mbps',
  'state',
  'role',
  'provider',
  'cipher',
  'syn_to_established_ms',
  'hold_ms',
  'dispatch_ms',
  'queue_ms',
  'install_ms',
  'open_ms',
  'exchange',
] as const satisfies readonly (keyof ConnectionRecord)[];

/** Records that are turned into text at once: what is between two writes, in which other work has its turn. */
const AT_ONCE = 500;

export function perfReport(flows: FlowMetricsReport, usage: ProcessUsage, node: string, timestamp: number): PerfReport {
  const { totals, latencies, connectionLatency } = flows;
  const { secured, plaintext, failed, closedUnsecured, pending } = totals.outcomes;
  const measured = totals.throughputCount > 0;
  return {
    timestamp,
    node,
    summary: {
      total_connections: flows.total,
      successful_connections: secured + plaintext,
      failed_connections: failed,
      active_connections: flows.active,
      secured_connections: secured,
      plaintext_connections: plaintext,
      closed_unsecured_connections: closedUnsecured,
      pending_connections: pending,
      avg_connection_latency_ms: connectionLatency.mean,
      min_connection_latency_ms: connectionLatency.min,
      max_connection_latency_ms: connectionLatency.max,
      avg_key_negotiation_ms: latencies.negotiation.mean,
      min_key_negotiation_ms: latencies.negotiation.min,
      max_key_negotiation_ms: latencies.negotiation.max,
      avg_throughput_mbps: measured ? totals.throughputSum / totals.throughputCount : null,
      max_throughput_mbps: measured ? totals.throughputMax : null,
      total_bytes_transferred: totals.bytesSent + totals.bytesReceived,
      total_bytes_sent: totals.bytesSent,
      total_bytes_received: totals.bytesReceived,
      connections_of_unknown_bytes: totals.bytesUnknown,
      cpu_usage_percent: usage.cpuPercent,
      memory_usage_kb: usage.residentKb,
    },
    latency_ms: { connection: connectionLatency, ...latencies },
    connections_total: flows.total,
    connections_kept: flows.connections.length,
    connections_limit: flows.limit,
    connections: flows.connections,
  };
}

/** JSON, one connection a line. */
export function* jsonText(report: PerfReport): Generator<string> {
  const { connections, ...head } = report;
  yield `${JSON.stringify(head, null, 1).slice(0, -2)},\n "connections": [`;
  let separator = '\n';
  for (let at = 0; at < connections.length; at += AT_ONCE) {
    const lines = connections.slice(at, at + AT_ONCE).map((record) => `  ${JSON.stringify(record)}`);
    yield `${separator}${lines.join(',\n')}`;
    separator = ',\n';
  }
  yield `${connections.length > 0 ? '\n ' : ''}]\n}\n`;
}

/** Values are numbers and words of our own, so none needs quotes; null is an empty cell. */
export function* csvText({ connections }: PerfReport): Generator<string> {
  yield `${COLUMNS.join(',')}\n`;
  for (let at = 0; at < connections.length; at += AT_ONCE) {
    const rows = connections.slice(at, at + AT_ONCE);
    yield rows.map((record) => `${COLUMNS.map((column) => record[column] ?? '').join(',')}\n`).join('');
  }
}
