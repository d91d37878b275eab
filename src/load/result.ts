// SPDX-License-Identifier: Apache-2.0
/** The result of a run, as it is written: JSON for programs, CSV for spreadsheets. */
import { throughputMbps, type Connection } from './connection.js';
import type { BenchOptions } from './options.js';
import type { Percentiles, Tally } from './tally.js';

export interface Usage {
  /** from the first connection's begin to the end of the last */
  seconds: number;
  /** of this process, user and system */
  cpuSeconds: number;
  /** the highest resident set of this process */
  memoryBytes: number;
  portWaits: number;
  /** Unix time, s */
  begunAt: number;
  /** CLOCK_MONOTONIC, s: for who compares it with other moments of this machine, since the time of day may be set in between */
  begunMonotonic: number;
}

export interface ConnectionDetail {
  conn_id: number;
  state: string;
  bytes_sent: number;
  bytes_received: number;
  connection_latency_ms: number | null;
  throughput_mbps: number;
  connect_ms: number | null;
  duration_ms: number | null;
  late_ms: number;
  requests: number;
  local_port: number;
  peer_port: number;
  begin_ms: number;
  error: string;
}

export interface BenchResult {
  test_configuration: Record<string, string | number | boolean | string[] | null>;
  summary_metrics: {
    total_connections: number;
    successful_connections: number;
    failed_connections: number;
    interrupted_connections: number;
    avg_connection_latency_ms: number;
    min_connection_latency_ms: number;
    max_connection_latency_ms: number;
    avg_throughput_mbps: number;
    total_throughput_mbps: number;
    connections_per_second: number;
    total_requests: number;
    total_bytes_sent: number;
    total_bytes_received: number;
    total_test_duration_sec: number;
    cpu_usage_percent: number;
    cpu_seconds: number;
    memory_usage_mb: number;
    port_waits: number;
    connection_latency_percentiles_ms: Percentiles;
    uncorrected_latency_percentiles_ms: Percentiles;
    connect_percentiles_ms: Percentiles;
    request_latency_percentiles_ms: Percentiles;
    failures: Record<string, number>;
  };
  /** the last ones to end */
  connection_details: ConnectionDetail[];
  connection_details_limit: number;
}

/** What people read needs no more, and files are half as long. */
const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;
const roundedOrNull = (value: number | null): number | null => (value === null ? null : rounded(value));

function roundedAll({ p50, p90, p99, p99_9, max }: Percentiles): Percentiles {
  return { p50: rounded(p50), p90: rounded(p90), p99: rounded(p99), p99_9: rounded(p99_9), max: rounded(max) };
}

function detailOf(connection: Connection): ConnectionDetail {
  return {
    conn_id: connection.id,
    state: connection.state,
    bytes_sent: connection.bytesSent,
    bytes_received: connection.bytesReceived,
    connection_latency_ms: roundedOrNull(connection.firstByteMs),
    throughput_mbps: rounded(throughputMbps(connection)),
    connect_ms: roundedOrNull(connection.connectMs),
    duration_ms: roundedOrNull(connection.durationMs),
    late_ms: rounded(connection.lateMs),
    requests: connection.requests,
    local_port: connection.localPort,
    peer_port: connection.peerPort,
    begin_ms: rounded(connection.beginMs),
    error: connection.error,
  };
}

function configurationOf(options: BenchOptions, usage: Usage): BenchResult['test_configuration'] {
  const common = {
    mode: options.mode,
    total_connections: options.totalConnections ?? null,
    duration_sec: options.duration,
    begun_at: usage.begunAt,
    begun_monotonic_sec: usage.begunMonotonic,
  };
  if (options.mode === 'server') return { ...common, listen_ip: options.listenIp, listen_port: options.listenPort };
  return {
    ...common,
    target_ip: options.targetIp,
    target_port: options.targetPort,
    data_size: options.dataSize,
    concurrency: options.concurrency,
    requests_per_connection: options.requestsPerConnection,
    rate: options.rate,
    hold_sec: options.hold,
    timeout_sec: options.timeout,
    source_ips: options.sourceIp,
  };
}

export function resultOf(options: BenchOptions, tally: Tally, usage: Usage): BenchResult {
  const seconds = Math.max(usage.seconds, 1e-9);
  return {
    test_configuration: configurationOf(options, usage),
    summary_metrics: {
      total_connections: tally.total,
      successful_connections: tally.successful,
      failed_connections: tally.failed,
      interrupted_connections: tally.interrupted,
      avg_connection_latency_ms: rounded(tally.firstByte.average),
      min_connection_latency_ms: rounded(tally.firstByte.min),
      max_connection_latency_ms: rounded(tally.firstByte.max),
      avg_throughput_mbps: rounded(tally.averageThroughputMbps),
      total_throughput_mbps: rounded(((tally.bytesSent + tally.bytesReceived) * 8) / seconds / 1e6),
      connections_per_second: rounded(tally.successful / seconds),
      total_requests: tally.requests,
      total_bytes_sent: tally.bytesSent,
      total_bytes_received: tally.bytesReceived,
      total_test_duration_sec: rounded(usage.seconds),
      cpu_usage_percent: rounded((usage.cpuSeconds / seconds) * 100),
      cpu_seconds: rounded(usage.cpuSeconds),
      memory_usage_mb: rounded(usage.memoryBytes / 2 ** 20),
      port_waits: usage.portWaits,
      connection_latency_percentiles_ms: roundedAll(tally.firstByte.percentiles()),
      uncorrected_latency_percentiles_ms: roundedAll(tally.firstByteUncorrected.percentiles()),
      connect_percentiles_ms: roundedAll(tally.connect.percentiles()),
      request_latency_percentiles_ms: roundedAll(tally.request.percentiles()),
      failures: Object.fromEntries(tally.failures),
    },
    connection_details: tally.details.map(detailOf),
    connection_details_limit: options.details,
  };
}

/** RFC 4180, with its quotes where they are needed. */
export function csvCell(value: unknown): string {
  const text = value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const DETAIL_COLUMNS = [
  'conn_id',
  'state',
  'bytes_sent',
  'bytes_received',
  'connection_latency_ms',
  'throughput_mbps',
  'connect_ms',
  'duration_ms',
  'late_ms',
  'requests',
  'local_port',
  'peer_port',
  'begin_ms',
  'error',
] as const satisfies readonly (keyof ConnectionDetail)[];

function* nameAndValue(object: object, prefix = ''): Generator<[string, unknown]> {
  for (const [name, value] of Object.entries(object) as [string, unknown][]) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      yield* nameAndValue(value, `${prefix}${name}.`);
    else yield [prefix + name, value];
  }
}

/** Two parts, each after a line that names it: `metric,value` rows, an empty line, then a row a connection. */
export function csvOf(result: BenchResult): string {
  const rows = [
    ...nameAndValue({ test_configuration: result.test_configuration }),
    ...nameAndValue(result.summary_metrics),
    ['connection_details_limit', result.connection_details_limit],
  ];
  const details = result.connection_details.map((detail) =>
    DETAIL_COLUMNS.map((column) => csvCell(detail[column])).join(','),
  );
  return [
    '# summary',
    'metric,value',
    ...rows.map((row) => row.map(csvCell).join(',')),
    '',
    '# details',
    DETAIL_COLUMNS.join(','),
    ...details,
    '',
  ].join('\n');
}
