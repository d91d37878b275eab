// SPDX-License-Identifier: Apache-2.0
/** SIGINT: what is held is finished or ended, what is secured runs on, and nothing of the agent is left. */
import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { startAgent } from '../harness/agent.js';
import { B, PATIENCE, STREAMS, TALKER, UNHURRIED, alive, finishStreams, heldCallers, pins } from './support.js';

describe('an agent that is asked to end', () => {
  const marker = `secret-${randomUUID()}`;
  let agent: Program;

  before(() => lab.up({ set: UNHURRIED, without: 'a' }));

  after(() => lab.down());

  const negotiating = (program: Program): Promise<true> =>
    waitFor(
      async () => (await lab.flows('a')).some(({ pid, state }) => pid === program.pid && state === 'negotiating'),
      PATIENCE,
      'its handshake',
    );

  it('finishes what is held if it can be finished in time', async () => {
    agent = await startAgent('a', { TLSHUB_DRAIN_TIMEOUT_MS: '60000' });
    const guardian = (await lab.status('a')).lease.guardianPid;
    const server = lab.spawn('b', [TALKER, 'late', '7300']);
    await server.listening(7300);
    const sniffer = await lab.sniff();
    const client = lab.spawn('a', [TALKER, 'blocking', B, '7300', marker]);
    await negotiating(client);
    agent.kill('SIGINT');
    await waitFor(async () => (await lab.status('a')).draining, PATIENCE, 'the drain');
    server.kill('SIGUSR1');
    expect((await client.ended).stdout).to.equal(`connected\nsent ${marker.length}\nread ${marker}\nend\n`);
    const { code, signal } = await agent.ended;
    expect({ code, signal }).to.deep.equal({ code: 0, signal: null });
    const capture = await sniffer.stop();
    expect(capture.contains(marker)).to.equal(false);
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    expect(capture.payloadFrames).to.be.greaterThan(3);
    expect(guardian !== null && alive(guardian), 'the guardian lives').to.equal(false);
    expect(pins('a')).to.deep.equal([]);
    await server.stop();
  });

  it('ends what is still held at the deadline, and nobody is left stopped or asleep', async () => {
    agent = await startAgent('a', { TLSHUB_DRAIN_TIMEOUT_MS: '1000' });
    const listener = lab.spawn('b', [TALKER, 'accept', '7301'], { outside: true });
    await listener.listening(7301);
    const server = lab.spawn('b', [STREAMS, 'serve', '7302']);
    await server.listening(7302);
    const sniffer = await lab.sniff();
    const streams = lab.spawn('a', [STREAMS, 'run', B, '7302', '20']);
    await waitFor(() => streams.stdout.includes('moving'), 60_000, 'all connections to move data');
    const blocking = lab.spawn('a', [TALKER, 'blocking', B, '7301', marker]);
    const waiting = lab.spawn('a', [TALKER, 'epoll', B, '7301', marker]);
    await negotiating(blocking);
    await negotiating(waiting);
    await waitFor(() => heldCallers('a') === 1, PATIENCE, 'one held caller');

    agent.kill('SIGINT');
    expect((await blocking.ended).stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED)\n$/);
    expect((await waiting.ended).stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED)\n$/);
    const { code, stderr } = await agent.ended;
    expect(code).to.equal(0);
    expect(stderr).to.include('"code":"TLSHUB_DRAINING"');
    expect(pins('a')).to.deep.equal([]);

    // Without an agent on this side, the secured connections go on between kernels.
    const status = await lab.status('b');
    expect(status.flows.secured).to.equal(20);
    await finishStreams(streams, sniffer, marker);
    await server.stop();
    await listener.stop();
  });

  it('captures nothing afterwards', async () => {
    const server = lab.spawn('b', [TALKER, 'echo', '7303'], { outside: true });
    await server.listening(7303);
    const sniffer = await lab.sniff();
    const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7303', marker]);
    expect(stdout).to.equal(`connected\nsent ${marker.length}\nread ${marker}\nend\n`);
    expect((await sniffer.stop()).contains(marker)).to.equal(true);
    await server.stop();
  });

  it('ends at once when asked twice, with the gate left shut', async () => {
    agent = await startAgent('a', { TLSHUB_DRAIN_TIMEOUT_MS: '100000' });
    const listener = lab.spawn('b', [TALKER, 'accept', '7304'], { outside: true });
    await listener.listening(7304);
    const client = lab.spawn('a', [TALKER, 'blocking', B, '7304', marker]);
    await negotiating(client);
    agent.kill('SIGTERM');
    await waitFor(async () => (await lab.status('a')).draining, PATIENCE, 'the drain');
    agent.kill('SIGTERM');
    const { code, stderr } = await agent.ended;
    expect(code).to.equal(1);
    expect(stderr).to.include('a second SIGTERM; the gate stays shut');
    expect((await client.ended).stdout).to.equal('connected\nsend ECONNRESET\n');
    expect(pins('a')).to.include('links/socket_sendmsg');
    const again = await lab.exec('a', [TALKER, 'blocking', B, '7304', marker]);
    expect(again.stdout).to.equal('connected\nsend ECONNRESET\n');
    await listener.stop();
  });
});
