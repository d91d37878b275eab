/**
 * Mocha's spec reporter, which also leaves the totals as JSON in the file that MOCHA_TOTALS names: that is how scripts/test learns what ran
 * in the virtual machine. A run that dies leaves no totals, which scripts/test counts as a failure.
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
    runner.once('end', () => {
      const file = process.env.MOCHA_TOTALS;
      if (file === undefined) return;
      const totals: Totals = {
        passed: this.stats.passes,
        failed: this.stats.failures,
        pending: this.stats.pending,
        duration: this.stats.duration ?? 0,
      };
      writeFileSync(file, `${JSON.stringify(totals)}\n`);
    });
  }
}
