// SPDX-License-Identifier: Apache-2.0
/**
 * How long events took from the kernel into the ring, as counts: the event reader has no time for more, and who reads the counts may take
 * the difference of two readings. Buckets are log-linear, 16 to an octave: none is wider than a sixteenth of what it is for.
 */

const FROM_NS = 2 ** 10;
const OCTAVES = 26;
const PER_OCTAVE = 16;

/** Upper bounds of the buckets, nanoseconds, ascending: from 1 microsecond to 69 s. One more bucket is for what took longer. */
export const DELAY_BOUNDS_NS = Float64Array.from(
  { length: OCTAVES * PER_OCTAVE + 1 },
  (_, at) => FROM_NS * 2 ** Math.floor(at / PER_OCTAVE) * (1 + (at % PER_OCTAVE) / PER_OCTAVE),
);

/** Room for the counts: one word of 4 bytes a bucket. */
export function createDelays(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (DELAY_BOUNDS_NS.length + 1));
}

/** Buckets that are not empty: upper bound in microseconds (Infinity's place is taken by null) and count. */
export type DelayCounts = [number | null, number][];

/** What the counts say now. */
export function readDelays(buffer: SharedArrayBuffer): DelayCounts {
  const counts: DelayCounts = [];
  for (const [at, word] of new Uint32Array(buffer).entries()) {
    const bound = DELAY_BOUNDS_NS[at];
    if (word > 0) counts.push([bound === undefined ? null : bound / 1000, word]);
  }
  return counts;
}

/** The counts of `later` that `earlier` does not have yet. */
export function delaysSince(earlier: DelayCounts, later: DelayCounts): DelayCounts {
  const before = new Map(earlier);
  return later
    .map(([bound, count]): [number | null, number] => [bound, count - (before.get(bound) ?? 0)])
    .filter(([, count]) => count > 0);
}

/** The p-th percentile (0..100) in microseconds: the upper bound of its bucket. NaN when nothing was counted. */
export function delayPercentile(counts: DelayCounts, p: number): number {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  let left = Math.max(1, Math.ceil((p / 100) * total));
  for (const [bound, count] of counts) {
    left -= count;
    if (left <= 0) return bound ?? Infinity;
  }
  return NaN;
}
