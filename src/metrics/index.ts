export { registerAgentMetrics } from './agent-metrics.js';
export { registerFlowMetrics } from './flow-exposition.js';
export { FlowMetrics } from './flow-metrics.js';
export { PerfReporter } from './perf-reporter.js';
export { MetricsRegistry, OTHER, type HistogramSpec, type MetricFamily, type MetricSpec } from './registry.js';
