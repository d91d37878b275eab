// SPDX-License-Identifier: Apache-2.0
/**
 * A process that makes handshakes as a provider's worker does, for handshake-memory.test.ts to look into: its side of every connection to the
 * port that it sends to its parent. The secrets are taken and keys derived of them as the installer does it; a helper process gets them, and
 * finds that its socket is of no flow.
 */
import { createServer, type AddressInfo } from 'node:net';
import { handshakeAddon, kernel } from '../../src/shared/kernel/native.js';
import type {
  HandshakeCredentials,
  HandshakeOutcome,
  HandshakeRequest,
} from '../../src/shared/kernel/handshake-addon.js';
import type { Role, TlsLibrary } from '../../src/shared/kernel/words.js';
import { startOwnHelpers } from '../fakes/own-helpers.js';
import { fdOf } from './handshake-kit.js';

export interface PeerSetUp {
  library: TlsLibrary;
  role: Role;
  credentials: Omit<HandshakeCredentials, 'ticketKey'>;
}

export type PeerReport = { port: number } | { ended: string };

const helpers = kernel().openHelpers(startOwnHelpers().fd);

/** @param done gets what came of it: nothing can, beyond keys that are with a helper */
function install(outcome: Extract<HandshakeOutcome, { ok: true }>, role: Role, done: (what: string) => void): void {
  const { cipher, secrets, txSequence, rxSequence } = outcome;
  const times = { askedNs: 0n, startedNs: 0n, negotiationNs: 0n };
  const counts = { handshakeBytesSent: 0, handshakeBytesReceived: 0 };
  const [fd, other] = kernel().loopbackPair();
  const flow = { fd, cookie: 0n, generation: 0, tgid: 0, charge: 0, provider: 1, peerNode: 'a' };
  helpers.install({ ...flow, ...times, ...counts, cipher, role, secrets, txSequence, rxSequence }, (result) => {
    kernel().closeFd(other);
    done(result instanceof Error ? result.message : 'installed');
  });
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
      socket.destroy();
      if (outcome.ok) install(outcome, role, (ended) => report({ ended }));
      else report({ ended: outcome.reason });
    });
  });
  server.listen(0, '127.0.0.1', () => report({ port: (server.address() as AddressInfo).port }));
});
