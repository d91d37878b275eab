// SPDX-License-Identifier: Apache-2.0
/**
 * What processor time programs use up while their connections are held (in the virtual machine or on a capable host, as root;
 * bench/programs/hook_price.c).
 *
 * The connections are to peers that never answer the handshake, so each is held until the deadline of a handshake (5 s by default). A
 * level-triggered event loop is told all that time that it may write, and EAGAIN when it does: from 100 ms of hold on it naps
 * (bpf/gate.bpf.c). An edge-triggered one is told once, and who blocks stands still: what they use is the price of the connection itself.
 */
import { resolve } from 'node:path';
import { lab } from '../test/vm/harness/index.js';
import * as tarpit from '../test/vm/isolation/tarpit.js';
import { median, tableOf, writeResult } from './support.js';

const PROGRAM = resolve('build/bench-programs/hook_price');
const ROUNDS = Number(process.env.TLSHUB_BENCH_ROUNDS ?? 3);
const CALLERS = ['lt', 'et', 'blocking'] as const;
const AT_ONCE = [1, 20] as const;
const NAMES = { lt: 'level-triggered', et: 'edge-triggered', blocking: 'blocking' } as const;

interface Held {
  /** seconds */
  wall: number;
  /** seconds of processor time, user and system */
  cpu: number;
  /** calls that were told EAGAIN */
  calls: number;
}

async function hold(caller: string, atOnce: number): Promise<Held> {
  const peer = ['10.78.0.1', String(tarpit.TARPIT_PORT)];
  const { code, stdout, stderr } = await lab.exec('a', [PROGRAM, 'held', ...peer, String(atOnce), caller]);
  const figures = /^wall (\S+) cpu (\S+) calls (\d+)/.exec(stdout);
  if (code !== 0 || figures === null) throw new Error(`${caller}: ${stderr}${stdout}`);
  const [wall, cpu, calls] = figures.slice(1).map(Number) as [number, number, number];
  return { wall, cpu, calls };
}

await lab.up({ set: { pod_node_config: tarpit.writeMapping() } });
tarpit.routeSilentPeers();
const silence = await tarpit.serveSilence();
await hold('et', 1);
const settings = CALLERS.flatMap((caller) => AT_ONCE.map((atOnce) => ({ caller, atOnce, rounds: [] as Held[] })));
for (let round = 0; round < ROUNDS; round++) {
  for (const each of settings) each.rounds.push(await hold(each.caller, each.atOnce));
}
await silence.stop();
await lab.down();

const results = settings.map(({ caller, atOnce, rounds }) => ({
  caller,
  atOnce,
  wallS: median(rounds.map(({ wall }) => wall)),
  cpuS: median(rounds.map(({ cpu }) => cpu)),
  calls: median(rounds.map(({ calls }) => calls)),
  /** of one processor, for each held connection */
  cpuPercent: median(rounds.map(({ wall, cpu }) => (100 * cpu) / wall / atOnce)),
}));
process.stdout.write(
  `processor time of programs whose connections are held; medians of ${ROUNDS} rounds\n${tableOf(
    ['caller', 'held at once', 'held s', 'processor s', 'EAGAIN', '% of a processor each'],
    results.map(({ caller, atOnce, wallS, cpuS, calls, cpuPercent }) => [
      NAMES[caller],
      String(atOnce),
      wallS.toFixed(2),
      cpuS.toFixed(3),
      String(calls),
      cpuPercent.toFixed(2),
    ]),
  )}\n`,
);
writeResult('held', { rounds: ROUNDS, results });
