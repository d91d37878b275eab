// SPDX-License-Identifier: Apache-2.0
/** OpenSSL and BoringSSL: one worker that takes both roles, and a bare loop on the same library (bench/programs/bare_handshake.cc). */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { createLogger } from '../../src/logging/logger.js';
import { MessageReceiver } from '../../src/shared/ipc/message-ring.js';
import { Doorbell } from '../../src/shared/ipc/doorbell.js';
import type { Negotiated } from '../../src/shared/ipc/messages.js';
import type { HandshakeCredentials } from '../../src/shared/kernel/handshake-addon.js';
import { kernel } from '../../src/shared/kernel/native.js';
import type { TlsLibrary } from '../../src/shared/kernel/words.js';
import { ProviderPool } from '../../src/supervisor/provider/pool.js';
import type { NegotiatorData } from '../../src/workers/negotiation-host.js';
import { IN_FLIGHT, PER_ROUND, ROUNDS, WARM_UP, drive, nothing, threads, type Sample, type Samples } from './sample.js';

export const PKI = resolve('build/lab-pki');
export const NODE = 'a';
const CIPHERS = ['TLS_AES_128_GCM_SHA256'] as const;
const TICKET_KEY_BYTES = 80;

interface Bare {
  run(
    settings: { caPem: string; certPem: string; keyPem: string; name: string; resume: boolean },
    pairs: [number, number][],
  ): { cpuNs: number; wallNs: number; latenciesNs: Float64Array };
}

const credentials: HandshakeCredentials = {
  caPem: readFileSync(join(PKI, 'ca.crt'), 'utf8'),
  certPem: readFileSync(join(PKI, `${NODE}.crt`), 'utf8'),
  keyPem: readFileSync(join(PKI, `${NODE}.key`), 'utf8'),
  ciphers: [...CIPHERS],
};

function loadBare(library: TlsLibrary): Bare {
  const file = resolve(`build/bench-programs/bare_${library}.node`);
  if (library === 'openssl') return createRequire(import.meta.url)(file) as Bare;
  const module = { exports: {} };
  process.dlopen(module, file, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_DEEPBIND);
  return module.exports as Bare;
}

/** Loopback connections for the length of `use`. */
async function withPairs<T>(count: number, use: (pairs: [number, number][]) => T | Promise<T>): Promise<T> {
  const pairs = Array.from({ length: count }, () => kernel().loopbackPair());
  try {
    return await use(pairs);
  } finally {
    for (const fd of pairs.flat()) kernel().closeFd(fd);
  }
}

class Pool {
  private readonly pool: ProviderPool;
  private readonly rings: MessageReceiver<Negotiated>[] = [];
  private readonly before = new Set(threads());
  private worker: string[] = [];
  private tickets = 0;

  constructor(library: TlsLibrary, resume: boolean) {
    const workerData: NegotiatorData = {
      library,
      credentials: resume ? { ...credentials, ticketKey: randomBytes(TICKET_KEY_BYTES) } : credentials,
      nodeName: NODE,
      doorbell: new Doorbell().buffer,
      ringBytes: 1 << 20,
      keyLogFile: '',
    };
    this.pool = new ProviderPool({
      name: library,
      workerFile: new URL('../../src/workers/negotiator.js', import.meta.url),
      workerData,
      threads: 1,
      inFlight: 1024,
      queue: 4096,
      onRing: (_, ring) => this.rings.push(new MessageReceiver<Negotiated>(ring)),
      onRingGone: () => undefined,
      onFatal: (error) => {
        throw error;
      },
      log: createLogger({ logLevel: 'warning', verbose: false }),
    });
  }

  async ready(): Promise<void> {
    await this.pool.ready();
    this.worker = threads().filter((thread) => !this.before.has(thread));
  }

  get resumed(): number {
    return this.pool.stats().resumed;
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  /** Both ends of one handshake. */
  private async handshake([client, server]: [number, number]): Promise<void> {
    const sides = [
      ['active', client, 1],
      ['passive', server, 2],
    ] as const;
    const outcomes = sides.map(([role, fd, host]) => {
      const address = Uint8Array.from([...Array<number>(10).fill(0), 255, 255, 127, 0, 0, host]);
      const ticket = ++this.tickets;
      const negotiation = this.pool.negotiate({
        names: {
          role,
          tuple: { local: address, remote: address, lport: 1, rport: 2 },
          iss: 1,
          irs: 2,
          peerNames: [NODE],
        },
        socket: { ticket, slot: 0, fd, cookie: BigInt(ticket), generation: 1, charge: 0 },
        askedNs: 0,
        waitMs: 30_000,
        timeoutMs: 30_000,
        peerHasAgent: false,
      });
      if (negotiation === undefined) throw new Error('the pool is full');
      return negotiation.outcome;
    });
    for (const outcome of await Promise.all(outcomes)) if (!outcome.ok) throw new Error(outcome.reason);
    for (const ring of this.rings) ring.receive(({ secrets }) => kernel().discardSecret(secrets));
  }

  run(pairs: readonly [number, number][], atOnce: number, sample: Sample): Promise<void> {
    return drive(pairs, atOnce, this.worker, (pair) => this.handshake(pair), sample);
  }
}

export async function measureInBand(library: TlsLibrary, resume: boolean): Promise<Samples> {
  const bare = loadBare(library);
  const pool = new Pool(library, resume);
  await pool.ready();
  const samples = { bare: nothing(), pool: nothing() };
  await withPairs(WARM_UP, (pairs) => pool.run(pairs, IN_FLIGHT, nothing()));
  for (let round = 0; round < ROUNDS; round++) {
    await withPairs(PER_ROUND + 1, (pairs) => {
      const { cpuNs, latenciesNs } = bare.run({ ...credentials, name: NODE, resume }, pairs);
      samples.bare.threadMs.push(cpuNs / 1e6 / latenciesNs.length);
      samples.bare.latencyMs.push(...[...latenciesNs].map((ns) => ns / 1e6));
    });
    await withPairs(PER_ROUND, (pairs) => pool.run(pairs, IN_FLIGHT, samples.pool));
    await withPairs(Math.ceil(PER_ROUND / 5), (pairs) => pool.run(pairs, 1, samples.pool));
  }
  if (pool.resumed > 0 !== resume) throw new Error(`${pool.resumed} handshakes were resumed`);
  await pool.close();
  return samples;
}
