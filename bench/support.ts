// SPDX-License-Identifier: Apache-2.0
/** Figures and their presentation, for all benchmarks. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** What a figure was measured on. */
function machine(): Record<string, unknown> {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString(),
    kernel: release(),
    processor: cpu?.model ?? 'unknown',
    processors: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    // qemu names its emulated processors so.
    emulated: /TCG/.test(readFileSync('/proc/cpuinfo', 'latin1')),
    node: process.version,
  };
}

/** Writes `DIR/NAME.json`, if a folder was given on the command line. */
export function writeResult(name: string, figures: object): void {
  const [, , out] = process.argv;
  if (out === undefined) return;
  mkdirSync(out, { recursive: true });
  writeFileSync(
    join(out, `${name}.json`),
    `${JSON.stringify({ benchmark: name, ...machine(), ...figures }, null, 1)}\n`,
  );
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The p-th percentile (0..100) by the nearest rank; NaN for no values. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? NaN;
}

/** Text in columns, the first to the left, the others to the right. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all
    .map((row) =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
    )
    .join('\n');
}
