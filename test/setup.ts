// SPDX-License-Identifier: Apache-2.0
/** Loaded by mocha before any test (--require): deadlines of tests and hooks are those of the reference's machine times this one's slowness. */
import Mocha from 'mocha';
import { measureSpeed, patience } from './speed.js';

process.stdout.write(`deadlines: ${measureSpeed()} % of those written down\n`);

/** As mocha has it: without an argument it gives the deadline in force, with one it writes one down. */
type Timeout = (this: Mocha.Runnable, ms?: string | number) => number | Mocha.Runnable;

// Where it is read, and not where it is written, which is more than once: of a suite for its tests, of a test by itself while it runs.
const runnable = Mocha.Runnable.prototype as unknown as { timeout: Timeout };
const { timeout } = runnable;
runnable.timeout = function (...ms) {
  const result = timeout.apply(this, ms);
  return typeof result === 'number' ? patience(result) : result;
};
