export { registerAgentMetrics } from './agent-metrics.js';
export { MetricsRegistry, OTHER, type HistogramSpec, type MetricFamily, type MetricSpec } from './registry.js';
