// SPDX-License-Identifier: Apache-2.0
/** One agent on a folder of pins. What it does on bpffs: test/vm/death/start.test.ts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { AlreadyRunningError } from '../../src/shared/errors/errors.js';
import { kernel } from '../../src/shared/kernel/native.js';
import { takeAgentLock } from '../../src/supervisor/gate/agent-lock.js';
import { temporaryFolder } from './support/temporary.js';
import { rejected } from './support/thrown.js';

describe('the lock of an agent', () => {
  const path = temporaryFolder();

  it('names who has it, and is given when that one has gone', async () => {
    const links = path('pins', 'links');
    mkdirSync(links, { recursive: true });
    const holder = spawn('flock', ['--no-fork', links, 'sh', '-c', 'echo locked; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(holder, 'exit');
    await once(holder.stdout, 'data');
    const error = await rejected(AlreadyRunningError, takeAgentLock(kernel(), path('pins'), 0));
    expect(error.code).to.equal('TLSHUB_ALREADY_RUNNING');
    expect(error.message).to.match(new RegExp(`^process ${holder.pid} \\(.+\\) is the agent`));

    // As one that is killed and takes a moment to end.
    const taken = takeAgentLock(kernel(), path('pins'), 30_000);
    holder.kill('SIGKILL');
    await ended;
    await taken;
    const other = spawn('flock', ['--nonblock', links, 'true'], { stdio: 'inherit' });
    expect((await once(other, 'exit'))[0]).to.equal(1);
  });
});
