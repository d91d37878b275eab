// SPDX-License-Identifier: Apache-2.0
/** How each provider is made from the settings. */
import { randomBytes } from 'node:crypto';
import { ProviderStartError, toWire } from '../../shared/errors/errors.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import { handshakeAddon } from '../../shared/kernel/native.js';
import type { TlsLibrary } from '../../shared/kernel/words.js';
import { workerFile } from '../../workers/files.js';
import type { NegotiatorData } from '../../workers/negotiation-host.js';
import { knownProvider } from './known.js';
import { ProviderPool } from './pool.js';
import { planKey, type ProviderPlan } from './switch.js';
import type { ProviderParts } from './parts.js';
import { planTlshub } from './tlshub-plan.js';

const ALL_CIPHERS = 3;
/** As native/domain/handshake/resumption.h says. */
const TICKET_KEY_BYTES = 80;

/**
 * What the provider of that name would be under these settings. Nothing is made yet.
 * @throws ProviderUnavailableError
 */
export function planProvider(mode: string, parts: ProviderParts): ProviderPlan {
  const name = knownProvider(mode);
  switch (name) {
    case 'openssl':
    case 'boringssl':
      return inBand(name, parts);
    case 'tlshub':
      return planTlshub(parts);
  }
}

/** @throws (create) ProviderStartError, CredentialsError's code from the addon */
function inBand(library: TlsLibrary, parts: ProviderParts): ProviderPlan {
  const { config, credentials, doorbell, rings, log } = parts;
  const workerData: NegotiatorData = {
    library,
    credentials,
    nodeName: config.nodeName,
    doorbell: doorbell.buffer,
    ringBytes: config.ringBytes,
    keyLogFile: config.keylogFile,
  };
  const { poolSize, poolInFlight, poolQueue } = config[library];
  const size = { threads: poolSize, inFlight: poolInFlight, queue: poolQueue };
  // A key of this pool's own: what an earlier one has sealed, under other credentials perhaps, nobody opens.
  const withTicketKey = (): HandshakeCredentials =>
    config.tls.resumption ? { ...credentials, ticketKey: randomBytes(TICKET_KEY_BYTES) } : credentials;
  const create: ProviderPlan['create'] = async (onFatal, strict) => {
    // Here first, so that what is wrong with them is said once and with its code.
    loadAddon(library).createContext(credentials);
    if (library === 'boringssl' && credentials.ciphers.length < ALL_CIPHERS) {
      log.warning('BoringSSL chooses the cipher by itself: handshakes that end in one not in tls.ciphers are refused', {
        ciphers: credentials.ciphers,
      });
    }
    const pool = new ProviderPool({
      name: library,
      workerFile: workerFile('negotiator'),
      workerData: { ...workerData, credentials: withTicketKey() },
      ...size,
      strict,
      onRing: (id, ring) => rings.add(id, ring),
      onRingGone: (id) => rings.drop(id),
      onFatal,
      log,
    });
    await pool.ready();
    return pool;
  };
  return { name: library, key: planKey(library, workerData, size, config.tls.resumption), create };
}

function loadAddon(library: TlsLibrary): ReturnType<typeof handshakeAddon> {
  try {
    return handshakeAddon(library);
  } catch (cause) {
    const { code, message } = toWire(cause);
    if (code !== 'ERR_DLOPEN_FAILED') throw cause;
    throw new ProviderStartError(library, message, { cause });
  }
}
