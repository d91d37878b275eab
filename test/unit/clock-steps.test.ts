// SPDX-License-Identifier: Apache-2.0
/** What measures and what waits goes by the monotonic clock: the same tests, on a machine whose time of day is being set all the time. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { patience } from '../speed.js';

/** test/programs/clock_steps.c */
const CLOCK_STEPS = resolve('build/programs/clock_steps');
const TESTS = ['dispatcher', 'flow-metrics', 'flow-table', 'metrics-registry', 'logging'];

describe('a clock that is set back and forth', function () {
  this.timeout(120_000);
  const env = { ...process.env, LD_PRELOAD: CLOCK_STEPS };

  it('is what the programs see', () => {
    const script = 'console.log(JSON.stringify(Array.from({ length: 4 }, () => Date.now())))';
    const { stdout } = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
    const times = JSON.parse(stdout) as number[];
    for (let i = 1; i < times.length; i++) {
      expect(Math.abs(times[i]! - times[i - 1]!)).to.be.closeTo(2 * 86_400_000, 10_000);
    }
  });

  it('changes no figure, no deadline and no order of the agent', () => {
    const files = TESTS.map((name) => resolve(`build/test/unit/${name}.test.js`));
    const mocha = resolve('node_modules/mocha/bin/mocha.js');
    // Mocha itself goes by the time of day: without deadlines, those of single tests among them (test/setup.ts), it only says odd durations.
    const setup = resolve('build/test/setup.js');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [mocha, '--require', setup, '--reporter', 'tap', '--timeout', '0', ...files],
      { env: { ...env, TEST_SLOWNESS: '0' }, encoding: 'utf8', timeout: patience(100_000) },
    );
    expect(status, stdout + stderr).to.equal(0);
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).to.be.greaterThan(50);
  });
});
