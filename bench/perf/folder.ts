// SPDX-License-Identifier: Apache-2.0
/** The files of perf_test: a dated folder for each run, and in the folder above links to those of the last one, under the same names. */
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { hiddenName, numberedNames } from '../../src/shared/files/atomic-file.js';
import type { Measurement } from './measure.js';
import type { Summary } from './report.js';

const DATED = /^\d{8}_\d{6}(-\d+)?$/;

/**
 * Makes the folder of a run.
 * @returns its name, the date as it stands in the files' names too; numbered when another run has it, for the clock may have been set back
 */
export function makeRunFolder(out: string, at: Date): string {
  mkdirSync(out, { recursive: true });
  const date = at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
  const files = readdirSync(out);
  for (const name of numberedNames(date)) {
    // Without folders, as an earlier version left its files.
    if (files.some((file) => file === name || file.includes(`_${name}.`) || file.includes(`_${name}_samples.`)))
      continue;
    mkdirSync(join(out, name));
    return name;
  }
  throw new Error(`${out} has too many runs of ${date}`);
}

function isLinkToRun(path: string): boolean {
  return lstatSync(path).isSymbolicLink() && DATED.test(readlinkSync(path).split('/')[0] ?? '');
}

/** Links of the run before go, and the run's own files are there by their names. A file that is none of ours is replaced only where it has one of these names. */
export function linkLatest(out: string, run: string): void {
  const files = readdirSync(join(out, run));
  for (const name of readdirSync(out))
    if (!files.includes(name) && isLinkToRun(join(out, name))) rmSync(join(out, name));
  for (const name of files) {
    const made = hiddenName(join(out, name));
    symlinkSync(join(run, name), made);
    renameSync(made, join(out, name));
  }
}

const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** What a run has left in its folder. */
export function readRun(folder: string): { summary: Summary; measurements: Map<string, Measurement> } {
  const summary = json(join(folder, 'summary.json')) as Summary;
  const measurements = new Map<string, Measurement>();
  for (const { mode } of summary.modes) {
    const name = readdirSync(folder).find((file) => file.startsWith(`perf_${mode}_`) && file.endsWith('.json'));
    if (name === undefined) throw new Error(`${folder} has no perf_${mode}_DATE.json`);
    measurements.set(mode, json(join(folder, name)) as Measurement);
  }
  return { summary, measurements };
}
