// SPDX-License-Identifier: Apache-2.0
/** Stand-ins for the TLSHub module on this host (test/peers), in pairs that agree on keys over loopback. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { TlshubClient, type TlshubClientOptions, type TlshubTuple } from '../../src/tlshub/client.js';

const PROGRAM = resolve('build/peers/tlshub-peer');
/** NETLINK_USERSOCK, include/uapi/linux/netlink.h */
export const PROTOCOL = 2;
/** Loopback addresses that nobody else here listens on: of the client's node and the server's. */
export const CLIENT = '127.7.7.1';
export const SERVER = '127.7.7.2';

/** Not those of another run at the same time. */
let nextPortId = 1_000_000_000 + (process.pid % 100_000) * 1000;
const running = new Set<ChildProcess>();
const clients = new Set<TlshubClient>();

export interface Peer {
  portId: number;
  stop(): Promise<void>;
}

export async function startPeer(listen: string, ...options: string[]): Promise<Peer> {
  const portId = nextPortId++;
  const child = spawn(PROGRAM, ['--port-id', String(portId), '--listen', listen, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('the peer ended at once'))),
  ]);
  return {
    portId,
    stop: async () => {
      running.delete(child);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export function connectTo(peer: Peer, options: TlshubClientOptions = {}): TlshubClient {
  const client = new TlshubClient({ protocol: PROTOCOL, peerPortId: peer.portId, timeoutMs: 8000, ...options });
  clients.add(client);
  return client;
}

/** For afterEach. */
export async function stopAll(): Promise<void> {
  for (const client of clients) client.close();
  clients.clear();
  const peers = [...running];
  running.clear();
  for (const child of peers) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

let port = 20_000;

/** A connection that was never there before. */
export function freshTuple(): TlshubTuple {
  return { clientAddress: CLIENT, serverAddress: SERVER, clientPort: port++, serverPort: 443 };
}
