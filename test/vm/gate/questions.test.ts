// SPDX-License-Identifier: Apache-2.0
/**
 * The kernel asks the gate about a getsockopt() first and reads the program's memory afterwards, which takes as long as a program with a file
 * system of its own likes. What is asked of a socket that is nobody's yet must not be answered when it is a secured one.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { B } from '../sharing/support.js';

const PORT = 7120;
const STREAMS = resolve('build/programs/streams');
const FUSE_HOLD = resolve('build/programs/fuse_hold');

describe('what a program asks for before its socket connects', () => {
  before(async () => {
    execFileSync('modprobe', ['fuse']);
    chmodSync('/dev/fuse', 0o666);
    await lab.need();
    for (const outside of [false, true]) {
      const port = outside ? PORT + 1 : PORT;
      await lab.spawn('b', [STREAMS, 'serve', `${port}`], { outside }).listening(port);
    }
  });

  const ask = async (what: 'keys' | 'raw', outside = false): Promise<string> => {
    const command = [FUSE_HOLD, what, B, `${outside ? PORT + 1 : PORT}`];
    return (await lab.exec('a', command, { user: 'nobody', outside })).stdout;
  };

  it('is not the keys, once it is secured', async () => {
    const said = await ask('keys');
    expect(said).to.match(/^connect 0$/m);
    expect(said).to.match(/^asked ENOPROTOOPT$/m);
  });

  it('is not the bytes of its records', async () => {
    // Without the gate it gets what lies in the queue: the program does what it says.
    expect(await ask('raw', true)).to.match(/^waiting\nconnect 0\nasked 0 4$/m);
    expect(await ask('raw')).to.match(/^waiting\nconnect E\w+\nasked (0 0|E\w+)$/m);
  });
});
