// SPDX-License-Identifier: Apache-2.0
/** io_uring: its requests are issued by the program's thread, polled by the kernel, or carried out by worker threads that cannot be held. */
import { expect } from 'chai';
import { Peer, step } from '../harness/peer.js';
import { EVIL, SECRET, inTheSharedLab } from '../harness/wire.js';
import { B, OUTSIDE, RAW } from './support.js';

describe('io_uring', () => {
  inTheSharedLab();

  for (const [send, receive] of [
    ['u-send', 'u-recv'],
    ['u-write', 'u-read'],
  ] as const) {
    it(`connects and accepts, and its ${send} and ${receive} as first calls move their bytes encrypted, both ways`, async () => {
      const server = await Peer.listen('b', 7050, [
        ...['ring', 'sleep:300', 'u-accept', receive, `${send}:${SECRET}-2`, 'close'],
        ...['u-accept', `${send}:${SECRET}-3`, receive, 'close'],
      ]);
      const client = await Peer.run('a', [
        ...['ring', `u-connect:${B}:7050`, `${send}:${SECRET}-1`, receive, 'close'],
        ...[`u-connect:${B}:7050`, receive, `${send}:${SECRET}-4`, 'cat'],
      ]);
      const served = await server.finish();
      const all = JSON.stringify([client, served]);
      expect(step(client, 'u-connect'), all).to.include({ result: 0 });
      expect(step(served, receive), all).to.include({ error: '0', data: `${SECRET}-1` });
      expect(step(client, receive), all).to.include({ error: '0', data: `${SECRET}-2` });
      expect(step(client, receive, 2), all).to.include({ error: '0', data: `${SECRET}-3` });
      expect(step(served, receive, 2), all).to.include({ error: '0', data: `${SECRET}-4` });
    });
  }

  it('splices by worker threads: encrypted, or told EAGAIN and encrypted when it asks again', async () => {
    const server = await Peer.listen('b', 7051, ['ring', 'sleep:300', 'accept', 'u-splice-in', 'read', 'close']);
    const client = await Peer.run('a', [
      'ring',
      `connect:${B}:7051`,
      `u-splice:${SECRET}-1`,
      `write:${SECRET}-2`,
      `u-splice:${SECRET}-3`,
    ]);
    const first = step(client, 'u-splice');
    expect(first.error).to.be.oneOf(['0', 'EAGAIN']);
    expect(step(client, 'write').result).to.equal(SECRET.length + 2);
    expect(step(client, 'u-splice', 2).result).to.equal(SECRET.length + 2);
    const served = await server.finish();
    const spliced = step(served, 'u-splice-in');
    expect(spliced.error).to.be.oneOf(['0', 'EAGAIN']);
    const got = spliced.data + step(served, 'read').data;
    const whole = (first.result > 0 ? `${SECRET}-1` : '') + `${SECRET}-2${SECRET}-3`;
    expect(whole.startsWith(got) && got !== '', `${got} of ${whole}`).to.equal(true);
  });

  it('with a kernel thread that submits (SQPOLL): its bytes are encrypted, or still the program’s', async () => {
    const server = await Peer.listen('b', 7052, ['accept', 'wait-ms:4000', 'cat']);
    const client = await Peer.run('a', ['ring:sqpoll', `connect:${B}:7052`, `u-send:${SECRET}`, 'close']);
    const { result, error } = step(client, 'u-send');
    if (result < 0) expect(error).to.be.oneOf(['EAGAIN', 'ECONNRESET']);
    expect(step(await server.finish(), 'cat').data).to.equal(result > 0 ? SECRET : '');
  });

  it('without copying (SEND_ZC): its bytes are encrypted, or still the program’s', async () => {
    const server = await Peer.listen('b', 7053, ['accept', 'wait-ms:4000', 'cat']);
    const client = await Peer.run('a', ['ring', `connect:${B}:7053`, `u-send-zc:${SECRET}`, 'close']);
    const { result, error } = step(client, 'u-send-zc');
    if (result < 0) expect(error).to.be.oneOf(['EOPNOTSUPP', 'EAGAIN', 'ECANCELED']);
    expect(step(await server.finish(), 'cat').data).to.equal(result > 0 ? SECRET : '');
  });

  it('on direct descriptors, whose sockets nobody can find: not a byte in the clear, either way', async () => {
    const evil = await Peer.listen('b', RAW, ['accept', `write:${EVIL}`, 'sleep:60000'], OUTSIDE);
    const client = await Peer.run('a', [
      'ring',
      'u-socket',
      `u-connect:${B}:${RAW}`,
      'wait-ms:6000',
      `u-send:${SECRET}`,
      'u-recv',
    ]);
    expect(step(client, 'u-socket').result).to.equal(0);
    for (const op of ['u-send', 'u-recv']) expect(step(client, op), op).to.include({ result: -1, data: '' });
    await evil.stop();
    const server = await Peer.listen('b', 7054, [
      'ring',
      'u-accept:direct',
      'wait-ms:6000',
      'u-recv',
      `u-send:${SECRET}`,
    ]);
    await Peer.run('a', ['bind:0.0.0.0:7952', `connect:${B}:7054`, `write:${EVIL}`, 'wait-ms:8000', 'cat'], OUTSIDE);
    const served = await server.finish();
    for (const op of ['u-send', 'u-recv']) expect(step(served, op), op).to.include({ result: -1, data: '' });
  });
});
