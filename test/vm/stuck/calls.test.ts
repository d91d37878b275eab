// SPDX-License-Identifier: Apache-2.0
/**
 * An unprivileged captured program makes system calls on its sockets, and on what it puts in their place, wait for as long as it likes.
 * That is its own affair: other programs' connections are secured as before, the log names it, and the agent ends when it is killed.
 */
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { B, SILENT_PORT, attack, expectUnharmed, serve, uninterruptible, visit, type Visit } from './support.js';

const PATIENCE = 60_000;

describe('a program that keeps system calls on its sockets waiting', () => {
  let before_: Visit;

  before(async function () {
    this.timeout(300_000);
    await lab.up();
    await serve();
    await visit(5);
    before_ = await visit();
  });
  after(() => lab.down());

  const lost = async (program: Program): Promise<boolean> =>
    (await lab.logs('a'))
      .split('\n')
      .some((line) => line.includes('TLSHUB_HELPER_LOST') && line.includes(String(program.pid)));

  for (const [how, what] of [
    ['flush', 'puts a file whose close() never ends in the place of a socket'],
    ['lock', 'holds the lock of a socket in a call that never ends'],
  ] as const) {
    it(`${what}: others do not notice, and the log names it`, async function () {
      this.timeout(300_000);
      const attackers = [];
      for (let i = 0; i < 3; i++) attackers.push(await attack('fuse_hold', [how, B, SILENT_PORT], 'waiting'));
      await expectUnharmed(how, before_);
      expect(
        uninterruptible((await lab.status('a')).pid),
        'threads of the agent that wait in the kernel',
      ).to.deep.equal([]);
      const [first] = attackers;
      await waitFor(() => lost(first!), PATIENCE, 'its name in the log');
      for (const one of attackers) await one.stop('SIGKILL');
      await expectUnharmed(`after ${how}`, before_);
    });
  }

  it('ends with SO_LINGER and a way that nothing comes back on: others do not notice', async function () {
    this.timeout(300_000);
    for (let i = 0; i < 5; i++) await attack('linger', [B, SILENT_PORT, 100], 'lingering');
    await expectUnharmed('linger', before_);
  });

  it('hides sockets among hundreds of thousands of descriptors: others do not notice', async function () {
    this.timeout(300_000);
    const hidden = await attack('hide', [B, SILENT_PORT, 20_000, 16, 5], 'hidden');
    await expectUnharmed('hide', before_);
    await hidden.stop('SIGKILL');
  });

  it('does not keep the agent alive that was killed', async function () {
    this.timeout(300_000);
    await attack('fuse_hold', ['flush', B, SILENT_PORT], 'waiting');
    const { pid } = await lab.status('a');
    await lab.kill('a');
    await waitFor(async () => (await lab.logs('a')).includes(`agent ${pid} died`), PATIENCE, "the guardian's word");
    await lab.restart('a');
    await expectUnharmed('with a new agent', before_);
  });
});
