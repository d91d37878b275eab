/** What a provider is made from. */
import type { Config } from '../../config/schema.js';
import type { Logger } from '../../logging/logger.js';
import type { Doorbell } from '../../shared/ipc/doorbell.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import type { RingRegistry } from './ring-registry.js';

export interface ProviderParts {
  config: Config;
  credentials: HandshakeCredentials;
  doorbell: Doorbell;
  rings: RingRegistry;
  log: Logger;
}
