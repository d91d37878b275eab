/**
 * The package as a library: the Pod-Node mapping, and the client of the TLSHub kernel module (docs/TLSHUB_API.md).
 */
export { diffMappings, diffMappingsGradually, isEmptyDiff, type MappingDiff } from './mapping/diff.js';
export { FileMappingSource, type FileMappingOptions } from './mapping/file-source.js';
export { KubernetesMappingSource, type KubernetesMappingOptions } from './mapping/kubernetes/source.js';
export { PodNodeMapping, type MappedNetwork, type Pod } from './mapping/pod-node-mapping.js';
export type { MappingChange, MappingSource, MappingSourceEvents } from './mapping/source.js';
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
export { AddressError, MappingError, TlshubError } from './shared/errors/errors.js';
export type { CipherName } from './shared/kernel/words.js';
