/** The figures of the metrics files that make sense as time series: docs/PERFORMANCE_METRICS.md defines them. */
import { LATENCIES, type FlowMetrics } from './flow-metrics.js';
import type { MetricsRegistry } from './registry.js';
import type { Flow } from '../supervisor/flow-table.js';

/** Seconds. A hold is some milliseconds where nobody waits, and handshake_timeout_ms (5 s) at most by default. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** @param live flows that have not ended */
export function registerFlowMetrics(metrics: MetricsRegistry, flows: FlowMetrics, live: () => Iterable<Flow>): void {
  const observe = metrics.histogram({
    name: 'tlshub_flow_seconds',
    help: 'Times of new connections; dispatch, queue, negotiation and install add up to hold.',
    labels: { part: LATENCIES },
    buckets: BUCKETS,
  });
  flows.onLatency((part, ms) => observe(ms / 1000, { part }));
  for (const direction of ['sent', 'received'] as const) {
    metrics.counter(
      {
        name: `tlshub_flow_${direction}_bytes_total`,
        help: `Bytes that captured programs have ${direction === 'sent' ? 'sent' : 'read'}, without TLS and TCP, as the last sweep saw it.`,
      },
      () => flows.bytes(live())[direction],
    );
  }
}
