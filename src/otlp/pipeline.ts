// SPDX-License-Identifier: Apache-2.0
/**
 * OpenTelemetry's SDK, set up for one target. With bridge.ts and guarded.ts the only file that knows it: it is loaded when something is to be exported, and an agent
 * that exports nothing never reads it.
 */
import type { HrTime } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { hrTime, millisToHrTime } from '@opentelemetry/core';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider, type ReadableLogRecord } from '@opentelemetry/sdk-logs';
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type CollectionResult,
  type MetricProducer,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { MetricFamily } from '../report/metrics.js';
import { toWire } from '../shared/errors/errors.js';
import { VERSION } from '../shared/files/package.js';
import { toMetricData } from './bridge.js';
import { Guarded } from './guarded.js';
import type { Tally } from './tally.js';
import type { OtlpEntry, OtlpTarget } from './target.js';

export interface PipelineOptions {
  target: OtlpTarget;
  families: () => Promise<readonly MetricFamily[]>;
  /** when the counters were 0, in milliseconds since 1970 */
  sinceMs: number;
  tally: Tally;
}

export interface Pipeline {
  /** Takes a record, or drops it: it waits for nothing. */
  emit(entry: OtlpEntry): void;
  /** Exports what there is, for this long at most; what is left then is dropped. */
  close(ms: number): Promise<void>;
}

/** Records that are there at most, waiting and under way. */
export const MOST_RECORDS = 2048;
/** So few that to write them down takes the main thread no longer than a few milliseconds. */
const RECORDS_AT_ONCE = 128;
/** A batch that is not full waits so long for more. */
const BATCH_MS = 1000;

const SCOPE = { name: 'tlshub', version: VERSION };

type Resource = ReturnType<typeof resourceFromAttributes>;

export function startPipeline(options: PipelineOptions): Pipeline {
  const { signals, resource: attributes } = options.target;
  const resource = defaultResource().merge(resourceFromAttributes(attributes));
  const metrics = signals.includes('metrics') ? metricsPart(options, resource) : undefined;
  const records = signals.includes('access_log') ? recordsPart(options, resource) : undefined;
  const parts = [metrics, records].filter((part) => part !== undefined);
  return {
    emit: (entry) => records?.emit(entry),
    close: async (ms) => {
      const late = new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
      await Promise.race([Promise.all(parts.map((part) => part.flush())), late]);
      for (const part of parts) part.abort();
    },
  };
}

interface Part {
  /** Never rejects. */
  flush(): Promise<void>;
  abort(): void;
}

function metricsPart({ target, tally, families, sinceMs }: PipelineOptions, resource: Resource): Part {
  const exporter = new Guarded(
    'metrics',
    target,
    tally,
    ({ scopeMetrics }: ResourceMetrics) =>
      scopeMetrics.flatMap(({ metrics }) => metrics).reduce((sum, { dataPoints }) => sum + dataPoints.length, 0),
    (how) => new OTLPMetricExporter(how),
  );
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: target.intervalMs,
    // The exporter ends its exports by itself.
    exportTimeoutMillis: target.intervalMs,
    metricProducers: [producer(families, millisToHrTime(sinceMs), resource, tally)],
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  return { flush: () => provider.shutdown().catch(() => undefined), abort: () => exporter.abort() };
}

/** The SDK has no metrics of its own: it exports those of the registry. */
function producer(
  families: PipelineOptions['families'],
  since: HrTime,
  resource: Resource,
  tally: Tally,
): MetricProducer {
  const result = (scopeMetrics: ResourceMetrics['scopeMetrics'], errors: unknown[] = []): CollectionResult => ({
    resourceMetrics: { resource, scopeMetrics },
    errors,
  });
  return {
    collect: async () => {
      try {
        const metrics = toMetricData(await families(), since, hrTime());
        return result([{ scope: SCOPE, metrics }]);
      } catch (error) {
        const { message } = toWire(error);
        tally.dropped('metrics', 0, { code: 'TLSHUB_OTLP', message: `the metrics cannot be read: ${message}` });
        return result([], [error]);
      }
    },
  };
}

function recordsPart({ target, tally }: PipelineOptions, resource: Resource): Part & Pick<Pipeline, 'emit'> {
  const exporter = new Guarded(
    'access_log',
    target,
    tally,
    (records: ReadableLogRecord[]) => records.length,
    (how) => new OTLPLogExporter(how),
  );
  let there = 0;
  const counted = {
    export: (...[records, done]: Parameters<typeof exporter.export>) =>
      exporter.export(records, (result) => {
        there -= records.length;
        done(result);
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
  const processor = new BatchLogRecordProcessor({
    exporter: counted,
    maxQueueSize: MOST_RECORDS,
    maxExportBatchSize: RECORDS_AT_ONCE,
    scheduledDelayMillis: Math.min(BATCH_MS, target.intervalMs),
    // The exporter ends its exports by itself.
    exportTimeoutMillis: 2 * target.timeoutMs + BATCH_MS,
  });
  const provider = new LoggerProvider({ resource, processors: [processor] });
  const logger = provider.getLogger(SCOPE.name, SCOPE.version);
  let closed = false;
  return {
    emit: ({ time, level, message, ...fields }) => {
      // The processor drops as well what it has no room for, but silently.
      if (closed || there >= MOST_RECORDS) {
        tally.dropped('access_log', 1);
        return;
      }
      there++;
      const failed = level === 'error';
      logger.emit({
        timestamp: new Date(String(time)),
        observedTimestamp: new Date(),
        severityNumber: failed ? SeverityNumber.ERROR : SeverityNumber.INFO,
        severityText: failed ? 'ERROR' : 'INFO',
        body: String(message),
        attributes: given(fields),
      });
    },
    flush: () => {
      closed = true;
      return provider.shutdown().catch(() => undefined);
    },
    abort: () => {
      exporter.abort();
      tally.dropped('access_log', there);
    },
  };
}

function given(fields: OtlpEntry): Record<string, string | number> {
  const known: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) known[name] = value;
  return known;
}
