// SPDX-License-Identifier: Apache-2.0
/** Ends of connections: half a shutdown and reading on, ends that come right behind the data, servers that speak first. */
import { expect } from 'chai';
import { Peer, step } from '../harness/peer.js';
import { SECRET, inTheSharedLab } from '../harness/wire.js';
import { B, OUTSIDE, RAW } from './support.js';

describe('an end of a connection', () => {
  inTheSharedLab();

  for (const mode of ['block', 'nb']) {
    it(`half of it (${mode}), by the client: the server reads to it, and what it says then arrives`, async () => {
      const server = await Peer.listen('b', 7030, ['accept', mode, 'cat', `write:${SECRET}-answer`, 'close']);
      const steps = await Peer.run('a', [`connect:${B}:7030`, mode, `write:${SECRET}`, 'shutdown:wr', 'cat']);
      expect(step(await server.finish(), 'cat')).to.include({ error: '0', data: SECRET });
      expect(step(steps, 'cat')).to.include({ error: '0', data: `${SECRET}-answer` });
    });

    it(`half of it (${mode}), by the server that speaks first: the client reads to it, and its answer arrives`, async () => {
      const server = await Peer.listen('b', 7031, ['accept', mode, `write:${SECRET}`, 'shutdown:wr', 'cat']);
      const steps = await Peer.run('a', [`connect:${B}:7031`, mode, 'cat', `write:${SECRET}-answer`, 'close']);
      expect(step(steps, 'cat')).to.include({ error: '0', data: SECRET });
      expect(step(await server.finish(), 'cat')).to.include({ error: '0', data: `${SECRET}-answer` });
    });

    it(`half of it (${mode}) while the connection is held, with nothing sent: it waits, and the answer arrives`, async () => {
      const server = await Peer.listen('b', 7032, ['sleep:700', 'accept', mode, 'cat', `write:${SECRET}`, 'close']);
      const steps = await Peer.run('a', [`connect:${B}:7032`, mode, 'shutdown:wr', 'cat']);
      expect(step(steps, 'shutdown')).to.include({ result: 0 });
      expect(step(await server.finish(), 'cat')).to.include({ result: 0, error: '0' });
      expect(step(steps, 'cat')).to.include({ error: '0', data: SECRET });
    });
  }

  it('all of it while the connection is held: nothing of the program has left, and it is over', async () => {
    const trap = await Peer.listen('b', RAW, ['accept', 'cat'], OUTSIDE);
    const steps = await Peer.run('a', [
      `connect:${B}:${RAW}`,
      'nb',
      `once:send:${SECRET}`,
      'shutdown:rdwr',
      'once:read',
    ]);
    expect(step(steps, 'send').error).to.equal('EAGAIN');
    expect(step(steps, 'shutdown').result).to.equal(0);
    expect(step(steps, 'read').data).to.equal('');
    await trap.finish();
  });

  for (const reader of ['serve-blocking', 'serve-lt', 'serve-et', 'serve-threads']) {
    it(`right behind the first request: ${reader} reads the request and answers it`, async () => {
      const server = await Peer.listen('b', 7033, [`${reader}:5`]);
      expect(step(await Peer.run('a', [`ask-fin:5,${B}:7033,${SECRET}`]), 'ask-fin').result).to.equal(5);
      await server.finish();
    });
  }
});
