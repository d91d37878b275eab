// SPDX-License-Identifier: Apache-2.0
/**
 * The settings in force: configuration, mapping and credentials, read and checked together and swapped together.
 *
 * One immutable value. Whoever needs something of it asks `InForce` at the moment of use and keeps no copy, so that one assignment is the
 * whole of a swap; the few parts that hold a copy somewhere else (the kernel's maps, a provider's threads, the logger's level) listen.
 */
import type { Config } from '../../config/schema.js';
import type { PodNodeMapping } from '../../mapping/pod-node-mapping.js';
import type { NodeEndpoints } from '../../mapping/node-endpoints.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import { checkCredentials, readCredentials } from './credentials.js';
import { endpointsBy, readEndpoints } from './endpoints.js';
import type { MappingSources } from './mapping-sources.js';
import { readOtlpFiles, type OtlpFiles } from './otlp-files.js';

export interface Settings {
  readonly config: Config;
  readonly mapping: PodNodeMapping;
  readonly credentials: HandshakeCredentials;
  /** where other nodes' agents are to be reached for a channel */
  readonly endpoints: NodeEndpoints;
  readonly otlpFiles: OtlpFiles;
}

/**
 * The first settings: what the configuration names is read, and the mapping's source followed from now on.
 * @throws (rejects) MappingError, CredentialsError, EndpointsError, ConfigError (exit status 78)
 */
export async function firstSettings(config: Config, sources: MappingSources): Promise<Settings> {
  const credentials = readCredentials(config);
  checkCredentials(config, credentials);
  const read = readEndpoints(config);
  const otlpFiles = readOtlpFiles(config);
  const { mapping, commit } = await sources.prepare(config);
  commit();
  return { config, mapping, credentials, endpoints: endpointsBy(config, read, mapping), otlpFiles };
}

/** Called after a swap, in the order of subscription. Must not throw: a swap does not end half-way. */
export type SwapListener = (now: Settings, before: Settings) => void;

export class InForce {
  #current: Settings;
  readonly #listeners: SwapListener[] = [];

  constructor(first: Settings) {
    this.#current = first;
  }

  get current(): Settings {
    return this.#current;
  }

  get config(): Config {
    return this.#current.config;
  }

  get mapping(): PodNodeMapping {
    return this.#current.mapping;
  }

  onSwap(listener: SwapListener): void {
    this.#listeners.push(listener);
  }

  swap(next: Settings): void {
    const before = this.#current;
    this.#current = next;
    for (const listener of this.#listeners) listener(next, before);
  }
}
