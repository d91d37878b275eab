/** The package as a library: the client of the TLSHub kernel module. docs/TLSHUB_API.md describes it. */
export * from './tlshub/index.js';
export { trafficKeys, type TrafficKeys } from './shared/key-schedule.js';
export { TlshubError } from './shared/errors.js';
export type { CipherName } from './shared/native.js';
