// SPDX-License-Identifier: Apache-2.0
/** The metrics as users are shown them: as text, and as objects. */

/** One metric with all its series; Prometheus' data model. */
export interface MetricFamily {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram' | 'summary';
  /** `metricName` where a series of a histogram has another name than the family: `..._bucket`, `..._sum`, `..._count` */
  values: { value: number; labels: Partial<Record<string, string | number>>; metricName?: string }[];
}

export interface MetricsReport {
  /** Prometheus' text format */
  text: string;
  /** the same as objects */
  families: MetricFamily[];
}
