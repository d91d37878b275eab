// SPDX-License-Identifier: Apache-2.0
/**
 * A process that makes handshakes as a provider's worker does, for handshake-memory.test.ts to look into: the passive side of every connection
 * to the port that it sends to its parent. What becomes of the secrets is what the installer does in the end, without a kernel.
 */
import { createServer, type AddressInfo } from 'node:net';
import { handshakeAddon, kernel } from '../../src/shared/kernel/native.js';
import type { HandshakeCredentials, HandshakeRequest } from '../../src/shared/kernel/handshake-addon.js';
import type { TlsLibrary } from '../../src/shared/kernel/words.js';
import { fdOf } from './handshake-kit.js';

export interface PeerSetUp {
  library: TlsLibrary;
  credentials: Omit<HandshakeCredentials, 'ticketKey'>;
}

export type PeerReport = { port: number } | { ended: string };

process.once('message', ({ library, credentials }: PeerSetUp) => {
  const addon = handshakeAddon(library);
  const context = addon.createContext(credentials);
  const driver = addon.createDriver();
  const report = (message: PeerReport): unknown => process.send?.(message);
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined);
    const request: HandshakeRequest = {
      fd: fdOf(socket),
      role: 'passive',
      peerNames: ['a'],
      timeoutMs: 20_000,
      keyLog: false,
    };
    driver.start(context, request, (outcome) => {
      if (outcome.ok) kernel().discardSecret(outcome.secrets);
      report({ ended: outcome.ok ? 'ok' : outcome.reason });
      socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1', () => report({ port: (server.address() as AddressInfo).port }));
});
