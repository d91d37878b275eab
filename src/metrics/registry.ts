/**
 * What the agent counts, in Prometheus' form. One registry a process; whoever has something to count registers it here, and nothing else
 * in the product knows prom-client.
 *
 * Label values are bounded by construction: a metric names the values that each of its labels can have (or how many), and any other is
 * counted as `other`. So nothing that a peer or a program chooses (an address, a pod, a name) can become a time series.
 */
import type { MetricFamily } from '../report/metrics.js';
import { Counter, Gauge, Histogram, Registry, type LabelValues } from 'prom-client';

/**
 * Label names, each with all values it can have; or, where they come from a table elsewhere in the product (the gate's counters, say), how
 * many at most: those that come first have their own series then.
 */
export type Bounds<L extends string> = Readonly<Record<L, readonly string[] | number>>;
export type Labels<L extends string> = Readonly<Record<L, string>>;

export interface MetricSpec<L extends string = never> {
  /** `tlshub_...`; counters end in `_total`, units are base units (seconds, bytes) and in the name */
  name: string;
  help: string;
  /** the default is a metric without labels */
  labels?: Bounds<L>;
}

export interface HistogramSpec<L extends string = never> extends MetricSpec<L> {
  /** upper bounds, ascending, in the unit of the name */
  buckets: readonly number[];
}

export type Sample<L extends string> = readonly [value: number, labels: Labels<L>];

export const OTHER = 'other';

export class MetricsRegistry {
  readonly #registry = new Registry();
  readonly #before: (() => unknown)[] = [];

  /** Runs before each collection, which waits for it: to read once what several metrics show. */
  beforeCollect(prepare: () => unknown): void {
    this.#before.push(prepare);
  }

  /** A number that only grows and is kept elsewhere: `read` is asked at each collection. */
  counter(spec: MetricSpec, read: () => number): void;
  counter<L extends string>(spec: Required<MetricSpec<L>>, read: () => Iterable<Sample<L>>): void;
  counter<L extends string>(spec: MetricSpec<L>, read: () => number | Iterable<Sample<L>>): void {
    const bound = bounded(spec.labels);
    const counter: Counter<L> = new Counter<L>({
      ...this.#options(spec),
      collect: () => {
        counter.reset();
        // inc, not set: several values may have become `other`.
        for (const [value, labels] of samples(read())) counter.inc(bound(labels), value);
      },
    });
  }

  /** As `counter`, for what also falls. */
  gauge(spec: MetricSpec, read: () => number): void;
  gauge<L extends string>(spec: Required<MetricSpec<L>>, read: () => Iterable<Sample<L>>): void;
  gauge<L extends string>(spec: MetricSpec<L>, read: () => number | Iterable<Sample<L>>): void {
    const bound = bounded(spec.labels);
    const gauge: Gauge<L> = new Gauge<L>({
      ...this.#options(spec),
      collect: () => {
        gauge.reset();
        for (const [value, labels] of samples(read())) gauge.inc(bound(labels), value);
      },
    });
  }

  /** Returns what takes one observation. It is cheap enough for once a connection. */
  histogram(spec: HistogramSpec): (value: number) => void;
  histogram<L extends string>(
    spec: HistogramSpec<L> & Required<MetricSpec<L>>,
  ): (value: number, labels: Labels<L>) => void;
  histogram<L extends string>(spec: HistogramSpec<L>): (value: number, labels?: Labels<L>) => void {
    const bound = bounded(spec.labels);
    const histogram = new Histogram<L>({ ...this.#options(spec), buckets: [...spec.buckets] });
    return (value, labels) => histogram.observe(bound(labels), value);
  }

  /** The text format of Prometheus, version 0.0.4. Rejects with what a `read` threw. */
  async text(): Promise<string> {
    await this.#prepare();
    return this.#registry.metrics();
  }

  /** The same as objects. */
  async families(): Promise<MetricFamily[]> {
    await this.#prepare();
    // prom-client's types say that a type is a number; it is the word of the text format.
    return (await this.#registry.getMetricsAsJSON()) as unknown as MetricFamily[];
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async #prepare(): Promise<void> {
    for (const prepare of this.#before) await prepare();
  }

  #options<L extends string>(
    spec: MetricSpec<L>,
  ): { name: string; help: string; labelNames: L[]; registers: Registry[] } {
    const labelNames = Object.keys(spec.labels ?? {}) as L[];
    return { name: spec.name, help: spec.help, labelNames, registers: [this.#registry] };
  }
}

function samples<L extends string>(read: number | Iterable<Sample<L>>): Iterable<readonly [number, Labels<L>?]> {
  return typeof read === 'number' ? [[read]] : read;
}

/** Makes the function that keeps label values within their bounds. */
function bounded<L extends string>(bounds: Bounds<L> | undefined): (labels: Labels<L> | undefined) => LabelValues<L> {
  const checks = Object.entries<readonly string[] | number>(bounds ?? {}).map(([name, bound]) => {
    const known = new Set(typeof bound === 'number' ? [] : bound);
    const room = typeof bound === 'number' ? bound : known.size;
    const check = (value: string | undefined): string => {
      if (value === undefined) return OTHER;
      if (known.size < room) known.add(value);
      return known.has(value) ? value : OTHER;
    };
    return { name: name as L, check };
  });
  return (labels) => {
    const values: LabelValues<L> = {};
    for (const { name, check } of checks) values[name] = check(labels?.[name]);
    return values;
  };
}
