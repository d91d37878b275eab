// SPDX-License-Identifier: Apache-2.0
/** connect(AF_UNSPEC) takes a socket off its connection, and it may connect again: no grant and no key of the old connection counts. */
import { expect } from 'chai';
import { Peer, step } from '../harness/peer.js';
import { EVIL, SECRET, inTheSharedLab } from '../harness/wire.js';
import { B, OUTSIDE, RAW } from './support.js';

const SERVER = `connect:${B}:7000`;
const TRAP = `connect:${B}:${RAW}`;
/** Takes every connection and would keep what comes. */
const trap = (): Promise<Peer> => Peer.listen('b', RAW, ['sleep:60000'], OUTSIDE);

describe('a socket that connects again', () => {
  inTheSharedLab();

  for (const [who, ops, connects] of [
    ['that was secured as a client', [SERVER], 2],
    ['that was secured as a server', [`listen:0.0.0.0:7001`, 'accept'], 1],
  ] as const) {
    it(`${who} does not: its keys would be used again`, async () => {
      const trapped = await trap();
      const first = connects === 2 ? await Peer.listen('b', 7000, ['accept', 'read', 'close']) : undefined;
      const peer = Peer.start(connects === 2 ? 'a' : 'b', [
        ...ops,
        `write:${SECRET}`,
        'disconnect',
        TRAP,
        `once:send:${SECRET}`,
        'once:peek',
        `once:splice:${SECRET}`,
      ]);
      if (connects === 1) {
        await peer.until('listen');
        await Peer.run('a', [`connect:${B}:7001`, 'read', 'close']);
      }
      const steps = await peer.finish();
      expect(step(steps, 'write')).to.include({ result: SECRET.length });
      const again = step(steps, 'connect', connects);
      expect(again.result).to.equal(-1);
      // Kernels with commit 5071a1e606b3 refuse the disconnect: then the first connection is still there.
      if (step(steps, 'disconnect').result === 0) {
        expect(again.error).to.equal('ECONNREFUSED');
        for (const op of ['send', 'peek', 'splice']) expect(step(steps, op).result, op).to.equal(-1);
      } else {
        expect(step(steps, 'disconnect').error).to.equal('EOPNOTSUPP');
        // what a failed disconnect leaves behind differs between them
        expect(again.error).to.be.oneOf(['EISCONN', 'EINVAL']);
      }
      await first?.finish();
      await trapped.stop();
    });
  }

  for (const mode of ['nb', 'block']) {
    it(`that is held (${mode}) starts over`, async () => {
      const silent = await Peer.listen('b', RAW, ['sleep:60000'], OUTSIDE);
      const server = await Peer.listen('b', 7000, ['accept', 'cat']);
      const steps = await Peer.run('a', [
        TRAP,
        'nb',
        `once:send:${SECRET}`,
        'disconnect',
        mode,
        SERVER,
        `write:${SECRET}-2`,
        'close',
      ]);
      expect(step(steps, 'send').error).to.equal('EAGAIN');
      await silent.stop();
      // With the TLS layer on it, newer kernels refuse the disconnect: it stays held, and nothing was said.
      if (step(steps, 'disconnect').result < 0) {
        expect(step(steps, 'disconnect').error).to.equal('EOPNOTSUPP');
        expect(step(steps, 'write'), JSON.stringify(steps)).to.include({ result: -1 });
        await server.stop();
        return;
      }
      expect(step(steps, 'connect', 2).result, JSON.stringify(steps)).to.equal(0);
      expect(step(steps, 'write'), JSON.stringify(steps)).to.include({ result: SECRET.length + 2 });
      expect(step(await server.finish(), 'cat')).to.include({ data: `${SECRET}-2`, error: '0' });
    });
  }

  it('that spoke in plaintext to its own host does not connect to the mesh: a call may still be on its way', async () => {
    const evil = await Peer.listen('b', RAW, ['accept', `write:${EVIL}`, 'sleep:60000'], OUTSIDE);
    const steps = await Peer.run('a', [
      'listen:127.0.0.1:7002',
      'connect:127.0.0.1:7002',
      'write:hello',
      'disconnect',
      TRAP,
      `once:send:${SECRET}`,
      'once:read',
    ]);
    expect(step(steps, 'write').result).to.equal(5);
    expect(step(steps, 'disconnect').result).to.equal(0);
    expect(step(steps, 'connect', 2)).to.include({ result: -1, error: 'ECONNREFUSED' });
    expect(step(steps, 'send').result).to.equal(-1);
    expect(step(steps, 'read').result).to.equal(-1);
    await evil.stop();
  });

  it('that said nothing in plaintext connects to the mesh and is secured', async () => {
    const server = await Peer.listen('b', 7000, ['accept', 'cat']);
    const steps = await Peer.run('a', [
      'listen:127.0.0.1:7002',
      'connect:127.0.0.1:7002',
      'disconnect',
      SERVER,
      `write:${SECRET}`,
      'close',
    ]);
    expect(step(steps, 'write').result).to.equal(SECRET.length);
    expect(step(await server.finish(), 'cat')).to.include({ data: SECRET, error: '0' });
  });

  it('after a connect that failed is a socket like any other', async () => {
    const server = await Peer.listen('b', 7000, ['accept', 'cat']);
    const steps = await Peer.run('a', [`connect:${B}:7999`, SERVER, `write:${SECRET}`, 'close']);
    expect(step(steps, 'connect')).to.include({ result: -1, error: 'ECONNREFUSED' });
    expect(step(steps, 'write').result).to.equal(SECRET.length);
    expect(step(await server.finish(), 'cat')).to.include({ data: SECRET, error: '0' });
  });

  it('while another thread sends on it all the time: not one of its bytes is in the clear', async () => {
    const server = await Peer.listen('b', 7000, Array.from({ length: 6 }, () => ['accept', 'cat', 'close']).flat());
    const steps = await Peer.run('a', [`race-send:6,${B}:7000,${SECRET}`]);
    expect(step(steps, 'race-send').result).to.equal(6);
    for (const { data } of (await server.finish()).filter(({ op }) => op === 'cat')) expect(data).to.equal(SECRET);
  });
});
