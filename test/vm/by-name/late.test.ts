// SPDX-License-Identifier: Apache-2.0
/** Servers that accept long after a handshake's deadline, and clients that say nothing: with keys by name neither is anybody's affair. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import type { Sniffer } from '../harness/sniffer.js';
import { waitFor } from '../harness/wait.js';
import { SECRET, expectEncrypted } from '../harness/wire.js';
import { TALKER, servers } from '../policy/support.js';
import { channelLab, conversation, exchangeOf, talk } from '../harness/channel.js';

const B = '10.77.0.2';
/** A handshake's deadline, and a server that is later than that, in ms. */
const DEADLINE = 3000;
const LATE = 12_000;
const BACKLOG = resolve('test/programs/backlog.py');

describe('with keys by name', () => {
  let sniffer: Sniffer | undefined;

  before(async function () {
    this.timeout(120_000);
    await channelLab({ set: { handshake_timeout_ms: DEADLINE, hold_timeout_ms: 5000 } });
    sniffer = await lab.sniff();
  });
  after('nothing but TLS was on the wire', async () => {
    const capture = await sniffer?.stop();
    await lab.down();
    if (capture !== undefined) expectEncrypted(capture);
  });

  it('a server may accept long after the deadline of a handshake: what its client wrote is there', async () => {
    const port = 7301;
    const server = await Peer.listen('b', port, [`sleep:${LATE}`, 'accept', 'read', `write:${SECRET}`, 'close']);
    const steps = await Peer.run('a', ['socket:tcp', `connect:${B}:${port}`, `write:${SECRET}`, 'read', 'close']);
    expect(step(steps, 'write')).to.include({ result: SECRET.length });
    expect(step(steps, 'read').data).to.equal(SECRET);
    expect(step(await server.finish(), 'read').data).to.equal(SECRET);
    expect(await exchangeOf(conversation(port))).to.equal('channel');
  });

  it('so it may where its client waits for it to speak', async () => {
    const port = 7302;
    const server = await Peer.listen('b', port, [`sleep:${LATE}`, 'accept', `write:${SECRET}`, 'close']);
    const steps = await Peer.run('a', ['socket:tcp', `connect:${B}:${port}`, 'read', 'close']);
    expect(step(steps, 'read').data).to.equal(SECRET);
    await server.finish();
    expect(await exchangeOf(conversation(port))).to.equal('channel');
  });

  for (const [how, last] of [
    ['half-closed', ['shutdown:wr', 'cat', 'close']],
    ['closed', ['close']],
  ] as const) {
    for (const late of [20, LATE]) {
      it(`a client that has ${how} before the server accepts, after ${late} ms: all it said is there, and its end`, async () => {
        const port = last.length > 1 ? 7306 : 7307;
        const server = await Peer.listen('b', port, [`sleep:${late}`, 'accept', 'cat', 'close']);
        const steps = await Peer.run('a', ['socket:tcp', `connect:${B}:${port}`, `write:${SECRET}`, ...last]);
        expect(step(steps, 'write')).to.include({ result: SECRET.length });
        expect(step(await server.finish(), 'cat'), server.describe()).to.include({
          result: SECRET.length,
          data: SECRET,
        });
        expect(await exchangeOf(conversation(port))).to.equal('channel');
      });
    }
  }

  it('a backlog of 100 connections, accepted one by one over 20 s: all work', async function () {
    this.timeout(180_000);
    const server = lab.spawn('b', ['python3', BACKLOG, 'server', '7303', '100', '0.2']);
    await server.listening(7303);
    const { stdout } = await lab.exec('a', ['python3', BACKLOG, 'client', B, '7303', '100'], { timeoutMs: 120_000 });
    expect(stdout).to.equal('100 of 100 were answered\n');
  });

  it('clients that connect and say nothing keep a blocking server with a thread for each from nobody', async () => {
    const port = 7304;
    const server = await Peer.listen('b', port, ['serve-threads:32']);
    const silent = Peer.start('a', [`silent:20,${B}:${port}`, 'sleep:60000']);
    expect(await silent.until('silent')).to.include({ result: 20 });
    const steps = await Peer.run('a', [`ask:5,${B}:${port},${SECRET}`]);
    expect(step(steps, 'ask'), JSON.stringify(steps)).to.include({ result: 5 });
    await silent.stop();
    await server.stop();
  });

  it('and the same server, with one connection after the other, takes up the next as soon as the silent one goes', async () => {
    const port = 7305;
    await servers('b', [port]);
    const mute = lab.spawn('a', [TALKER, 'mute', B, String(port)]);
    await waitFor(() => mute.stdout.includes('connected'), 10_000, 'the silent client');
    const next = talk(conversation(port));
    await new Promise((wake) => setTimeout(wake, 2 * DEADLINE));
    await mute.stop();
    expect(await next).to.equal('channel');
  });
});
