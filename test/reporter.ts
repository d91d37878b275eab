/**
 * Mocha's spec reporter, which also leaves the totals as JSON in the file that MOCHA_TOTALS names: that is how scripts/test learns what ran
 * in the virtual machine. A run that dies leaves no totals, which scripts/test counts as a failure. What failed stands beside it in
 * `<file>.failed`, a line each, so that the end of a long run can name it.
 */
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** What the file holds; counts of tests. */
export interface Totals {
  passed: number;
  failed: number;
  pending: number;
  /** milliseconds */
  duration: number;
}

export default class TotalsReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    const failures: string[] = [];
    runner.on('fail', (test, error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      failures.push(`${test.titlePath().join(' > ')}: ${message.split('\n')[0]!.slice(0, 300)}`);
    });
    runner.once('end', () => {
      const file = process.env.MOCHA_TOTALS;
      if (file === undefined) return;
      const totals: Totals = {
        passed: this.stats.passes,
        failed: this.stats.failures,
        pending: this.stats.pending,
        duration: this.stats.duration ?? 0,
      };
      writeFileSync(`${file}.failed`, failures.map((line) => `${line}\n`).join(''));
      writeFileSync(file, `${JSON.stringify(totals)}\n`);
    });
  }
}
