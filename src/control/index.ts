export { ControlClient, controlRequest, type ControlClientOptions } from './client.js';
export { startControlServer, type ControlServer, type ControlServerOptions } from './server.js';
export type {
  ConfigErrorReport,
  ControlHandlers,
  ControlOperations,
  PodReport,
  RingReport,
  StatusReport,
} from './protocol.js';
export { FLOW_STATES, type FlowReport, type FlowState } from '../shared/flow.js';
