// SPDX-License-Identifier: Apache-2.0
/** Distributions of times, in bounded memory: HDR histograms (93 KiB each) to 3 significant digits, with exact count, mean, minimum and maximum. */
import { build, type Histogram } from 'hdr-histogram-js';

/** Times from 1 microsecond to 1 hour keep their resolution; longer ones count as an hour in the percentiles. */
const HIGHEST_US = 3_600_000_000;

export interface LatencyReport {
  count: number;
  mean: number | null;
  min: number | null;
  p50: number | null;
  p90: number | null;
  p99: number | null;
  'p99.9': number | null;
  max: number | null;
}

export class Latency {
  private readonly histogram: Histogram = build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
  });
  private sum = 0;
  private least = Infinity;
  private most = 0;

  /** Below zero counts as 0: two clocks of one machine can differ by less than they resolve. */
  record(ms: number): void {
    const time = Math.max(0, ms);
    this.histogram.recordValue(Math.min(HIGHEST_US, Math.round(time * 1000)));
    this.sum += time;
    this.least = Math.min(this.least, time);
    this.most = Math.max(this.most, time);
  }

  /** Milliseconds; null where nothing was recorded. */
  report(): LatencyReport {
    const count = this.histogram.totalCount;
    const none = { mean: null, min: null, p50: null, p90: null, p99: null, 'p99.9': null, max: null };
    if (count === 0) return { count, ...none };
    // A bucket answers with its upper end, which may lie above everything that was recorded.
    const at = (percentile: number): number =>
      Math.min(this.most, this.histogram.getValueAtPercentile(percentile) / 1000);
    return {
      count,
      mean: this.sum / count,
      min: this.least,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      'p99.9': at(99.9),
      max: this.most,
    };
  }
}
