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
} from './client.js';
export { connectionSalt, deriveTrafficSecrets, type ConnectionNames, type TrafficSecrets } from './key-schedule.js';
