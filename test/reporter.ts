// SPDX-License-Identifier: Apache-2.0
/**
 * Mocha's spec reporter, which also leaves the totals as JSON in the file that MOCHA_TOTALS names: that is how scripts/test learns what ran
 * in the virtual machine. A run that dies leaves no totals, which scripts/test counts as a failure: `<file>.now` then names the test that had
 * begun last. What failed stands beside it in `<file>.failed`, a line each, so that the end of a long run can name it; where the time went in
 * `<file>.times`.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import Mocha from 'mocha';
import { takeSpent, type FileTimes } from './timings.js';

/** What the file holds; counts of tests. */
export interface Totals {
  passed: number;
  failed: number;
  pending: number;
  /** milliseconds */
  duration: number;
}

/** What `<file>.times` holds. */
export interface Times {
  /** milliseconds */
  duration: number;
  /** by the test file, as it is in the sources */
  files: Record<string, FileTimes>;
}

const sourceOf = (file: string | undefined): string => relative('build', file ?? 'build/?').replace(/\.js$/, '.ts');

export default class TotalsReporter extends Mocha.reporters.Spec {
  readonly #files: Record<string, FileTimes> = {};

  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    const file = process.env.MOCHA_TOTALS;
    const failures: string[] = [];
    const begun = (what: Mocha.Runnable): void => {
      if (file !== undefined) writeFileSync(`${file}.now`, `${what.titlePath().join(' > ')}\n`);
    };
    runner.on('test', begun);
    runner.on('hook', begun);
    runner.on('fail', (test, error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      failures.push(`${test.titlePath().join(' > ')}: ${message.split('\n')[0]!.slice(0, 300)}`);
    });
    runner.on('test end', (test) => {
      const times = this.#of(test.file);
      times.tests += 1;
      times.testsMs += test.duration ?? 0;
    });
    runner.on('hook end', (hook) => {
      this.#of(hook.file ?? hook.parent?.file).hooksMs += hook.duration ?? 0;
    });
    runner.on('suite end', (suite) => {
      if (suite.file === undefined) return;
      const { spent } = this.#of(suite.file);
      for (const [what, { count, ms }] of Object.entries(takeSpent())) {
        const entry = (spent[what] ??= { count: 0, ms: 0 });
        entry.count += count;
        entry.ms += ms;
      }
    });
    runner.once('end', () => {
      if (file === undefined) return;
      const totals: Totals = {
        passed: this.stats.passes,
        failed: this.stats.failures,
        pending: this.stats.pending,
        duration: this.stats.duration ?? 0,
      };
      const times: Times = { duration: totals.duration, files: this.#files };
      writeFileSync(`${file}.failed`, failures.map((line) => `${line}\n`).join(''));
      writeFileSync(`${file}.times`, `${JSON.stringify(times)}\n`);
      writeFileSync(file, `${JSON.stringify(totals)}\n`);
    });
  }

  #of(file: string | undefined): FileTimes {
    return (this.#files[sourceOf(file)] ??= { tests: 0, testsMs: 0, hooksMs: 0, spent: {} });
  }
}
