// SPDX-License-Identifier: Apache-2.0
/** Results of runs, kept in results.json: what docs/COMPATIBILITY.md is made of. Nothing is in it that was not run. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { verdictOn, type Judgement } from './compare.js';
import type { Family } from './place.js';
import type { Situation } from './situation.js';

export const RESULTS = 'test/compat/results.json';

export interface Result extends Judgement {
  name: string;
  /** package and version of each program */
  versions: string;
  /** day of the run */
  date: string;
}

/** What was seen on one kernel, with one mode and family. */
export interface Run {
  /** series: 6.12 */
  kernel: string;
  /** whole: 6.12.95+deb13-amd64 */
  release: string;
  mode: string;
  family: Family;
  /** of the agent */
  version: string;
  results: Result[];
}

export function readRuns(file = RESULTS): Run[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Run[]) : [];
}

const kindOf = ({ kernel, mode, family }: Run): string =>
  [kernel === '6.12' ? 0 : kernel, mode === 'openssl' ? 0 : mode, family].join(' ');

/**
 * Runs with a new one among them: its results take the place of those of the same situations, kernel, mode and family. Results of situations
 * that are gone go too, and a difference is known if the list says so now.
 */
export function withRun(runs: readonly Run[], run: Run, situations: readonly Situation[]): Run[] {
  const last = runs.find((other) => kindOf(other) === kindOf(run));
  const results = situations.flatMap((situation) => {
    const named = ({ name }: Result): boolean => name === situation.name;
    const result = run.results.find(named) ?? last?.results.find(named);
    if (result === undefined) return [];
    return { ...result, verdict: result.verdict === 'broken' ? 'broken' : verdictOn(situation, result.detail) };
  });
  const others = runs.filter((other) => other !== last);
  return [...others, { ...run, results }].sort((a, b) => kindOf(a).localeCompare(kindOf(b)));
}

export function writeRuns(runs: readonly Run[], file = RESULTS): void {
  writeFileSync(file, `${JSON.stringify(runs, null, 2)}\n`);
}
