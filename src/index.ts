/**
 * The package as a library: the Pod-Node mapping, and the client of the TLSHub kernel module (docs/TLSHUB_API.md).
 */
export * from './mapping/index.js';
export * from './tlshub/index.js';
export { trafficKeys, type TrafficKeys } from './shared/key-schedule.js';
export { AddressError, MappingError, TlshubError } from './shared/errors.js';
export type { CipherName } from './shared/native.js';
