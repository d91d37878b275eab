// SPDX-License-Identifier: Apache-2.0
/** What the handshake tests share: the built addon, credentials of a lab CA, and loopback connections whose descriptors a driver may use. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initCa, issueNode } from '../../src/tls/lab-ca/pki.js';
import type {
  HandshakeAddon,
  HandshakeContext,
  HandshakeCredentials,
  HandshakeDriver,
  HandshakeOutcome,
  HandshakeRequest,
} from '../../src/shared/kernel/handshake-addon.js';
import { handshakeAddon, tlshubNetlink } from '../../src/shared/kernel/native.js';
import type { CipherName, TlsLibrary } from '../../src/shared/kernel/words.js';

/** From build/test/native, where the compiled test lies. */
export const ADDON_PATH = fileURLToPath(new URL('../../../dist/native/tlshub_openssl.node', import.meta.url));
export const addon = createRequire(import.meta.url)(ADDON_PATH) as HandshakeAddon;

export const ALL_CIPHERS: CipherName[] = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];

export interface Lab {
  /** A new certificate of this lab's CA. */
  credentials(node: string, days?: number): Promise<HandshakeCredentials>;
  context(node: string, days?: number): Promise<HandshakeContext>;
  remove(): Promise<void>;
}

export async function makeLab(name: string): Promise<Lab> {
  const dir = await mkdtemp(join(tmpdir(), 'tlshub-handshake-'));
  await initCa(dir, { name, days: 2 });
  const credentials = async (node: string, days = 1): Promise<HandshakeCredentials> => {
    const issued = await issueNode(dir, node, { days, force: true });
    return {
      caPem: await readFile(join(dir, 'ca.crt'), 'utf8'),
      certPem: await readFile(issued.certificate, 'utf8'),
      keyPem: await readFile(issued.key, 'utf8'),
      ciphers: ALL_CIPHERS,
    };
  };
  return {
    credentials,
    context: async (node, days) => addon.createContext(await credentials(node, days)),
    remove: () => rm(dir, { recursive: true }),
  };
}

export interface Pair {
  active: Socket;
  passive: Socket;
  close(): void;
}

/** A TCP connection over loopback that Node itself does not read from. */
export async function tcpPair(): Promise<Pair> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const active = connect((server.address() as AddressInfo).port, '127.0.0.1');
  active.pause();
  const [[passive]] = await Promise.all([accepted, once(active, 'connect')]);
  server.close();
  for (const socket of [active, passive]) socket.on('error', () => undefined);
  return {
    active,
    passive,
    close: () => {
      active.destroy();
      passive.destroy();
    },
  };
}

/** A port that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The descriptor below a socket of node:net. */
export function fdOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

export function request(
  socket: Socket,
  role: HandshakeRequest['role'],
  peer: string,
  changes: Partial<HandshakeRequest> = {},
): HandshakeRequest {
  return { fd: fdOf(socket), role, peerNames: [peer], timeoutMs: 10_000, keyLog: false, ...changes };
}

export function run(
  driver: HandshakeDriver,
  context: HandshakeContext,
  wanted: HandshakeRequest,
): Promise<HandshakeOutcome> {
  return new Promise((resolve) => driver.start(context, wanted, resolve));
}

export type Success = Extract<HandshakeOutcome, { ok: true }>;
export type Refusal = Extract<HandshakeOutcome, { ok: false }>;

/** @throws Error naming code and reason if it failed */
export function succeeded(outcome: HandshakeOutcome): Success {
  if (!outcome.ok) throw new Error(`handshake failed: ${outcome.code}: ${outcome.reason}`);
  return outcome;
}

/** @throws Error if it did not fail */
export function refused(outcome: HandshakeOutcome): Refusal {
  if (outcome.ok) throw new Error('the handshake succeeded');
  return outcome;
}

/** What is behind the handle of an outcome; the handle is used up. */
export function secretsOf({ secrets }: { secrets: number }): { client: Uint8Array; server: Uint8Array } {
  const both = tlshubNetlink().revealSecret(secrets);
  return { client: both.subarray(0, both.length / 2), server: both.subarray(both.length / 2) };
}

/** What tests of one library's driver have at hand; made and taken away by the suite that calls this. */
export interface Bench {
  readonly addon: HandshakeAddon;
  /** for the whole suite */
  lab: Lab;
  /** for each test */
  driver: HandshakeDriver;
  /** closed after the test */
  newPair(): Promise<Pair>;
}

/** To be called where hooks can be set. */
export function benchOf(library: TlsLibrary): Bench {
  const pairs: Pair[] = [];
  const own = handshakeAddon(library);
  const bench = {
    addon: own,
    newPair: async () => {
      const pair = await tcpPair();
      pairs.push(pair);
      return pair;
    },
  } as Partial<Bench> as Bench;
  before(async () => {
    bench.lab = await makeLab('lab');
  });
  after(() => bench.lab.remove());
  beforeEach(() => {
    bench.driver = own.createDriver();
  });
  afterEach(() => {
    bench.driver.close();
    for (const pair of pairs.splice(0)) pair.close();
  });
  return bench;
}
