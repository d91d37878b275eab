// SPDX-License-Identifier: Apache-2.0
/** Somebody on the way changes bytes of a secured connection: no program reads them. */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import { B } from '../sharing/support.js';

const PORT = 7130;
const nft = (...rules: string[]): Buffer =>
  execFileSync('nsenter', ['--net=/run/netns/tlshub-b', 'nft', rules.join('; ')]);

describe('a record that is changed on its way', () => {
  before(() => lab.need());
  afterEach(() => {
    try {
      nft('delete table ip tlshub_test');
    } catch {
      // it was not there yet
    }
  });

  it('ends in an error for the program, which reads nothing of it', async () => {
    const server = await Peer.listen('b', PORT, ['accept', 'once:read', 'once:read']);
    const client = Peer.start('a', [
      `connect:${B}:${PORT}`,
      'handle',
      'write:before',
      'once:read',
      'write:after',
      'sleep:60000',
    ]);
    expect((await server.until('read')).data).to.equal('before');
    // A byte of the record's content: behind TCP's header of 32 bytes (with timestamps) and the record's of 5. The kernel mends the checksum.
    nft(
      'add table ip tlshub_test',
      'add chain ip tlshub_test change { type filter hook prerouting priority -300; }',
      `add rule ip tlshub_test change tcp dport ${PORT} tcp flags & psh == psh @th,296,8 set 0x5a`,
    );
    // Nobody writes to the client: what its read() tells is that it may go on.
    const goesOn = (): boolean => {
      client.program.kill('SIGUSR1');
      return client.steps.some(({ op }) => op === 'read');
    };
    await waitFor(goesOn, 20_000, 'the client to write again');
    expect(step(await server.finish(60_000), 'read', 2)).to.include({ result: -1, error: 'EBADMSG', data: '' });
    await client.stop();
  });
});
