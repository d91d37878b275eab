// SPDX-License-Identifier: Apache-2.0
/** The figures that modes are compared by, and which of them is the best. Pure. */
import { spreadOf, type ModeSummary, type Spread } from './rounds.js';
import type { RoundSummary } from './summary.js';

export interface Figure {
  name: string;
  /** behind the point, where it is shown */
  digits: number;
  better: 'more' | 'less';
  of(round: RoundSummary): number;
}

export const HOLD: Figure = { name: 'hold p50, ms', digits: 2, better: 'less', of: (s) => s.hold_ms.p50 };
export const CONNECTIONS: Figure = {
  name: 'new connections per second',
  digits: 1,
  better: 'more',
  of: (s) => s.connections_per_second,
};
export const BULK: Figure = {
  name: 'bulk throughput, Mbit/s',
  digits: 1,
  better: 'more',
  of: (s) => s.bulk_throughput_mbps,
};
export const BULK_CPU: Figure = {
  name: 'whole machine, CPU s per GB',
  digits: 2,
  better: 'less',
  of: (s) => s.bulk_cpu_seconds_per_gb,
};
export const AGENT_A_CPU: Figure = {
  name: 'agent a, CPU ms per connection',
  digits: 2,
  better: 'less',
  of: (s) => s.agent_a_cpu_ms_per_connection,
};
export const AGENT_B_CPU: Figure = {
  name: 'agent b, CPU ms per connection',
  digits: 2,
  better: 'less',
  of: (s) => s.agent_b_cpu_ms_per_connection,
};

/** In the order in which they are shown. */
export const FIGURES: readonly Figure[] = [
  CONNECTIONS,
  { name: 'connection latency p50, ms', digits: 2, better: 'less', of: (s) => s.connection_latency_ms.p50 },
  { name: 'connection latency p99, ms', digits: 2, better: 'less', of: (s) => s.connection_latency_ms.p99 },
  HOLD,
  { name: 'hold p99, ms', digits: 2, better: 'less', of: (s) => s.hold_ms.p99 },
  { name: 'negotiation p50, ms', digits: 2, better: 'less', of: (s) => s.negotiation_ms.p50 },
  { name: 'negotiation p99, ms', digits: 2, better: 'less', of: (s) => s.negotiation_ms.p99 },
  { name: 'install p50, ms', digits: 2, better: 'less', of: (s) => s.install_ms.p50 },
  BULK,
  BULK_CPU,
  AGENT_A_CPU,
  AGENT_B_CPU,
  { name: 'agents, CPU % during bulk', digits: 2, better: 'less', of: (s) => s.agents_bulk_cpu_percent },
  { name: 'agent a, highest memory, MB', digits: 1, better: 'less', of: (s) => s.agent_a_max_rss_kb / 1024 },
  { name: 'agent b, highest memory, MB', digits: 1, better: 'less', of: (s) => s.agent_b_max_rss_kb / 1024 },
];

export function spreadIn(figure: Figure, mode: ModeSummary): Spread {
  return spreadOf(mode.rounds.map((round) => figure.of(round)));
}

export interface Best {
  mode: string;
  spread: Spread;
  /** the mode with the second-best median */
  next: string;
  nextSpread: Spread;
}

/**
 * The mode that is better than every other in each of its rounds: its worst is better than their best. Undefined where rounds overlap, where there is nothing
 * to compare, and after one round, which says nothing of how much figures vary.
 */
export function bestOf(figure: Figure, modes: readonly ModeSummary[]): Best | undefined {
  if (modes.length < 2 || modes.some(({ rounds }) => rounds.length < 2)) return undefined;
  const sign = figure.better === 'less' ? 1 : -1;
  const [first, second] = modes
    .map((mode) => ({ mode: mode.mode, spread: spreadIn(figure, mode) }))
    .sort((x, y) => sign * (x.spread.median - y.spread.median));
  if (first === undefined || second === undefined) return undefined;
  const isClear = modes.every((mode) => {
    if (mode.mode === first.mode) return true;
    const { min, max } = spreadIn(figure, mode);
    return figure.better === 'less' ? first.spread.max < min : first.spread.min > max;
  });
  return isClear ? { mode: first.mode, spread: first.spread, next: second.mode, nextSpread: second.spread } : undefined;
}
