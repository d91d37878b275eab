/**
 * What a provider's pool makes of its library: mutual handshakes a second and core, beside a bare loop on the same library with the same
 * certificates (bench/programs/bare_handshake.cc). On the host, over loopback; needs no privileges.
 *
 * A handshake here is both of its ends, on one thread: the pool has one worker and takes both roles; the loop has two ends that take turns.
 * Two figures of each, in turns so that what else the machine does hits both:
 *   rate     handshakes for each second of processor time of the thread that makes them (with 32 under way in the pool: it is never idle)
 *   latency  from asking to having keys, one handshake at a time
 * The ratio is the pool's rate to the bare loop's. `all threads` counts the main thread, too, which in the agent has other work besides.
 * `s_time` is the command-line tool of the system's OpenSSL against its own server, certificates on both sides: two processes, so their
 * processor time is added up.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { MessageReceiver } from '../src/shared/channel.js';
import { Doorbell } from '../src/shared/doorbell.js';
import { createLogger } from '../src/logging/index.js';
import type { Negotiated } from '../src/shared/messages.js';
import { kernel, type HandshakeCredentials, type TlsLibrary } from '../src/shared/native.js';
import { ProviderPool } from '../src/supervisor/provider-pool.js';
import type { NegotiatorData } from '../src/workers/negotiation-host.js';
import { percentile, tableOf } from './support.js';

const ROUNDS = Number(process.env.TLSHUB_BENCH_ROUNDS ?? 5);
const PER_ROUND = Number(process.env.TLSHUB_BENCH_HANDSHAKES ?? 1000);
const IN_FLIGHT = 32;
const PKI = resolve('build/lab-pki');
const NODE = 'a';
const CIPHERS = ['TLS_AES_128_GCM_SHA256'] as const;

interface Bare {
  run(
    settings: { caPem: string; certPem: string; keyPem: string; name: string; resume: boolean },
    pairs: [number, number][],
  ): { cpuNs: number; wallNs: number; latenciesNs: Float64Array };
}

interface Sample {
  /** processor milliseconds for each handshake, of the thread that makes them and of all */
  threadMs: number[];
  allMs: number[];
  latencyMs: number[];
}

const credentials: HandshakeCredentials = {
  caPem: readFileSync(join(PKI, 'ca.crt'), 'utf8'),
  certPem: readFileSync(join(PKI, `${NODE}.crt`), 'utf8'),
  keyPem: readFileSync(join(PKI, `${NODE}.key`), 'utf8'),
  ciphers: [...CIPHERS],
};
const TICKET_KEY_BYTES = 80;

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
    for (const fd of pairs.flat()) kernel().closeSocket(fd);
  }
}

/** Processor time in ms that the kernel has accounted to threads of this process. */
function processorMs(threads: readonly string[]): number {
  let sum = 0;
  for (const thread of threads) {
    const [ns = '0'] = readFileSync(`/proc/self/task/${thread}/schedstat`, 'latin1').split(' ');
    sum += Number(ns) / 1e6;
  }
  return sum;
}

