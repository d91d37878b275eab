export { ControlClient, controlRequest, type ControlClientOptions } from './client.js';
export { isFlowState, isPod, matchesFlow, type FlowQuery } from './flow-query.js';
export { startControlServer, type ControlServer, type ControlServerOptions } from './server.js';
export type {
  ConfigErrorReport,
  ControlHandlers,
  ControlOperations,
  FlowReport,
  FlowState,
  MetricsReport,
  PodReport,
  ReloadReport,
  RingReport,
  StatusReport,
} from './protocol.js';
export { FLOW_STATES } from './protocol.js';
