// SPDX-License-Identifier: Apache-2.0
/** Sockets that were made elsewhere come into captured programs, and captured ones go out: what is captured is what programs do. */
import { expect } from 'chai';
import { Peer, step } from '../harness/peer.js';
import { EVIL, SECRET, inTheSharedLab } from '../harness/wire.js';
import { B, OUTSIDE, RAW, cgroup } from './support.js';

const TRAP = `connect:${B}:${RAW}`;
/** Accepts one connection and speaks first. */
const evilServer = (): Promise<Peer> => Peer.listen('b', RAW, ['accept', `write:${EVIL}`, 'sleep:60000'], OUTSIDE);

describe('a socket from outside the captured cgroup', () => {
  inTheSharedLab();

  for (const mode of ['nb', 'block']) {
    it(`a listener: what a captured program accepts from it (${mode}) is secured`, async () => {
      const outsider = Peer.start('b', ['listen:0.0.0.0:7010', 'give-listener:L'], OUTSIDE);
      const insider = Peer.start('b', [
        ...['take-listener:L', 'accept', mode, 'read', `write:${SECRET}-answer`, 'close'],
        ...['accept', mode, `splice:${SECRET}-first`, 'cat'],
      ]);
      await insider.until('take-listener');
      await outsider.finish();
      const client = await Peer.run('a', [
        ...[`connect:${B}:7010`, mode, `write:${SECRET}`, 'cat', 'close'],
        ...[`connect:${B}:7010`, mode, 'read', 'close'],
      ]);
      expect(step(client, 'cat')).to.include({ error: '0', data: `${SECRET}-answer` });
      expect(step(client, 'read')).to.include({ error: '0', data: `${SECRET}-first` });
      expect(step(await insider.finish(), 'read').data).to.equal(SECRET);
    });
  }

  it('a listener: of a peer without an agent, a captured program reads nothing from it', async () => {
    const outsider = Peer.start('b', ['listen:0.0.0.0:7011', 'give-listener:L'], OUTSIDE);
    const insider = Peer.start('b', ['take-listener:L', 'accept', 'read', `once:write:${SECRET}`]);
    await insider.until('take-listener');
    await outsider.finish();
    await Peer.run('a', ['bind:0.0.0.0:7950', `connect:${B}:7011`, `write:${EVIL}`, 'wait-ms:8000', 'cat'], OUTSIDE);
    const steps = await insider.finish();
    expect(step(steps, 'read')).to.include({ result: -1, data: '' });
    expect(step(steps, 'write').result).to.equal(-1);
  });

  it('a connection, accepted there: it is refused to a captured program', async () => {
    const outsider = Peer.start('b', ['listen:0.0.0.0:7012', 'accept', 'give-fd:F'], OUTSIDE);
    const insider = Peer.start('b', [
      ...['take-fd:F', 'once:peek', 'once:splice-in', 'read', `once:write:${SECRET}`, `once:splice:${SECRET}`],
      ...['ulp:tls', 'tls-key:tx', 'option:6,19,1', `once:send:${SECRET}`],
    ]);
    await outsider.until('listen');
    await Peer.run('a', ['bind:0.0.0.0:7951', `connect:${B}:7012`, `write:${EVIL}`, 'sleep:500', 'close'], OUTSIDE);
    await outsider.finish();
    const steps = await insider.finish();
    for (const one of steps.slice(1)) expect(one, one.op).to.include({ result: -1, data: '' });
  });

  it('a connection, made there: it is refused to a captured program', async () => {
    const evil = await evilServer();
    const outsider = Peer.start('a', [TRAP, 'give-fd:F'], OUTSIDE);
    const insider = await Peer.run('a', ['take-fd:F', 'read', `once:write:${SECRET}`, `once:sendfile:${SECRET}`]);
    for (const one of insider.slice(1)) expect(one, one.op).to.include({ result: -1, error: 'ECONNRESET', data: '' });
    await outsider.finish();
    await evil.stop();
  });

  it('a connection there, whose program comes into the cgroup: it is refused from then on', async () => {
    const evil = await evilServer();
    const steps = await Peer.run('a', [TRAP, `enter-cgroup:${cgroup('a')}`, 'read', `once:write:${SECRET}`], OUTSIDE);
    for (const op of ['read', 'write']) expect(step(steps, op), op).to.include({ result: -1, error: 'ECONNRESET' });
    await evil.stop();
  });

  it('not connected yet: a captured program connects it, and is refused', async () => {
    const evil = await evilServer();
    const outsider = Peer.start('a', ['socket:tcp', 'give-fd:F'], OUTSIDE);
    const steps = await Peer.run('a', ['take-fd:F', TRAP, 'once:peek', `once:write:${SECRET}`, 'read']);
    for (const op of ['peek', 'write', 'read']) expect(step(steps, op), op).to.include({ result: -1, data: '' });
    await outsider.finish();
    await evil.stop();
  });

  for (const [what, outsider, insider] of [
    ['connected', ['listen:127.0.0.1:7013', 'connect:127.0.0.1:7013', 'give-fd:F', 'sleep:60000'], ['take-fd:F']],
    [
      'accepted from a listener',
      ['listen:127.0.0.1:7014', 'give-listener:F', 'connect:127.0.0.1:7014', 'sleep:60000'],
      ['take-listener:F', 'accept'],
    ],
  ] as const) {
    it(`${what} on loopback: its plaintext goes on, and it does not connect to the mesh`, async () => {
      const evil = await evilServer();
      const other = Peer.start('a', outsider, OUTSIDE);
      const steps = await Peer.run('a', [
        ...insider,
        'write:hello',
        'disconnect',
        TRAP,
        `once:write:${SECRET}`,
        'once:read',
      ]);
      expect(step(steps, 'write').result).to.equal(5);
      expect(step(steps, 'disconnect').result).to.equal(0);
      expect(step(steps, 'connect'), JSON.stringify(steps)).to.include({ result: -1, error: 'ECONNREFUSED' });
      expect(step(steps, 'write', 2).result).to.equal(-1);
      expect(step(steps, 'read')).to.include({ result: -1, data: '' });
      await other.stop();
      await evil.stop();
    });
  }

  it('of MPTCP: a captured program connects it, and not a byte passes', async () => {
    const evil = await evilServer();
    const outsider = Peer.start('a', ['socket:mptcp', 'give-fd:F'], OUTSIDE);
    const steps = await Peer.run('a', [
      ...['take-fd:F', TRAP, 'sleep:200', `once:send:${SECRET}`, `once:splice:${SECRET}`, 'once:recv-dontwait'],
    ]);
    expect(step(await outsider.finish(), 'socket').result).to.equal(0);
    for (const op of ['send', 'splice', 'recv-dontwait']) {
      expect(step(steps, op), op).to.include({ result: -1, data: '' });
    }
    await evil.stop();
  });
});

