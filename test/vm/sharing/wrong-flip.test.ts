// SPDX-License-Identifier: Apache-2.0
/** Our own state says "open" and is wrong: the gate goes by what the kernel says of the socket, so it stays shut. */
import { expect } from 'chai';
import { Peer, step } from '../harness/peer.js';
import { EVIL, SECRET, inTheSharedLab } from '../harness/wire.js';
import { B, OUTSIDE, RAW, pinnedMap } from './support.js';

/** struct tlshub_verdict of the first connection of a socket: generation 1, armed in both directions */
const OPEN = (node: 'a' | 'b'): string => `verdict:${pinnedMap(node, 'verdicts')},1,3`;
const TRIES = ['once:send', 'once:splice', 'once:sendfile', 'once:sendmmsg-named'].map((way) => `${way}:${SECRET}`);

describe('a wrong verdict', () => {
  inTheSharedLab();

  it('opens nothing to a client whose peer is no agent: it is refused at the deadline', async () => {
    const evil = await Peer.listen('b', RAW, ['accept', `write:${EVIL}`, 'sleep:60000'], OUTSIDE);
    const steps = await Peer.run('a', [
      `connect:${B}:${RAW}`,
      'nb',
      'sleep:200',
      OPEN('a'),
      ...TRIES,
      'once:peek',
      OPEN('a'),
      'read',
    ]);
    expect(step(steps, 'verdict').result).to.equal(0);
    for (const one of steps.slice(2, -2))
      if (one.op !== 'verdict') expect(one, one.op).to.include({ result: -1, data: '' });
    expect(step(steps, 'read')).to.include({ result: -1, error: 'ECONNRESET', data: '' });
    await evil.stop();
  });

  it('opens nothing to a server that blocks, whose peer speaks plaintext', async () => {
    const server = await Peer.listen('b', 7060, ['accept', OPEN('b'), 'read', `once:write:${SECRET}`]);
    await Peer.run('a', ['bind:0.0.0.0:7953', `connect:${B}:7060`, `write:${EVIL}`, 'wait-ms:8000', 'cat'], OUTSIDE);
    const steps = await server.finish();
    expect(step(steps, 'verdict').result).to.equal(0);
    expect(step(steps, 'read')).to.include({ result: -1, data: '' });
    expect(step(steps, 'write').result).to.equal(-1);
  });

  for (const mode of ['nb', 'block']) {
    it(`does not keep a held connection (${mode}) from being secured properly`, async () => {
      const server = await Peer.listen('b', 7061, ['sleep:700', 'accept', OPEN('b'), mode, 'cat', `write:${SECRET}-2`]);
      const steps = await Peer.run('a', [
        ...[`connect:${B}:7061`, OPEN('a'), 'nb', ...TRIES, mode, `write:${SECRET}-1`, 'shutdown:wr', 'cat'],
      ]);
      for (const op of ['send', 'splice', 'sendfile', 'sendmmsg-named'])
        expect(step(steps, op).error, op).to.equal('EAGAIN');
      expect(step(await server.finish(), 'cat')).to.include({ error: '0', data: `${SECRET}-1` });
      expect(step(steps, 'cat')).to.include({ error: '0', data: `${SECRET}-2` });
    });
  }
});
