// SPDX-License-Identifier: Apache-2.0
/**
 * What the gate's hooks cost everyone else: calls of a program that is not captured, with the BPF programs loaded and without (in the
 * virtual machine or on a capable host, as root; bench/programs/hook_price.c). In turns, several times: the ratio is that of the medians.
 */
import { resolve } from 'node:path';
import { lab } from '../test/vm/harness/index.js';
import { median, tableOf, writeResult } from './support.js';

const PROGRAM = resolve('build/bench-programs/hook_price');
const TURNS = Number(process.env.TLSHUB_BENCH_TURNS ?? 4);
const RUNS = 5;
const CALLS = 20_000;
const WHAT: Record<string, string> = {
  'file-read': 'pread of a file',
  'file-write': 'pwrite of a file',
  'tcp-send': 'send over TCP',
  'tcp-recv': 'recv over TCP',
  'unix-send': 'send over a Unix socket',
  'unix-recv': 'recv over a Unix socket',
};

/** Nanoseconds a call, by its name; for each run. */
type Samples = Map<string, number[]>;

async function measure(samples: Samples): Promise<void> {
  for (let run = 0; run < RUNS; run++) {
    const { code, stdout, stderr } = await lab.exec('a', [PROGRAM, 'calls', String(CALLS)], { outside: true });
    if (code !== 0) throw new Error(stderr);
    for (const line of stdout.trim().split('\n')) {
      const [name = '', ns] = line.split(' ');
      samples.set(name, [...(samples.get(name) ?? []), Number(ns)]);
    }
  }
}

const without: Samples = new Map();
const loaded: Samples = new Map();
for (let turn = 0; turn < TURNS; turn++) {
  await lab.up({ bare: true });
  await measure(without);
  await lab.up();
  await measure(loaded);
}
await lab.down();

const results = Object.entries(WHAT).map(([name, what]) => {
  const [before, after] = [without, loaded].map((samples) => median(samples.get(name) ?? []));
  return { name, what, withoutNs: before ?? NaN, loadedNs: after ?? NaN, ratio: (after ?? NaN) / (before ?? NaN) };
});
process.stdout.write(
  `calls of a program that is not captured, ns; medians of ${TURNS * RUNS} times ${CALLS} calls\n${tableOf(
    ['call', 'without', 'with the hooks', 'added', 'ratio'],
    results.map(({ what, withoutNs, loadedNs, ratio }) => [
      what,
      withoutNs.toFixed(0),
      loadedNs.toFixed(0),
      (loadedNs - withoutNs).toFixed(0),
      ratio.toFixed(2),
    ]),
  )}\n`,
);
writeResult('hooks', { turns: TURNS, runs: RUNS, calls: CALLS, results });
