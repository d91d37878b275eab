// SPDX-License-Identifier: Apache-2.0
/**
 * A program closes a connection while the agent has a descriptor of it too. Its epoll set must not know the connection any more when
 * close() has returned: an event would carry a pointer to what the program has freed.
 */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import { SECRET, inTheLab } from '../harness/wire.js';

const TALKER = resolve('build/programs/talker');
const B = '10.77.0.2';
const PATIENCE = 30_000;

describe('a program that closes a connection that is held', () => {
  // The agent must be taken for alive for as long as it stands still here, and the program hears EAGAIN at once.
  inTheLab({
    set: { lease_ms: 30_000, handshake_timeout_ms: 60_000, hold_timeout_ms: 60_000, hold_nonblocking_ms: 0 },
  });

  it('does not come back from close() before the agent has let go of it, and hears nothing of it afterwards', async () => {
    const listener = lab.spawn('b', [TALKER, 'accept', '7600'], { outside: true });
    await listener.listening(7600);
    const program = lab.spawn('a', [TALKER, 'forget', B, '7600', SECRET]);
    await waitFor(
      async () => (await lab.flows('a')).some(({ pid, state }) => pid === program.pid && state === 'negotiating'),
      PATIENCE,
      'its handshake',
    );
    expect(program.stdout).to.equal('connected\nsend EAGAIN\n');
    const agent = (await lab.status('a')).pid;
    process.kill(agent, 'SIGSTOP');
    try {
      program.kill('SIGUSR1');
      await waitFor(() => program.state === 'T', PATIENCE, 'the program to stand still in its close()');
    } finally {
      process.kill(agent, 'SIGCONT');
    }
    expect((await program.ended).stdout).to.equal('connected\nsend EAGAIN\nevents 0\n');
    const closed = async (): Promise<boolean> =>
      (await lab.flows('a')).some(({ pid, reason }) => pid === program.pid && reason === 'the program closed it');
    await waitFor(closed, PATIENCE, 'its end');
    await listener.stop();
  });
});
