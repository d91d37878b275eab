// SPDX-License-Identifier: Apache-2.0
/** What a run adds up to. Of bounded size whatever the number of connections: totals are exact, details are of the last ones. */
import { build, type Histogram } from 'hdr-histogram-js';
import { throughputMbps, type Connection } from './connection.js';

/** Three significant digits; an hour at most, and what is longer counts as an hour. Values in µs. */
const HIGHEST_US = 3_600_000_000;

export interface Percentiles {
  p50: number;
  p90: number;
  p99: number;
  p99_9: number;
  max: number;
}

/** A latency distribution. Values go in and come out in ms. */
export class Latency {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
  });
  #sum = 0;
  #min = Infinity;
  #max = 0;

  add(ms: number): void {
    this.#histogram.recordValue(Math.min(HIGHEST_US, Math.max(1, Math.round(ms * 1000))));
    this.#sum += ms;
    this.#min = Math.min(this.#min, ms);
    this.#max = Math.max(this.#max, ms);
  }

  get count(): number {
    return this.#histogram.totalCount;
  }
  /** exact; 0 when there are none */
  get average(): number {
    return this.count === 0 ? 0 : this.#sum / this.count;
  }
  get min(): number {
    return this.count === 0 ? 0 : this.#min;
  }
  get max(): number {
    return this.#max;
  }

  /** To three digits; the highest is exact. */
  percentiles(): Percentiles {
    const at = (p: number): number => Math.min(this.#max, this.#histogram.getValueAtPercentile(p) / 1000);
    return { p50: at(50), p90: at(90), p99: at(99), p99_9: at(99.9), max: this.#max };
  }
}

export class Tally {
  total = 0;
  successful = 0;
  failed = 0;
  interrupted = 0;
  requests = 0;
  bytesSent = 0;
  bytesReceived = 0;
  /** failures by reason */
  readonly failures = new Map<string, number>();
  /** of successful connections */
  readonly connect = new Latency();
  readonly firstByte = new Latency();
  readonly request = new Latency();
  /** from the begin in fact, where firstByte counts from the schedule */
  readonly firstByteUncorrected = new Latency();
  readonly #kept: Connection[] = [];
  readonly #limit: number;
  #throughputSum = 0;

  /** @param detailsKept connections of which the details are kept: the last ones */
  constructor(detailsKept: number) {
    this.#limit = detailsKept;
  }

  add(connection: Connection): void {
    if (this.#limit > 0) this.#kept[this.total % this.#limit] = connection;
    this.total++;
    this.requests += connection.requests;
    this.bytesSent += connection.bytesSent;
    this.bytesReceived += connection.bytesReceived;
    if (connection.state === 'interrupted') {
      this.interrupted++;
    } else if (connection.state === 'failed') {
      this.failed++;
      this.failures.set(connection.error, (this.failures.get(connection.error) ?? 0) + 1);
    } else {
      this.successful++;
      this.#throughputSum += throughputMbps(connection);
      if (connection.connectMs !== null) this.connect.add(connection.connectMs);
      if (connection.firstByteMs !== null) {
        this.firstByte.add(connection.firstByteMs);
        this.firstByteUncorrected.add(connection.firstByteMs - connection.lateMs);
      }
    }
  }

  addRequest(ms: number): void {
    this.request.add(ms);
  }

  /** mean of the successful connections' own throughputs, Mbit/s */
  get averageThroughputMbps(): number {
    return this.successful === 0 ? 0 : this.#throughputSum / this.successful;
  }

  /** The last ones to end, in the order of their end. */
  get details(): Connection[] {
    if (this.total <= this.#limit) return [...this.#kept];
    const oldest = this.total % this.#limit;
    return [...this.#kept.slice(oldest), ...this.#kept.slice(0, oldest)];
  }
}
