// SPDX-License-Identifier: Apache-2.0
/**
 * A process that makes handshakes as a provider's worker does, for handshake-memory.test.ts to look into: its side of every connection to the
 * port that it sends to its parent. The secrets are taken and keys derived of them as the installer does it; that there is no socket of a
 * flow to set them on is found out afterwards.
 */
import { createServer, type AddressInfo } from 'node:net';
import { handshakeAddon, kernel } from '../../src/shared/kernel/native.js';
import type {
  HandshakeCredentials,
  HandshakeOutcome,
  HandshakeRequest,
} from '../../src/shared/kernel/handshake-addon.js';
import type { GateFds } from '../../src/shared/kernel/kernel-addon.js';
import type { Role, TlsLibrary } from '../../src/shared/kernel/words.js';
import { fdOf } from './handshake-kit.js';

export interface PeerSetUp {
  library: TlsLibrary;
  role: Role;
  credentials: Omit<HandshakeCredentials, 'ticketKey'>;
}

export type PeerReport = { port: number } | { ended: string };

const NO_MAPS = { flows: -1, verdicts: -1, stops: -1, userStops: -1, dups: -1, secured: -1 } as GateFds;

/** @returns what came of it: nothing can, beyond the derivation of keys */
function install(outcome: Extract<HandshakeOutcome, { ok: true }>, role: Role): string {
  const { cipher, secrets, txSequence, rxSequence } = outcome;
  const times = { askedNs: 0n, startedNs: 0n, negotiationNs: 0n };
  const counts = { handshakeBytesSent: 0, handshakeBytesReceived: 0 };
  const flow = { fd: -1, cookie: 0n, generation: 0, provider: 1, peerNode: 'a' };
  try {
    kernel().install(NO_MAPS, { ...flow, ...times, ...counts, cipher, role, secrets, txSequence, rxSequence });
    return 'installed';
  } catch (error) {
    return (error as Error).message;
  }
}

process.once('message', ({ library, role, credentials }: PeerSetUp) => {
  const addon = handshakeAddon(library);
  const context = addon.createContext(credentials);
  const driver = addon.createDriver();
  const report = (message: PeerReport): unknown => process.send?.(message);
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined);
    const request: HandshakeRequest = { fd: fdOf(socket), role, peerNames: ['a'], timeoutMs: 20_000, keyLog: false };
    driver.start(context, request, (outcome) => {
      report({ ended: outcome.ok ? install(outcome, role) : outcome.reason });
      socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1', () => report({ port: (server.address() as AddressInfo).port }));
});
