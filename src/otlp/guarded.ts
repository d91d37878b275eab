// SPDX-License-Identifier: Apache-2.0
/**
 * An exporter of OpenTelemetry's whose exports are counted and end. The exporter's own time limit is one for silence: a collector that says a byte now and
 * then would keep an export, and its memory, for ever.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import { reasonOf, type Tally } from './tally.js';
import type { OtlpSignal, OtlpTarget } from './target.js';

/** What exporters of metrics and of logs have in common. */
interface Exporter<T> {
  export(items: T, done: (result: ExportResult) => void): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

/** What they are made with. */
export interface ExporterOptions {
  url: string;
  headers: Record<string, string>;
  timeoutMillis: number;
  concurrencyLimit: number;
  httpAgentOptions: () => HttpAgent | HttpsAgent;
}

/** Exports of one kind that are under way at once. More than one is, for moments, after one that was cut off. */
const AT_ONCE = 3;
/** For an export to end by itself when its time is over, in ms. */
const GRACE_MS = 1000;

const ABORTED: ExportResult = { code: ExportResultCode.FAILED, error: new Error('nothing is exported any more') };

const PATHS: Readonly<Record<OtlpSignal, string>> = { metrics: 'v1/metrics', access_log: 'v1/logs' };

export class Guarded<T> implements Exporter<T> {
  private readonly agent: HttpAgent | HttpsAgent;
  private readonly inner: Exporter<T>;
  private aborted = false;
  /** ends those exports that are under way */
  private readonly underWay = new Set<(result: ExportResult) => void>();

  /** @param count things in what is exported */
  constructor(
    private readonly signal: OtlpSignal,
    private readonly target: OtlpTarget,
    private readonly tally: Tally,
    private readonly count: (items: T) => number,
    make: (options: ExporterOptions) => Exporter<T>,
  ) {
    const secure = target.endpoint.startsWith('https:');
    this.agent = secure
      ? new HttpsAgent({ keepAlive: true, ...(target.ca !== undefined && { ca: target.ca }) })
      : new HttpAgent({ keepAlive: true });
    this.inner = make({
      url: `${target.endpoint}/${PATHS[signal]}`,
      headers: { ...target.headers },
      timeoutMillis: target.timeoutMs,
      concurrencyLimit: AT_ONCE,
      httpAgentOptions: () => this.agent,
    });
  }

  export(items: T, done: (result: ExportResult) => void): void {
    if (this.aborted) {
      done(ABORTED);
      return;
    }
    const { signal, tally, target } = this;
    const count = this.count(items);
    let over = false;
    const end = (result: ExportResult): void => {
      if (over) return;
      over = true;
      clearTimeout(late);
      this.underWay.delete(end);
      if (this.aborted) tally.dropped(signal, count);
      else if (result.code === ExportResultCode.SUCCESS) tally.exported(signal, count);
      else tally.dropped(signal, count, reasonOf(result.error, target.timeoutMs));
      done(result);
    };
    const late = setTimeout(() => {
      this.agent.destroy();
      end({ code: ExportResultCode.FAILED, error: new Error('Request timed out') });
    }, target.timeoutMs + GRACE_MS);
    late.unref();
    this.underWay.add(end);
    this.inner.export(items, end);
  }

  forceFlush(): Promise<void> {
    return this.inner.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.inner.shutdown();
  }

  /** What is under way fails, and no collector is to blame; what comes later fails too, uncounted. */
  abort(): void {
    this.aborted = true;
    this.agent.destroy();
    // The SDK keeps a timer of its own for each until it hears of it: an hour for metrics.
    for (const end of this.underWay) end(ABORTED);
  }
}
