// SPDX-License-Identifier: Apache-2.0
/** The rows of a measurement's files. What is written is what is summed up: a summary can be computed again from the files. */

export interface ConnectionRow {
  /** from 1 */
  round: number;
  /** connections: many short ones; bulk: few long ones */
  phase: 'connections' | 'bulk';
  conn_id: number;
  state: string;
  bytes_sent: number;
  bytes_received: number;
  /** since the begin of the phase */
  begin_ms: number;
  connection_latency_ms: number | null;
  duration_ms: number | null;
  throughput_mbps: number;
  /** as the agent of the connecting side reports it */
  provider: string;
  cipher: string;
  exchange: string;
  hold_ms: number | null;
  negotiation_ms: number | null;
  install_ms: number | null;
  /** as the agent of the accepting side reports it */
  peer_hold_ms: number | null;
  peer_negotiation_ms: number | null;
  peer_install_ms: number | null;
  error: string;
}

/** Counters at one moment. */
export interface SampleRow {
  round: number;
  /** between: programs start or end, and no connection is under way */
  phase: 'connections' | 'bulk' | 'between';
  /** since the first sample */
  time_ms: number;
  agent_a_cpu_s: number;
  agent_a_rss_kb: number;
  agent_b_cpu_s: number;
  agent_b_rss_kb: number;
  machine_busy_s: number;
}

type Cell = string | number | null;

/** RFC 4180; null is an empty cell. */
export function toCsv<C extends string>(columns: readonly C[], rows: readonly Readonly<Record<C, Cell>>[]): string {
  const cell = (value: Cell): string => {
    const text = value === null ? '' : `${value}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns.join(','), ...rows.map((row) => columns.map((column) => cell(row[column])).join(',')), ''].join('\n');
}

export const CONNECTION_COLUMNS = [
  'phase',
  'conn_id',
  'state',
  'bytes_sent',
  'bytes_received',
  'begin_ms',
  'connection_latency_ms',
  'duration_ms',
  'throughput_mbps',
  'provider',
  'cipher',
  'exchange',
  'hold_ms',
  'negotiation_ms',
  'install_ms',
  'peer_hold_ms',
  'peer_negotiation_ms',
  'peer_install_ms',
  'error',
  'round',
] as const satisfies readonly (keyof ConnectionRow)[];

export const SAMPLE_COLUMNS = [
  'phase',
  'time_ms',
  'agent_a_cpu_s',
  'agent_a_rss_kb',
  'agent_b_cpu_s',
  'agent_b_rss_kb',
  'machine_busy_s',
  'round',
] as const satisfies readonly (keyof SampleRow)[];