describe('a captured socket that goes elsewhere', () => {
  inTheSharedLab();

  it('by pidfd_getfd, to a program that is not captured: it is held and secured there too', async () => {
    const server = await Peer.listen('b', 7015, ['sleep:1500', 'accept', 'cat']);
    const owner = Peer.start('a', [`connect:${B}:7015`, 'fd', 'sleep:8000']);
    const { result: fd } = await owner.until('fd');
    const thief = await Peer.run(
      'a',
      [`steal-fd:${owner.program.pid},${fd}`, 'nb', `once:send:${SECRET}`, 'block', `write:${SECRET}`],
      OUTSIDE,
    );
    expect(step(thief, 'send').error).to.equal('EAGAIN');
    expect(step(thief, 'write').result).to.equal(SECRET.length);
    await owner.stop();
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
  });

  it('with its program, which leaves the cgroup: it is held and secured all the same', async () => {
    const server = await Peer.listen('b', 7016, ['sleep:500', 'accept', 'cat', `write:${SECRET}-answer`]);
    const steps = await Peer.run('a', [
      ...[`connect:${B}:7016`, `enter-cgroup:${cgroup('outside')}`, `write:${SECRET}`, 'shutdown:wr', 'cat'],
    ]);
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
    expect(step(steps, 'cat').data).to.equal(`${SECRET}-answer`);
  });

  it('made here, and connected by a program that has left the cgroup: it is held and secured', async () => {
    const server = await Peer.listen('b', 7017, ['accept', 'cat']);
    const steps = await Peer.run('a', [
      ...['socket:tcp', `enter-cgroup:${cgroup('outside')}`, `connect:${B}:7017`, `write:${SECRET}`],
    ]);
    expect(step(steps, 'write').result).to.equal(SECRET.length);
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
  });
});
