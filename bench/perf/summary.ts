// SPDX-License-Identifier: Apache-2.0
/** What a mode's rows of one round come to. Pure. */
import { percentile } from '../support.js';
import type { ConnectionRow, SampleRow } from './rows.js';

export interface Distribution {
  count: number;
  avg: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

export interface RoundSummary {
  mode: string;
  total_connections: number;
  successful_connections: number;
  failed_connections: number;
  /** how the keys of successful ones were agreed on, and of how many */
  exchanges: Record<string, number>;
  /** of the phase `connections`: successful ones over the time from the first begin to the last end */
  connections_per_second: number;
  connection_latency_ms: Distribution;
  hold_ms: Distribution;
  negotiation_ms: Distribution;
  install_ms: Distribution;
  peer_hold_ms: Distribution;
  /** of the phase `bulk`: payload in both directions over the time from the first begin to the last end */
  bulk_throughput_mbps: number;
  /** agents' CPU while connections were made, ms for each */
  agent_a_cpu_ms_per_connection: number;
  agent_b_cpu_ms_per_connection: number;
  /** agents' CPU in the phase `bulk`: they are out of the data path */
  agents_bulk_cpu_percent: number;
  /** all processors of the machine, in the phase `bulk`, per GB of payload in both directions */
  bulk_cpu_seconds_per_gb: number;
  agent_a_max_rss_kb: number;
  agent_b_max_rss_kb: number;
  note: string;
}

export function distributionOf(values: readonly number[]): Distribution {
  const sum = values.reduce((total, value) => total + value, 0);
  const at = (p: number): number => (values.length === 0 ? 0 : percentile(values, p));
  return {
    count: values.length,
    avg: values.length === 0 ? 0 : sum / values.length,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    max: at(100),
  };
}

function countOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** Seconds from the first begin to the last end. */
function spanSeconds(rows: readonly ConnectionRow[]): number {
  if (rows.length === 0) return NaN;
  const begin = Math.min(...rows.map((row) => row.begin_ms));
  const end = rows.reduce((last, row) => Math.max(last, row.begin_ms + (row.duration_ms ?? 0)), begin);
  return (end - begin) / 1000;
}

const NOTES: Readonly<Record<string, string>> = {
  tlshub:
    "keys from the lab's stand-in for the TLSHub kernel module (a program that answers over netlink), not from the module itself",
};

export function summarise(mode: string, rows: readonly ConnectionRow[], samples: readonly SampleRow[]): RoundSummary {
  const completed = rows.filter(({ state }) => state === 'completed');
  const short = completed.filter(({ phase }) => phase === 'connections');
  const bulk = completed.filter(({ phase }) => phase === 'bulk');
  const bytes = bulk.reduce((sum, row) => sum + row.bytes_sent + row.bytes_received, 0);
  const spent = (phase: SampleRow['phase'], column: keyof SampleRow): number => {
    const of = samples.filter((sample) => sample.phase === phase);
    return Number(of.at(-1)?.[column] ?? NaN) - Number(of[0]?.[column] ?? NaN);
  };
  const values = (column: keyof ConnectionRow): number[] =>
    short.map((row) => row[column]).filter((value): value is number => typeof value === 'number');
  const agents = (phase: SampleRow['phase']): number => spent(phase, 'agent_a_cpu_s') + spent(phase, 'agent_b_cpu_s');
  return {
    mode,
    total_connections: rows.length,
    successful_connections: completed.length,
    failed_connections: rows.filter(({ state }) => state === 'failed').length,
    exchanges: countOf(completed.map(({ exchange }) => exchange)),
    connections_per_second: short.length / spanSeconds(short),
    connection_latency_ms: distributionOf(values('connection_latency_ms')),
    hold_ms: distributionOf(values('hold_ms')),
    negotiation_ms: distributionOf(values('negotiation_ms')),
    install_ms: distributionOf(values('install_ms')),
    peer_hold_ms: distributionOf(values('peer_hold_ms')),
    bulk_throughput_mbps: (bytes * 8) / spanSeconds(bulk) / 1e6,
    agent_a_cpu_ms_per_connection: (spent('connections', 'agent_a_cpu_s') * 1000) / short.length,
    agent_b_cpu_ms_per_connection: (spent('connections', 'agent_b_cpu_s') * 1000) / short.length,
    agents_bulk_cpu_percent: (agents('bulk') / (spent('bulk', 'time_ms') / 1000)) * 100,
    bulk_cpu_seconds_per_gb: spent('bulk', 'machine_busy_s') / (bytes / 1e9),
    agent_a_max_rss_kb: Math.max(...samples.map((sample) => sample.agent_a_rss_kb)),
    agent_b_max_rss_kb: Math.max(...samples.map((sample) => sample.agent_b_rss_kb)),
    note: NOTES[mode] ?? '',
  };
}
