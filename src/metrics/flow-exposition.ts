/** The figures of the metrics files that make sense as time series: docs/PERFORMANCE_METRICS.md defines them. */
import { LATENCIES, type FlowMetrics } from './flow-metrics.js';
import type { Moved } from './moved-bytes.js';
import type { MetricsRegistry } from './registry.js';

/** Seconds. A hold is some milliseconds where nobody waits, and handshake_timeout_ms (5 s) at most by default. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** @param bytes what all flows have moved; asked once for each collection */
export function registerFlowMetrics(metrics: MetricsRegistry, flows: FlowMetrics, bytes: () => Promise<Moved>): void {
  const observe = metrics.histogram({
    name: 'tlshub_flow_seconds',
    help: 'Times of new connections; dispatch, queue, negotiation and install add up to hold.',
    labels: { part: LATENCIES },
    buckets: BUCKETS,
  });
  flows.onLatency((part, ms) => observe(ms / 1000, { part }));
  const moved = { sent: 0, received: 0 };
  metrics.beforeCollect(async () => {
    const { sent, received } = await bytes();
    // Between a socket's end and the event that says what it moved in all, its bytes are nowhere; a counter must not go back for that.
    moved.sent = Math.max(moved.sent, sent);
    moved.received = Math.max(moved.received, received);
  });
  for (const direction of ['sent', 'received'] as const) {
    metrics.counter(
      {
        name: `tlshub_flow_${direction}_bytes_total`,
        help: `Bytes that captured programs have ${direction === 'sent' ? 'sent' : 'read'}, without TLS and TCP, as the last sweep saw it.`,
      },
      () => moved[direction],
    );
  }
}
