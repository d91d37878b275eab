// SPDX-License-Identifier: Apache-2.0
/**
 * How long an agent takes from exec to ready, of this build and, with `npm run bench -- --against DIR start`, of the build in another
 * checkout: in turns in one run, so that a slow moment hits both alike. What an agent says of its own start is shown too.
 *
 * Ready is when the agent writes TLSHUB_READY_FILE. Memory and processor time are the process's (all threads) at that moment.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { StatusReport, StartupStep } from '../src/report/status.js';
import { lab, waitFor } from '../test/vm/harness/index.js';
import { median, tableOf, writeResult } from './support.js';

const ROUNDS = Number(process.env.TLSHUB_BENCH_ROUNDS ?? 5);
const AGAINST = process.env.TLSHUB_BENCH_AGAINST ?? '';
const READY = '/tmp/tlshub-start-ready';
const PATIENCE_MS = 120_000;
const LOOK_MS = 10;
/** USER_HZ of Linux, in which /proc counts. */
const TICKS_PER_SECOND = 100;

interface Start {
  readyMs: number;
  cpuMs: number;
  rssKb: number;
  startup: StartupStep[];
}

/** utime and stime (proc(5): fields 14 and 15); the name before them may have spaces and brackets. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

function rssKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}

/** Builds before that of this benchmark may say nothing of it. */
function stepsOf(status: Partial<StatusReport>): StartupStep[] {
  return status.startup ?? [];
}

async function start(checkout: string): Promise<Start> {
  rmSync(READY, { force: true });
  const command = [process.execPath, resolve(checkout, 'dist/supervisor.js'), lab.config('a')];
  const begun = performance.now();
  const agent = lab.spawn('a', command, { outside: true, env: { TLSHUB_READY_FILE: READY } });
  await waitFor(
    () => existsSync(READY) || !agent.running,
    PATIENCE_MS,
    () => `ready: ${agent.stderr}`,
    LOOK_MS,
  );
  const readyMs = performance.now() - begun;
  if (!agent.running) throw new Error(`the agent has ended: ${agent.stderr}${agent.stdout}`);
  const figures = { readyMs, cpuMs: cpuMs(agent.pid), rssKb: rssKb(agent.pid) };
  const startup = stepsOf(await lab.status('a'));
  agent.kill('SIGINT');
  const { code } = await agent.ended;
  if (code !== 0) throw new Error(`the agent ended with ${code}: ${agent.stderr}`);
  return { ...figures, startup };
}

function summary(starts: readonly Start[]): Start {
  const [first] = starts;
  return {
    readyMs: median(starts.map(({ readyMs }) => readyMs)),
    cpuMs: median(starts.map((each) => each.cpuMs)),
    rssKb: median(starts.map((each) => each.rssKb)),
    startup: (first?.startup ?? []).map(({ step }) => ({
      step,
      ms: median(starts.flatMap(({ startup }) => startup.filter((one) => one.step === step).map(({ ms }) => ms))),
    })),
  };
}

const builds = [
  { name: 'this', checkout: '.', starts: [] as Start[] },
  ...(AGAINST === '' ? [] : [{ name: AGAINST, checkout: AGAINST, starts: [] as Start[] }]),
];
await lab.up();
const { pid } = await lab.status('a');
lab.signal('a', 'SIGINT');
await waitFor(() => !existsSync(`/proc/${pid}`), PATIENCE_MS, "the end of the lab's own agent");
for (let round = 0; round <= ROUNDS; round++) {
  for (const { checkout, starts } of builds) {
    const one = await start(checkout);
    // The first one reads the files from the disk.
    if (round > 0) starts.push(one);
  }
}
await lab.down();

const results = builds.map(({ name, starts }) => ({ name, ...summary(starts) }));
const [mine, other] = builds.map(({ starts }) => starts);
const ratio =
  other === undefined ? undefined : median((mine ?? []).map(({ readyMs }, i) => readyMs / (other[i]?.readyMs ?? NaN)));
const rows = results.map(({ name, readyMs, cpuMs, rssKb }) =>
  [name, readyMs.toFixed(0), cpuMs.toFixed(0), (rssKb / 1024).toFixed(0)].map(String),
);
process.stdout.write(
  `from exec to ready; medians of ${ROUNDS} rounds\n${tableOf(['build', 'ready ms', 'processor ms', 'RSS MiB'], rows)}\n`,
);
for (const { name, startup } of results) {
  const text = startup.map(({ step, ms }) => `${step} ${ms.toFixed(0)}`).join(', ');
  if (text !== '') process.stdout.write(`steps of ${name}, ms: ${text}\n`);
}
if (ratio !== undefined)
  process.stdout.write(`ready, this against the other, median of the rounds' ratios: ${ratio.toFixed(2)}\n`);
writeResult('start', { rounds: ROUNDS, results, ratio });
