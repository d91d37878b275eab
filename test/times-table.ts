// SPDX-License-Identifier: Apache-2.0
/** The table at the end of scripts/test: `node build/test/times-table.js FOLDER`, whose file `stages` has a line for each: label, seconds, file of its times. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Times } from './reporter.js';
import type { FileTimes, Spent } from './timings.js';

/** Test files that are shown, of those that took longest. */
const SHOWN = 20;

const STARTS = ['lab up', 'restart', 'agent start'];

interface Row {
  name: string;
  files: FileTimes[];
  seconds: number;
  /** seconds before and after the tests: the machine's boot, the programs' load */
  around: number | undefined;
}

function sum(files: FileTimes[], of: (file: FileTimes) => number): number {
  return files.reduce((total, file) => total + of(file), 0);
}

function spentOn(files: FileTimes[], names: string[]): Spent {
  const all = files.flatMap(({ spent }) => names.map((name) => spent[name] ?? { count: 0, ms: 0 }));
  return all.reduce((total, { count, ms }) => ({ count: total.count + count, ms: total.ms + ms }), { count: 0, ms: 0 });
}

function cells({ name, files, seconds, around }: Row): string[] {
  const { count, ms } = spentOn(files, STARTS);
  return [
    name,
    String(sum(files, ({ tests }) => tests) || ''),
    seconds.toFixed(),
    around === undefined ? '' : around.toFixed(),
    files.length === 0 ? '' : (sum(files, ({ hooksMs }) => hooksMs) / 1000).toFixed(),
    count === 0 ? '' : `${count} in ${(ms / 1000).toFixed()}`,
  ];
}

function print(title: string, rows: Row[]): void {
  const lines = [[title, 'tests', 'seconds', 'around', 'hooks', 'starts of agents'], ...rows.map(cells)];
  const widths = lines[0]!.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  for (const line of lines) {
    const padded = line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)));
    process.stdout.write(`${`  ${padded.join('  ')}`.trimEnd()}\n`);
  }
}

const folder = process.argv[2]!;
const stages: Row[] = [];
const files: Row[] = [];
for (const line of readFileSync(join(folder, 'stages'), 'utf8').split('\n').filter(Boolean)) {
  const [name, took, file] = line.split('\t') as [string, string, string];
  const times = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Times) : undefined;
  const seconds = Number(took);
  const around = times === undefined ? undefined : Math.max(seconds - times.duration / 1000, 0);
  stages.push({ name, files: Object.values(times?.files ?? {}), seconds, around });
  for (const [source, one] of Object.entries(times?.files ?? {})) {
    const where = /kernel (\S+)$/.exec(name)?.[1];
    files.push({
      name: where === undefined ? source : `${source}, ${where}`,
      files: [one],
      seconds: (one.testsMs + one.hooksMs) / 1000,
      around: undefined,
    });
  }
}
print('stage', stages);
process.stdout.write('\n');
print('test file', files.sort((one, other) => other.seconds - one.seconds).slice(0, SHOWN));
