// SPDX-License-Identifier: Apache-2.0
/**
 * The export by OTLP as the settings in force want it: off, or to one collector. Nobody waits for it: an entry is queued or dropped, and what a collector does
 * not take costs bounded memory (pipeline.ts) and is counted.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../logging/logger.js';
import type { MetricFamily } from '../report/metrics.js';
import type { OtlpReport } from '../report/otlp.js';
import { toWire } from '../shared/errors/errors.js';
import type { Pipeline, PipelineOptions } from './pipeline.js';
import { Tally } from './tally.js';
import type { OtlpEntry, OtlpTarget } from './target.js';

export interface OtlpExportOptions {
  /** as the settings in force have it; undefined: nothing is exported */
  target: () => OtlpTarget | undefined;
  /** what /metrics shows now */
  families: () => Promise<readonly MetricFamily[]>;
  /** when the counters were 0, in milliseconds since 1970 */
  sinceMs: number;
  log: Logger;
}

/** For what is left when the agent ends, or when another target takes over, in ms. */
const CLOSE_MS = 2000;

export class OtlpExport {
  private readonly tally = new Tally();
  private running: { target: OtlpTarget; pipeline: Promise<Pipeline> } | undefined;
  /** the last ones, when they cannot be read any more */
  private last: readonly MetricFamily[] | undefined;

  constructor(private readonly options: OtlpExportOptions) {}

  /** Takes over what the settings say now. */
  follow(): void {
    const target = this.options.target();
    if (isDeepStrictEqual(target, this.running?.target)) return;
    const before = this.running;
    this.tally.forgetErrors();
    this.running = target === undefined ? undefined : { target, pipeline: this.start(target) };
    void before?.pipeline.then((pipeline) => pipeline.close(CLOSE_MS));
  }

  /** Whether it is to be given entries. */
  get wantsEntries(): boolean {
    return this.running?.target.signals.includes('access_log') ?? false;
  }

  /** A connection that is over. */
  entry(entry: OtlpEntry): void {
    if (this.wantsEntries) void this.running?.pipeline.then((pipeline) => pipeline.emit(entry));
  }

  /** What there is to say of it; null: it is off. */
  report(): OtlpReport | null {
    if (this.running === undefined) return null;
    const { endpoint, signals } = this.running.target;
    return { endpoint, signals: [...signals], ...this.tally.now };
  }

  /** Keeps the metrics as they are now: the parts that they are read from are about to go. Never rejects. */
  async keepLast(): Promise<void> {
    if (this.running === undefined) return;
    try {
      this.last = await this.options.families();
    } catch (error) {
      this.options.log.warning('the last metrics could not be read, and are not exported', { error });
    }
  }

  /** Exports what is left, for two seconds at most; what is left then is dropped. Never rejects. */
  async close(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    if (running === undefined) return;
    const dropped = (): number => this.tally.now.accessLog.dropped + this.tally.now.metrics.dropped;
    const before = dropped();
    const pipeline = await running.pipeline;
    await pipeline.close(CLOSE_MS);
    if (dropped() === before) return;
    const { endpoint } = running.target;
    const message = `${dropped() - before} metrics and connections were not taken by ${endpoint} when the agent ended`;
    this.options.log.warning(message, { code: 'TLSHUB_OTLP' });
  }

  private async start(target: OtlpTarget): Promise<Pipeline> {
    const { families, sinceMs, log } = this.options;
    const { tally } = this;
    const options: PipelineOptions = { target, tally, sinceMs, families: () => this.lastOr(families) };
    try {
      const { startPipeline } = await import('./pipeline.js');
      return startPipeline(options);
    } catch (error) {
      log.error('nothing is exported by OTLP', { code: 'TLSHUB_OTLP', error });
      tally.dropped('metrics', 0, toWire(error));
      return { emit: () => tally.dropped('access_log', 1), close: () => Promise.resolve() };
    }
  }

  private lastOr(families: OtlpExportOptions['families']): Promise<readonly MetricFamily[]> {
    return this.last === undefined ? families() : Promise.resolve(this.last);
  }
}
