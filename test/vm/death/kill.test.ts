// SPDX-License-Identifier: Apache-2.0
/** SIGKILL of the agent, of its guardian, and of both: what was secured runs on, what was held never becomes plaintext, nobody stays stopped. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import { lab, waitFor, type MeshNode, type Program } from '../harness/index.js';
import { detailedFlows } from '../harness/mutual-tls.js';
import {
  B,
  LEASES,
  LEASE_MS,
  PATIENCE,
  STREAMS,
  TALKER,
  UNHURRIED,
  alive,
  expectOthersGoOn,
  finishStreams,
  guardianOf,
  killWithGuardian,
  heldCallers,
  pins,
  settled,
} from './support.js';

const GRACE_MS = 3000;

describe('an agent that is killed', () => {
  const marker = `secret-${randomUUID()}`;

  before(() => lab.up({ policy: 'permissive', set: { ...UNHURRIED, ...LEASES, guardian_grace_ms: GRACE_MS } }));

  after(() => lab.down());

  const isHeld = (program: Program): Promise<true> => waitFor(() => program.held, PATIENCE, 'the program to be held');

  /** What is known of each secured flow that stays the same as long as it runs. */
  const securedFlows = async (node: MeshNode): Promise<Partial<DetailedFlowReport>[]> => {
    const all = (await detailedFlows(node)).filter(({ state }) => state === 'secured');
    return all
      .map((flow) => ({ ...flow, ageMs: 0, bytesSent: null, bytesReceived: null }))
      .sort((one, other) => Number(one.cookie) - Number(other.cookie));
  };

  /** A captured client whose handshake nobody answers. */
  const heldClient = async (kind: 'blocking' | 'epoll', port: number): Promise<Program> => {
    const client = lab.spawn('a', [TALKER, kind, B, `${port}`, marker]);
    await waitFor(
      async () => (await lab.flows('a')).some(({ pid, state }) => pid === client.pid && state === 'negotiating'),
      PATIENCE,
      'its handshake',
    );
    if (kind === 'blocking') await isHeld(client);
    return client;
  };

  it('leaves 100 secured connections running, and its successor takes them over', async () => {
    const before = { a: pins('a'), b: pins('b') };
    const sniffer = await lab.sniff();
    const server = lab.spawn('b', [STREAMS, 'serve', '7200']);
    await server.listening(7200);
    const client = lab.spawn('a', [STREAMS, 'run', B, '7200', '100']);
    await waitFor(() => client.stdout.includes('moving'), 100_000, 'all connections to move data');
    const secured = (await lab.flows('a')).filter(({ dport, state }) => dport === 7200 && state === 'secured');
    expect(secured.length).to.equal(100);
    expect(new Set(secured.map(({ kernelUlp }) => kernelUlp))).to.deep.equal(new Set(['tls']));
    const known = { a: await securedFlows('a'), b: await securedFlows('b') };
    expect(known.a.length).to.equal(100);
    expect(known.a[0]).to.include({ peerNode: 'b', provider: 'openssl', tlsVersion: 'TLSv1.3' });

    await Promise.all([lab.kill('a'), lab.kill('b')]);
    expect(client.running && server.running).to.equal(true);
    await Promise.all([lab.restart('a'), lab.restart('b')]);
    for (const node of ['a', 'b'] as const) {
      const { adopted, flows } = await lab.status(node);
      expect(adopted, node).to.equal(true);
      expect(flows.secured, node).to.equal(100);
      expect(flows.refused + flows.held, node).to.equal(0);
      expect(pins(node), node).to.deep.equal(before[node]);
      // Their sockets remember how they were secured: a new agent knows it as the old one did.
      expect(await securedFlows(node), node).to.deep.equal(known[node]);
    }

    client.kill('SIGUSR1');
    const { stdout } = await client.ended;
    expect(stdout).to.match(/\n100 right, 0 wrong, \d+ bytes\n$/);
    await server.stop();
    const capture = await sniffer.stop();
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    expect(capture.payloadFrames).to.be.greaterThan(1000);
    await waitFor(async () => (await lab.status('a')).flows.secured === 0, PATIENCE, 'the flows to be closed');
  });

  describe('while connections are held', () => {
    let blocking: Program, waiting: Program, foreign: Program, listener: Program;

    before(async () => {
      listener = lab.spawn('b', [TALKER, 'accept', '7201'], { outside: true });
      await listener.listening(7201);
      blocking = await heldClient('blocking', 7201);
      waiting = await heldClient('epoll', 7201);
      // A program in another network namespace than its agent, as pods are.
      foreign = lab.spawn('a', ['nsenter', '--net=/run/netns/tlshub-c', TALKER, 'epoll', B, '7201', marker]);
      await waitFor(() => foreign.stdout.includes('connected'), PATIENCE, 'its connection');
      await waitFor(() => heldCallers('a') === 1, PATIENCE, 'one held caller');
    });

    it('lets the held program run again, into an end', async () => {
      const sniffer = await lab.sniff();
      await lab.kill('a');
      const { stdout } = await blocking.ended;
      expect(stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED)\n$/);
      const capture = await sniffer.stop();
      expect(capture.contains(marker)).to.equal(false);
      expect(capture.plaintextFrames, capture.describe()).to.equal(0);
      expect(heldCallers('a')).to.equal(0);
    });

    it('refuses new blocking callers instead of holding them', async () => {
      const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7201', marker]);
      expect(stdout).to.equal('connected\nsend ECONNRESET\n');
    });

    it('wakes the waiting program after the grace period', async () => {
      const { stdout } = await waiting.ended;
      expect(stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED)\n$/);
    });

    it('wakes a waiting program in another network namespace as well', async () => {
      const { stdout } = await foreign.ended;
      expect(stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED)\n$/);
      const log = await lab.logs('a');
      expect(log).to.match(/tlshub-guardian: agent \d+ died: continued [01] stopped processes/);
      expect(log).to.match(
        /tlshub-guardian: no new agent within 3000 ms: ended \d+ held connections; the gate stays shut/,
      );
    });

    it('keeps the gate shut for the mesh, whoever asks', async () => {
      const sniffer = await lab.sniff();
      const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7201', marker]);
      expect(stdout).to.equal('connected\nsend ECONNRESET\n');
      const client = lab.spawn('a', [TALKER, 'epoll', B, '7201', marker]);
      await waitFor(() => client.stdout.includes('connected'), PATIENCE, 'its connection');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(client.state).to.equal('S');
      await client.stop();
      const capture = await sniffer.stop();
      expect(capture.contains(marker)).to.equal(false);
      expect(capture.port(7201).length).to.be.greaterThan(0);
      expect(capture.payloadFrames).to.equal(0);
    });

    it('lets everybody else go on: peers outside the mesh, and loopback', async () => {
      await expectOthersGoOn(7202);
    });

    it('has what connected meanwhile secured by its successor', async () => {
      await listener.stop();
      const server = lab.spawn('b', [TALKER, 'echo', '7203']);
      await server.listening(7203);
      const sniffer = await lab.sniff();
      const client = lab.spawn('a', [TALKER, 'epoll', B, '7203', marker]);
      await waitFor(() => client.stdout.includes('connected'), PATIENCE, 'its connection');
      await lab.restart('a');
      const { stdout } = await client.ended;
      expect(stdout).to.equal(`connected\nsent ${marker.length}\nread ${marker}\nend\n`);
      const capture = await sniffer.stop();
      expect(capture.contains(marker)).to.equal(false);
      expect(capture.plaintextFrames, capture.describe()).to.equal(0);
      expect(capture.payloadFrames).to.be.greaterThan(3);
      await server.stop();
    });
  });

  describe('and its guardian', () => {
    before(async () => {
      await settled('a');
      await settled('b');
    });

    it('has another guardian when that one is killed alone', async () => {
      const first = await guardianOf('a');
      process.kill(first, 'SIGKILL');
      const second = await waitFor(
        async () => {
          const { guardianPid } = (await lab.status('a')).lease;
          return guardianPid !== first && guardianPid;
        },
        PATIENCE,
        'another guardian',
      );
      expect(alive(second)).to.equal(true);
      expect(await lab.logs('a')).to.match(/the guardian ended \(SIGKILL\)/);
    });

    it('refuses blocking callers while there is none, and holds them again when there is', async () => {
      const listener = lab.spawn('b', [TALKER, 'accept', '7204'], { outside: true });
      await listener.listening(7204);
      const guardian = await guardianOf('a');
      // Stopped, it renews its lease as little as a dead one, and no other takes its place.
      process.kill(guardian, 'SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS + 500));
      const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7204', marker]);
      expect(stdout).to.equal('connected\nsend ECONNRESET\n');
      const refused = (await lab.flows('a')).find(({ dport, state }) => dport === 7204 && state === 'refused');
      expect(refused?.reason).to.match(/^no agent was there to continue/);
      process.kill(guardian, 'SIGCONT');
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
      const client = await heldClient('blocking', 7204);
      await client.stop();
      await listener.stop();
      await settled('a');
    });

    it('leaves the gate shut when both are killed at once; the next agent lets go on who was held', async () => {
      const listener = lab.spawn('b', [TALKER, 'accept', '7205'], { outside: true });
      await listener.listening(7205);
      const sniffer = await lab.sniff();
      const held = await heldClient('blocking', 7205);
      const orphan = await heldClient('blocking', 7205);
      const sport = (await lab.flows('a')).find(({ pid }) => pid === orphan.pid)?.sport;
      await killWithGuardian('a');
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS + 500));
      expect([held.held, orphan.held]).to.deep.equal([true, true]);
      // The connection of one of them ends meanwhile: for the next agent that is no flow to work on, and yet somebody is held for it.
      execFileSync('nsenter', ['--net=/run/netns/tlshub-a', 'ss', '-K', 'sport', '=', `:${sport}`]);
      await lab.restart('a');
      expect((await held.ended).stdout).to.equal('connected\nsend ECONNRESET\n');
      expect((await orphan.ended).stdout).to.match(/^connected\nsend E/);
      await settled('a');
      const capture = await sniffer.stop();
      expect(capture.contains(marker)).to.equal(false);
      expect(capture.plaintextFrames, capture.describe()).to.equal(0);
      await listener.stop();
    });
  });

  describe('while connections are held beside secured ones', () => {
    const HELD = 5;
    const SECURED = 20;

    it('has each of the held ones woken, and the secured ones run on', async () => {
      await settled('a');
      const server = lab.spawn('b', [STREAMS, 'serve', '7206']);
      await server.listening(7206);
      const streams = lab.spawn('a', [STREAMS, 'run', B, '7206', `${SECURED}`]);
      await waitFor(() => streams.stdout.includes('moving'), PATIENCE, 'all connections to move data');
      const listener = lab.spawn('b', [TALKER, 'accept', '7207'], { outside: true });
      await listener.listening(7207);
      const held: Program[] = [];
      for (let i = 0; i < HELD; i++) held.push(await heldClient('epoll', 7207));
      const logged = (await lab.logs('a')).length;
      const sniffer = await lab.sniff();

      await lab.kill('a');
      for (const { ended } of held)
        expect((await ended).stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED)\n$/);
      const said = await waitFor(
        async () => /: ended (\d+) held connections/.exec((await lab.logs('a')).slice(logged))?.[1],
        PATIENCE,
        'what the guardian says',
      );
      expect(Number(said)).to.equal(HELD);

      await finishStreams(streams, sniffer, marker);
      await Promise.all([server.stop(), listener.stop()]);
      await lab.restart('a');
    });
  });
});
