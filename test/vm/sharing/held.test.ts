// SPDX-License-Identifier: Apache-2.0
/** Held sockets that several processes have, that are closed, or whose number is another file's a moment later. */
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { PEER, Peer, step } from '../harness/peer.js';
import { SECRET, inTheSharedLab } from '../harness/wire.js';
import { B, OUTSIDE, RAW, flowThat } from './support.js';

const TRAP = `connect:${B}:${RAW}`;

describe('a held socket', () => {
  inTheSharedLab();

  it('shared by fork: both processes wait for it, and both go on', async () => {
    const server = await Peer.listen('b', 7020, ['sleep:700', 'accept', 'cat']);
    const steps = await Peer.run('a', [
      ...[`connect:${B}:7020`, 'child', `write:${SECRET}`, 'end-child', `write:${SECRET}`, 'wait', 'close'],
    ]);
    expect(steps.filter(({ op, result }) => op === 'write' && result === SECRET.length).length).to.equal(2);
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET + SECRET);
  });

  it('of a server that forks, as inetd does: the child serves it', async () => {
    const server = await Peer.listen('b', 7021, ['serve-forks:4']);
    expect(step(await Peer.run('a', [`ask:4,${B}:7021,${SECRET}`]), 'ask').result).to.equal(4);
    await server.finish();
  });

  it('whose parent dies with the only other descriptor: the child goes on', async () => {
    const server = await Peer.listen('b', 7022, ['sleep:700', 'accept', 'cat']);
    const steps = await Peer.run('a', [
      'child',
      `connect:${B}:7022`,
      'child',
      `write:${SECRET}`,
      'end-child',
      'end-child',
      'wait',
      'sleep:2500',
    ]);
    expect(step(steps, 'write').result).to.equal(SECRET.length);
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
  });

  for (const side of ['client', 'server'] as const) {
    it(`passed on by SCM_RIGHTS on the ${side}'s side: who has it is found`, async () => {
      const port = side === 'client' ? 7023 : 7024;
      const hand = ['give-fd:H', 'close'];
      const work = ['take-fd:H', `write:${SECRET}-1`, 'read', 'close'];
      const answer = ['read', `write:${SECRET}-2`, 'cat'];
      const taker = Peer.start(side === 'client' ? 'a' : 'b', work);
      const server = await Peer.listen('b', port, ['sleep:300', 'accept', ...(side === 'client' ? answer : hand)]);
      const client = Peer.start('a', [`connect:${B}:${port}`, ...(side === 'client' ? hand : answer)]);
      expect(step(await taker.finish(), 'read').data).to.equal(`${SECRET}-2`);
      const [answerer, giver] = side === 'client' ? [server, client] : [client, server];
      expect(step(await answerer.finish(), 'read').data).to.equal(`${SECRET}-1`);
      await giver.finish();
    });
  }

  for (const how of ['dup2', 'close']) {
    it(`whose number is another file's at once (${how}): that file is left alone and the peer hears of the end`, async () => {
      const trap = await Peer.listen('b', RAW, ['accept', 'cat'], OUTSIDE);
      const client = Peer.start('a', [
        ...[TRAP, 'nb', `once:send:${SECRET}`, `close-and-reuse:${how}`, 'say:reused', 'sleep:1000', 'reused'],
      ]);
      await client.until('say');
      // It ends when the FIN comes, and not by the deadline's reset.
      const heard = await trap.finish();
      const steps = await client.finish();
      expect(step(heard, 'cat'), JSON.stringify([heard, steps])).to.include({ error: '0' });
      expect(step(steps, 'send').error).to.equal('EAGAIN');
      expect(step(steps, 'close-and-reuse').result).to.equal(0);
      expect(step(steps, 'reused')).to.include({ result: 4, tries: 0, data: 'mine' });
      const flow = await flowThat('a', 'closed', ({ pid, state }) => pid === client.program.pid && state === 'closed');
      expect(flow.reason).to.match(/the program closed it|the connection ended/);
    });
  }

  it('that exec() closes ends; one that it keeps is secured in the new program', async () => {
    const trap = await Peer.listen('b', RAW, ['accept', 'cat'], OUTSIDE);
    const gone = Peer.start('a', [TRAP, 'nb', `once:send:${SECRET}`, 'exec:cloexec', 'say:here', 'sleep:500']);
    expect(step(await trap.finish(), 'cat')).to.include({ error: '0' });
    expect(step(await gone.finish(), 'say').data).to.equal('here');
    const server = await Peer.listen('b', 7025, ['sleep:700', 'accept', 'cat']);
    const kept = await Peer.run('a', [
      `connect:${B}:7025`,
      'nb',
      `once:send:x`,
      'exec:keep',
      'block',
      `write:${SECRET}`,
    ]);
    expect(step(kept, 'send').error).to.equal('EAGAIN');
    expect(step(kept, 'write').result).to.equal(SECRET.length);
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
  });

  it('of a program that is PID 1 of its container is held and secured like any other', async () => {
    const unshare = ['unshare', '--pid', '--fork', '--kill-child'];
    const server = await Peer.listen('b', 7026, ['sleep:300', 'accept', 'cat']);
    const { stdout } = await lab.exec('a', [...unshare, PEER, `connect:${B}:7026`, `write:${SECRET}`]);
    expect(stdout).to.match(/^write \d+ 0/m);
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
  });

  it('of a program whose main thread has ended: its bytes are encrypted or stay where they are', async () => {
    const server = await Peer.listen('b', 7027, ['accept', 'wait-ms:8000', 'cat']);
    const steps = await Peer.run('a', [
      'thread',
      'sleep:200',
      `connect:${B}:7027`,
      `write:${SECRET}`,
      'end-thread',
      'exit-main',
    ]);
    const { result, error } = step(steps, 'write');
    if (result < 0) expect(error).to.equal('ECONNRESET');
    const { data } = step(await server.finish(), 'cat');
    expect(data).to.equal(result < 0 ? '' : SECRET);
  });

  it('whose call a signal interrupts: the call says so, and nothing is lost', async () => {
    const server = await Peer.listen('b', 7028, ['sleep:1200', 'accept', 'cat']);
    const steps = await Peer.run('a', [
      `connect:${B}:7028`,
      'alarm:300',
      `write:${SECRET}-1`,
      `write:${SECRET}-2`,
      'close',
    ]);
    const sent = steps.filter(({ op, result }) => op === 'write' && result > 0);
    const failed = steps.filter(({ op, result }) => op === 'write' && result < 0);
    for (const { error } of failed) expect(error).to.equal('EINTR');
    expect(sent.length).to.be.greaterThan(0);
    const { data } = step(await server.finish(), 'cat');
    expect(data.split(SECRET).length - 1, JSON.stringify(steps)).to.equal(sent.length);
  });
});
