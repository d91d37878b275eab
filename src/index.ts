// SPDX-License-Identifier: Apache-2.0
/**
 * The package as a library: the Pod-Node mapping and the client of the control socket (docs/INTEGRATION_GUIDE.md, 7), and the client of the
 * TLSHub kernel module (docs/TLSHUB_API.md).
 */
export { ControlClient, controlRequest, type ControlClientOptions } from './control/client.js';
export type { FlowQuery } from './control/flow-query.js';
export type { ControlOperation, ControlOperations } from './control/protocol.js';
export { diffMappings, diffMappingsGradually, isEmptyDiff, type MappingDiff } from './mapping/diff.js';
export { FileMappingSource, type FileMappingOptions } from './mapping/file-source.js';
export { KubernetesMappingSource, type KubernetesMappingOptions } from './mapping/kubernetes/source.js';
export { PodNodeMapping, type MappedNetwork, type Pod, type Service } from './mapping/pod-node-mapping.js';
export type { MappingChange, MappingSource, MappingSourceEvents } from './mapping/source.js';
export type { CertificateReport } from './report/certificate.js';
export type { ChannelReport } from './report/channel.js';
export type { FlowReport, FlowState } from './report/flow.js';
export type { MetricsReport } from './report/metrics.js';
export type { PodReport } from './report/pod.js';
export type { ProblemReport } from './report/problem.js';
export type { ReloadReport } from './report/reload.js';
export type { StatusReport } from './report/status.js';
export {
  TLSHUB_PROTOCOL,
  TlshubClient,
  ipv4Of,
  type FetchKeyOptions,
  type FetchKeyResult,
  type HandshakeResult,
  type RequestOptions,
  type TlshubClientOptions,
  type TlshubTuple,
} from './tlshub/client.js';
export {
  connectionSalt,
  deriveTrafficSecrets,
  type ConnectionNames,
  type TrafficSecrets,
} from './tlshub/key-schedule.js';
export { trafficKeys, type TrafficKeys } from './tls/key-schedule.js';
export {
  AddressError,
  ControlError,
  MappingError,
  NotFoundError,
  PermissionError,
  TlshubError,
} from './shared/errors/errors.js';
export type { CipherName } from './shared/kernel/words.js';
