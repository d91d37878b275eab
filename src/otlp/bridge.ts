// SPDX-License-Identifier: Apache-2.0
/**
 * The metrics registry as OTLP has it: what /metrics shows, under the same names. A counter is a monotonic sum, cumulative since the agent began, a
 * histogram has the counts of its buckets one by one where Prometheus adds them up (opentelemetry-proto, metrics.proto).
 */
import { ValueType, type HrTime } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  type DataPoint,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import type { MetricFamily } from '../report/metrics.js';

type Value = MetricFamily['values'][number];

/** Units as UCUM has them, by how the names of metrics end. */
const UNITS: readonly (readonly [RegExp, string])[] = [
  [/_seconds(?:_total)?$/, 's'],
  [/_bytes(?:_total)?$/, 'By'],
];

/** @param since when the counters were 0 */
export function toMetricData(families: readonly MetricFamily[], since: HrTime, now: HrTime): MetricData[] {
  return families.flatMap(({ name, help, type, values }): MetricData[] => {
    const unit = UNITS.find(([end]) => end.test(name))?.[1] ?? '';
    const common = {
      descriptor: { name, description: help, unit, valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    };
    const at = <T>(value: T, { labels }: Pick<Value, 'labels'>): DataPoint<T> => ({
      ...{ startTime: since, endTime: now, value },
      attributes: labels,
    });
    const numbers = (): DataPoint<number>[] => values.map((one) => at(one.value, one));
    switch (type) {
      case 'counter':
        return [{ ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: numbers() }];
      case 'gauge':
        return [{ ...common, dataPointType: DataPointType.GAUGE, dataPoints: numbers() }];
      case 'histogram': {
        const dataPoints = histograms(name, values).map(({ labels, histogram }) => at(histogram, { labels }));
        return [{ ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints }];
      }
      case 'summary':
        // The registry makes none.
        return [];
    }
  });
}

interface Bucketed {
  labels: Value['labels'];
  histogram: Histogram;
  /** in all buckets until now */
  below: number;
}

/** One for each set of labels. Buckets come in ascending order, the last, `+Inf`, is of all. */
function histograms(name: string, values: readonly Value[]): Bucketed[] {
  const found = new Map<string, Bucketed>();
  for (const { value, labels: all, metricName } of values) {
    const { le, ...labels } = all;
    const key = JSON.stringify(Object.entries(labels).sort());
    const empty = (): Bucketed => ({
      ...{ labels, below: 0 },
      histogram: { buckets: { boundaries: [], counts: [] }, count: 0, sum: 0 },
    });
    const one = found.get(key) ?? empty();
    found.set(key, one);
    const { buckets } = one.histogram;
    if (metricName === `${name}_bucket`) {
      if (le !== '+Inf') buckets.boundaries.push(Number(le));
      buckets.counts.push(value - one.below);
      one.below = value;
    } else if (metricName === `${name}_sum`) one.histogram.sum = value;
    else if (metricName === `${name}_count`) one.histogram.count = value;
  }
  return [...found.values()];
}
