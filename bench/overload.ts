// SPDX-License-Identifier: Apache-2.0
/**
 * More new connections at once than two agents can secure (in the virtual machine or on a capable host, as root): how many work, how many a
 * second, and what became of the others.
 *
 *   node build/bench/overload.js [DIR]     TLSHUB_BENCH_LEVELS=8:80,30:150,...: connections at once, and how many in all
 *
 * ab (`scripts/setup --packages test/compat/packages.txt` has it) on node a fetches a byte from nginx on node b, a connection a request: with a
 * handshake on each connection, and with keys by name. The first level is what the agents can do without waiting; goodput of the others is set
 * against the best of their exchange.
 */
import { writeFileSync } from 'node:fs';
import { lab } from '../test/vm/harness/index.js';
import { at, FOLDER, makeContent, makeFolder } from '../test/vm/matrix/files.js';
import { EXCHANGES, putInForce, type Exchange } from './exchange.js';
import { tableOf, writeResult } from './support.js';

const PORT = 8080;
const LEVELS = (process.env.TLSHUB_BENCH_LEVELS ?? '8:80,16:100,40:160,80:240,300:300')
  .split(',')
  .map((level) => level.split(':').map(Number) as [number, number]);

interface Figures {
  exchange: Exchange;
  atOnce: number;
  asked: number;
  worked: number;
  seconds: number;
  goodput: number;
  p50Ms: number;
  longestMs: number;
  /** what the agents refused, by code, both nodes together */
  refused: Record<string, number>;
}

async function serve(): Promise<void> {
  const config = `daemon off; worker_processes 1; pid ${at('nginx.pid')}; error_log stderr; user root;
    events { worker_connections 4096; }
    http { access_log off; default_type text/plain; server { listen ${PORT} backlog=4096; root ${FOLDER}; } }`;
  writeFileSync(at('nginx.conf'), config);
  await lab.spawn('b', ['nginx', '-c', at('nginx.conf')]).listening(PORT);
}

async function failures(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const node of ['a', 'b'] as const)
    for (const [code, count] of Object.entries((await lab.status(node)).failures))
      counts[code] = (counts[code] ?? 0) + count;
  return counts;
}

async function level(exchange: Exchange, atOnce: number, asked: number): Promise<Figures> {
  const before = await failures();
  const command = ['ab', '-q', '-r', '-s', '120', '-n', `${asked}`, '-c', `${atOnce}`, `http://10.77.0.2:${PORT}/byte`];
  const { stdout, stderr } = await lab.exec('a', command, { timeoutMs: 200_000 });
  const figure = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? NaN);
  const seconds = figure(/Time taken for tests: +([\d.]+)/);
  const worked = figure(/HTML transferred: +(\d+)/);
  if (!(seconds > 0)) throw new Error(`ab said: ${stdout} ${stderr}`);
  const refused = Object.fromEntries(
    Object.entries(await failures())
      .map(([code, count]) => [code, count - (before[code] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
  const times = { p50Ms: figure(/ 50% +(\d+)/), longestMs: figure(/100% +(\d+)/) };
  return { exchange, atOnce, asked, worked, seconds, goodput: worked / seconds, ...times, refused };
}

async function measure(exchange: Exchange): Promise<Figures[]> {
  await lab.up({ exchange });
  await serve();
  await putInForce(exchange, {}, () => level(exchange, 1, 1));
  // This loads and compiles what all later ones use.
  await level(exchange, 8, 40);
  const levels: Figures[] = [];
  for (const [atOnce, asked] of LEVELS) {
    const figures = await level(exchange, atOnce, asked);
    levels.push(figures);
    console.log(JSON.stringify(figures));
  }
  await lab.down();
  return levels;
}

function rowsOf(levels: readonly Figures[]): string[][] {
  const best = Math.max(...levels.map(({ goodput }) => goodput));
  return levels.map((each) => [
    each.exchange,
    `${each.atOnce}`,
    `${each.asked}`,
    `${each.worked}`,
    each.goodput.toFixed(1),
    (each.goodput / best).toFixed(2),
    `${each.p50Ms}`,
    `${each.longestMs}`,
    JSON.stringify(each.refused),
  ]);
}

async function main(): Promise<void> {
  makeFolder();
  makeContent('byte', 1);
  const levels: Figures[][] = [];
  for (const exchange of EXCHANGES) levels.push(await measure(exchange));
  const head = [
    'exchange',
    'at once',
    'asked',
    'worked',
    'a second',
    'to the best',
    'p50, ms',
    'longest, ms',
    'refused',
  ];
  process.stdout.write(`${tableOf(head, levels.flatMap(rowsOf))}\n`);
  writeResult('overload', { levels: levels.flat() });
}

await main();
