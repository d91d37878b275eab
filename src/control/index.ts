export { ControlClient, controlRequest, type ControlClientOptions } from './client.js';
export { startControlServer, type ControlServer, type ControlServerOptions } from './server.js';
export {
  FLOW_STATES,
  type ConfigErrorReport,
  type ControlHandlers,
  type ControlOperations,
  type FlowReport,
  type FlowState,
  type PodReport,
  type RingReport,
  type StatusReport,
} from './protocol.js';
