// SPDX-License-Identifier: Apache-2.0
/** What the rounds of a mode come to: medians, and how far they lie apart. Pure. */
import type { Distribution, RoundSummary } from './summary.js';

/** Over the rounds. A figure that is in one round only has no spread: min and max are it. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Of few values, so between the two in the middle where there is no one: of two rounds neither is the median. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const [low = NaN, high = NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  return (low + high) / 2;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Figures as those of a round: counts are sums, the rest is the median of the rounds. */
export interface ModeSummary extends RoundSummary {
  rounds: RoundSummary[];
}

const TOTALS = ['total_connections', 'successful_connections', 'failed_connections'] as const;

/** @param rounds of one mode, at least one; @throws Error for none */
export function overRounds(rounds: readonly RoundSummary[]): ModeSummary {
  const [first] = rounds;
  if (first === undefined) throw new Error('a mode without a round');
  const exchanges: Record<string, number> = {};
  for (const round of rounds)
    for (const [name, count] of Object.entries(round.exchanges)) exchanges[name] = (exchanges[name] ?? 0) + count;
  const middle = Object.fromEntries(
    Object.entries(first).map(([key, value]: [string, unknown]) => {
      const of = rounds.map((round) => round[key as keyof RoundSummary]);
      if (typeof value === 'number') return [key, median(of as number[])];
      if (isDistribution(value)) return [key, middleOf(of as Distribution[])];
      return [key, value];
    }),
  ) as unknown as RoundSummary;
  const totals = Object.fromEntries(
    TOTALS.map((key) => [key, rounds.reduce((sum, round) => sum + round[key], 0)]),
  ) as Pick<RoundSummary, (typeof TOTALS)[number]>;
  return { ...middle, ...totals, exchanges, rounds: [...rounds] };
}

function isDistribution(value: unknown): value is Distribution {
  return typeof value === 'object' && value !== null && 'p50' in value;
}

function middleOf(distributions: readonly Distribution[]): Distribution {
  const of = (key: keyof Distribution): number => median(distributions.map((one) => one[key]));
  const count = distributions.reduce((sum, one) => sum + one.count, 0);
  return { count, avg: of('avg'), p50: of('p50'), p90: of('p90'), p99: of('p99'), max: of('max') };
}

/** The turn of each mode in a round: whoever is first in one is last in the next but so many, so that none has the best place always. */
export function turns(modes: readonly string[], round: number): string[] {
  const at = round % Math.max(modes.length, 1);
  return [...modes.slice(at), ...modes.slice(0, at)];
}
