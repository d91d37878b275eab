// SPDX-License-Identifier: Apache-2.0
/**
 * What being held costs a connection, against a bare OpenSSL handshake in the program itself, between the same two network namespaces in
 * the same run (bench/programs/first_byte.c; runs in the virtual machine or on a capable host, as root).
 *
 * The same program in four settings, in turns, one connection at a time, each timed from before connect():
 *   plain     outside the captured cgroup, no TLS
 *   bare      outside the captured cgroup, mutual TLS 1.3 by OpenSSL in the program: same certificates, cipher and group as the agents'
 *   polling   captured, no TLS in the program, non-blocking calls and epoll; keys by name
 *   blocking  captured, no TLS in the program, blocking calls: the thread sleeps in the kernel; keys by name
 *   polling-in-band, blocking-in-band   the same with a handshake on each connection
 * Two moments count:
 *   ready     bare: handshake done and the server's ticket read, which says that it accepted the client's certificate; the agents wait for
 *             the same. Captured: the kernel took the first byte.
 *   echoed    the first byte came back from the server: both sides were opened.
 * What is added is the time over `plain`'s of the same moment (medians). The ratio is captured to bare.
 */
import { resolve } from 'node:path';
import { lab, type Program } from '../test/vm/harness/index.js';
import { putInForce, type Exchange } from './exchange.js';
import { percentile, tableOf, writeResult } from './support.js';

const PROGRAM = resolve('build/bench-programs/first_byte');
const PKI = `${process.env.TLSHUB_LAB_DIR ?? '/run/tlshub-lab'}/pki`;
const B = '10.77.0.2';
const ROUNDS = Number(process.env.TLSHUB_BENCH_ROUNDS ?? 8);
const PER_ROUND = Number(process.env.TLSHUB_BENCH_CONNECTIONS ?? 25);

interface How {
  port: number;
  tls: boolean;
  calls: 'polling' | 'blocking';
  /** of captured programs */
  exchange?: Exchange;
}

const SETTINGS = {
  plain: { port: 8001, tls: false, calls: 'polling' },
  bare: { port: 8002, tls: true, calls: 'polling' },
  polling: { port: 8003, tls: false, calls: 'polling', exchange: 'channel' },
  blocking: { port: 8004, tls: false, calls: 'blocking', exchange: 'channel' },
  'polling-in-band': { port: 8005, tls: false, calls: 'polling', exchange: 'in-band' },
  'blocking-in-band': { port: 8006, tls: false, calls: 'blocking', exchange: 'in-band' },
} satisfies Record<string, How>;
type Setting = keyof typeof SETTINGS;
const NAMES = Object.keys(SETTINGS) as Setting[];
const MOMENTS = ['connected', 'keyed', 'ready', 'echoed'] as const;
type Moment = (typeof MOMENTS)[number];

/** Milliseconds for each moment of each connection. */
type Samples = Record<Moment, number[]>;

const AGENTS = { flows_kept: 100_000, 'tls.ciphers': 'TLS_AES_128_GCM_SHA256' };

/** Has the agents do what this setting is about. */
async function beforeTurn(name: Setting): Promise<void> {
  const { exchange }: How = SETTINGS[name];
  if (exchange !== undefined) await putInForce(exchange, AGENTS, () => measure(name, 1));
}

