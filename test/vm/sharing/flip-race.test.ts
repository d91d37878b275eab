// SPDX-License-Identifier: Apache-2.0
/** The race of the flip against a stop: native/hammer plays it 10,000 times with the real BPF programs and the agent's own code. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { lab } from '../harness/index.js';

const ROUNDS = 10_000;
const ADDRESS = '10.99.0.1';
const CGROUP = '/sys/fs/cgroup/tlshub-hammer';

describe('the race of the flip against a stop', function () {
  this.timeout(400_000);
  before(async () => {
    await lab.down();
    execFileSync('ip', ['address', 'add', `${ADDRESS}/32`, 'dev', 'lo']);
    mkdirSync(CGROUP, { recursive: true });
  });
  after(() => {
    execFileSync('ip', ['address', 'del', `${ADDRESS}/32`, 'dev', 'lo']);
    rmdirSync(CGROUP);
  });

  it(`leaves nobody standing in ${ROUNDS} rounds, and no record`, async () => {
    const command = [resolve('dist/bpf/tlshub.bpf.o'), '/sys/fs/bpf/tlshub-hammer', CGROUP, ADDRESS, String(ROUNDS)];
    const { stdout, stderr } = await promisify(execFile)(resolve('dist/native/flip_hammer'), command);
    const counts = /^(\d+) rounds, (\d+) stops, (\d+) undone in BPF, 0 records left/.exec(stdout);
    expect(counts, stdout + stderr).to.not.equal(null);
    process.stdout.write(`      ${stdout}`);
    // The race was there: calls that were held, and calls that found the flow decided already or between record and signal.
    const [, rounds, stops] = (counts ?? []).map(Number);
    expect(rounds).to.equal(ROUNDS);
    expect(stops).to.be.within(ROUNDS / 20, ROUNDS * 3);
  });
});