const threads = (): string[] => readdirSync('/proc/self/task');

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
      workerFile: new URL('../src/workers/negotiator.js', import.meta.url),
      workerData,
      threads: 1,
      inFlight: 1024,
      queue: 4096,
      onRing: (_, ring) => this.rings.push(new MessageReceiver<Negotiated>(ring, { wipe: true })),
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
        socket: { ticket, slot: 0, fd, cookie: BigInt(ticket), generation: 1 },
        timeoutMs: 30_000,
      });
      if (negotiation === undefined) throw new Error('the pool is full');
      return negotiation.outcome;
    });
    for (const outcome of await Promise.all(outcomes)) if (!outcome.ok) throw new Error(outcome.reason);
    for (const ring of this.rings) ring.receive(() => undefined);
  }

  async run(pairs: [number, number][], atOnce: number, sample: Sample): Promise<void> {
    const todo = [...pairs];
    const latencies: number[] = [];
    const [worker, all] = [processorMs(this.worker), process.cpuUsage()];
    const lane = async (): Promise<void> => {
      for (let pair = todo.pop(); pair !== undefined; pair = todo.pop()) {
        const begun = performance.now();
        await this.handshake(pair);
        latencies.push(performance.now() - begun);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
    if (atOnce === 1) {
      sample.latencyMs.push(...latencies);
      return;
    }
    const { user, system } = process.cpuUsage(all);
    sample.threadMs.push((processorMs(this.worker) - worker) / pairs.length);
    sample.allMs.push((user + system) / 1000 / pairs.length);
  }
}

const nothing = (): Sample => ({ threadMs: [], allMs: [], latencyMs: [] });

async function measure(library: TlsLibrary, resume: boolean): Promise<{ bare: Sample; pool: Sample }> {
  const bare = loadBare(library);
  const pool = new Pool(library, resume);
  await pool.ready();
  const samples = { bare: nothing(), pool: nothing() };
  await withPairs(200, (pairs) => pool.run(pairs, IN_FLIGHT, nothing()));
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

/** `openssl s_time` for some seconds: processor ms for each handshake, both processes. */
async function systemTool(seconds: number): Promise<Sample> {
  const ours = ['-cert', `${PKI}/${NODE}.crt`, '-key', `${PKI}/${NODE}.key`, '-CAfile', `${PKI}/ca.crt`];
  const server = spawn(
    'openssl',
    ['s_server', '-accept', '127.0.0.1:0', ...ours, '-Verify', '4', '-tls1_3', '-num_tickets', '1', '-WWW'],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  let port: string | undefined;
  for (let said = ''; port === undefined; port = /ACCEPT [^:]*:(\d+)/.exec(said)?.[1]) {
    const [chunk] = (await once(server.stdout, 'data')) as [Buffer];
    said += chunk.toString();
  }
  const client = spawn(
    'openssl',
    ['s_time', '-connect', `127.0.0.1:${port}`, ...ours, '-new', '-time', String(seconds), '-tls1_3', '-verify', '4'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  server.stdout.resume();
  let said = '';
  client.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(client, 'close');
  const [, count, user] = /(\d+) connections in ([\d.]+)s/.exec(said) ?? [];
  const [ns = 'NaN'] = readFileSync(`/proc/${server.pid}/schedstat`, 'latin1').split(' ');
  server.kill();
  return { threadMs: [(Number(user) * 1000 + Number(ns) / 1e6) / Number(count)], allMs: [], latencyMs: [] };
}

const median = (values: readonly number[]): number => percentile(values, 50);

async function main(out: string | undefined): Promise<void> {
  const rows = [];
  for (const [library, resume] of [
    ['openssl', false],
    ['boringssl', false],
    ['openssl', true],
    ['boringssl', true],
  ] as const) {
    const { bare, pool } = await measure(library, resume);
    const rate = { bare: 1000 / median(bare.threadMs), pool: 1000 / median(pool.threadMs) };
    for (const [kind, sample] of [
      ['bare loop', bare],
      ['pool', pool],
    ] as const) {
      rows.push({
        provider: library,
        kind,
        resumed: resume,
        rate: kind === 'pool' ? rate.pool : rate.bare,
        ratio: kind === 'pool' ? rate.pool / rate.bare : 1,
        rateAllThreads: sample.allMs.length === 0 ? null : 1000 / median(sample.allMs),
        p50: percentile(sample.latencyMs, 50),
        p99: percentile(sample.latencyMs, 99),
      });
    }
  }
  const tool = 1000 / median((await systemTool(5)).threadMs);
  process.stdout.write(
    `mutual handshakes (both ends) for each second of processor time; latency in ms, one at a time; ${ROUNDS} rounds of ${PER_ROUND}\n${tableOf(
      ['provider', '', 'handshake', 'rate', 'ratio', 'all threads', 'p50', 'p99'],
      rows.map((row) => [
        row.provider,
        row.kind,
        row.resumed ? 'resumed' : 'full',
        row.rate.toFixed(0),
        row.ratio.toFixed(2),
        row.rateAllThreads?.toFixed(0) ?? '',
        row.p50.toFixed(3),
        row.p99.toFixed(3),
      ]),
    )}\nopenssl s_time and s_server, the system's OpenSSL: ${tool.toFixed(0)}\n`,
  );
  if (out !== undefined) {
    mkdirSync(out, { recursive: true });
    const result = {
      benchmark: 'providers',
      node: process.version,
      rounds: ROUNDS,
      perRound: PER_ROUND,
      rows,
      sTime: tool,
    };
    writeFileSync(join(out, 'providers.json'), `${JSON.stringify(result, null, 1)}\n`);
  }
}

await main(process.argv[2]);