async function measure(name: Setting, count: number): Promise<Samples> {
  const { port, tls, calls, exchange }: How = SETTINGS[name];
  const outside = exchange === undefined;
  const command = [PROGRAM, 'measure', B, `${port}`, tls ? 'tls' : 'plain', PKI, 'a', `${count}`, calls];
  const { code, stdout, stderr } = await lab.exec('a', command, { outside, timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`${name}: ${stderr}`);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  return Object.fromEntries(
    MOMENTS.map((moment, at) => [moment, rows.map((row) => (row[at] ?? NaN) / 1000)]),
  ) as Samples;
}

async function main(): Promise<void> {
  const samples = Object.fromEntries(
    NAMES.map((name) => [name, Object.fromEntries(MOMENTS.map((moment) => [moment, []]))]),
  ) as unknown as Record<Setting, Samples>;
  await lab.up({ exchange: 'channel', set: AGENTS });
  const servers: Program[] = NAMES.map((name) => {
    const { port, tls, calls, exchange }: How = SETTINGS[name];
    const outside = exchange === undefined;
    return lab.spawn('b', [PROGRAM, 'serve', `${port}`, tls ? 'tls' : 'plain', PKI, 'b', calls], { outside });
  });
  await Promise.all(servers.map((server, at) => server.listening(SETTINGS[NAMES[at] ?? 'plain'].port)));

  const first: Partial<Record<Setting, number>> = {};
  for (const name of NAMES) first[name] = (await measure(name, 1)).echoed[0] ?? NaN;
  for (const name of NAMES) {
    await beforeTurn(name);
    await measure(name, PER_ROUND);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of NAMES) {
      await beforeTurn(name);
      const some = await measure(name, PER_ROUND);
      for (const moment of MOMENTS) samples[name][moment].push(...some[moment]);
    }
  }

  const figure = (name: Setting, moment: Moment, p: number): number => percentile(samples[name][moment], p);
  const added = (name: Setting, moment: Moment, p: number): number =>
    figure(name, moment, p) - figure('plain', moment, 50);
  const rows = NAMES.flatMap((name) =>
    (['ready', 'echoed'] as const).map((moment) => ({
      setting: name,
      moment,
      p50: figure(name, moment, 50),
      p99: figure(name, moment, 99),
      added50: added(name, moment, 50),
      added99: added(name, moment, 99),
      ratio50: added(name, moment, 50) / added('bare', moment, 50),
      ratio99: added(name, moment, 99) / added('bare', moment, 99),
    })),
  );
  const agents: Record<string, unknown> = {};
  for (const node of ['a', 'b'] as const) {
    const all = await lab.flows(node);
    for (const name of ['polling', 'polling-in-band'] as const) {
      const { port, exchange } = SETTINGS[name];
      const flows = all.filter((flow) => flow.dport === port && flow.exchange === exchange).slice(PER_ROUND + 1);
      const of = (key: 'holdMs' | 'negotiationMs' | 'installMs'): number[] =>
        flows.map((flow) => flow[key]).filter((value) => value !== null);
      agents[`${node}, ${exchange}`] = Object.fromEntries(
        (['holdMs', 'negotiationMs', 'installMs'] as const).map((key) => [
          key,
          { p50: percentile(of(key), 50), p99: percentile(of(key), 99) },
        ]),
      );
    }
  }
  for (const server of servers) await server.stop();
  await lab.down();

  const ms = (value: number): string => value.toFixed(2);
  const ratio = (setting: Setting, value: number): string => (setting === 'plain' ? '' : value.toFixed(2));
  process.stdout.write(
    `time to the first byte, ms; ${samples.bare.ready.length} connections each, one at a time\n` +
      `${tableOf(
        ['setting', 'moment', 'p50', 'p99', 'added p50', 'added p99', 'ratio p50', 'ratio p99'],
        rows.map((row) => [
          row.setting,
          row.moment,
          ms(row.p50),
          ms(row.p99),
          ms(row.added50),
          ms(row.added99),
          ratio(row.setting, row.ratio50),
          ratio(row.setting, row.ratio99),
        ]),
      )}\n` +
      `the very first connection, echoed: ${NAMES.map((name) => `${name} ${ms(first[name] ?? NaN)}`).join(', ')}\n` +
      `bare, handshake done on the client's side: p50 ${ms(figure('bare', 'keyed', 50))}\n` +
      `agents' own figures (polling): ${JSON.stringify(agents)}\n`,
  );
  writeResult('hold', { rows, first, agents, samples });
}

await main();
