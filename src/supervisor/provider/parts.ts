// SPDX-License-Identifier: Apache-2.0
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
  /** of KernelAddon.helperParentPair; undefined: sockets are our own */
  helperParentFd: number | undefined;
  log: Logger;
}
