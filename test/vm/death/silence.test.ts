// SPDX-License-Identifier: Apache-2.0
/** Programs that die while they are held, and peers that never answer: nothing is left over, nobody waits for ever. */
import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { A, B, PATIENCE, TALKER, descriptors, logLines, settled } from './support.js';

const TIMEOUT_MS = 3000;

describe('a held connection whose peer or program is gone', () => {
  const marker = `secret-${randomUUID()}`;
  let baseline: { a: number; b: number };
  const pid = async (node: 'a' | 'b'): Promise<number> => (await lab.status(node)).pid;

  before(async () => {
    await lab.up({ set: { handshake_timeout_ms: TIMEOUT_MS, hold_timeout_ms: TIMEOUT_MS + 1000 } });
    // Opened at first use: what is counted is what grows.
    const server = lab.spawn('b', [TALKER, 'echo', '7000']);
    await server.listening(7000);
    await lab.exec('a', [TALKER, 'blocking', B, '7000', 'warm']);
    await server.stop();
    await settled('a');
    await settled('b');
    baseline = { a: descriptors(await pid('a')).length, b: descriptors(await pid('b')).length };
  });

  after(() => lab.down());

  afterEach(async () => {
    await settled('a');
    await settled('b');
    // The question itself is a connection to the control socket, so one more or less is no leak; one a test is.
    for (const node of ['a', 'b'] as const) {
      const now = descriptors(await pid(node)).length;
      expect(now, `descriptors of the supervisor of ${node}`).to.be.lessThanOrEqual(baseline[node] + 1);
    }
  });

  describe('since its peer never answers', () => {
    const SERVERS = { accept: 7100, listen: 7101 };
    const said: Record<string, string> = {};

    // All at once: each of them waits for its deadline, and not for the others'.
    before(async () => {
      const listeners = Object.entries(SERVERS).map(([server, port]) =>
        lab.spawn('b', [TALKER, server, `${port}`], { outside: true }),
      );
      await Promise.all(Object.values(SERVERS).map((port, i) => listeners[i]!.listening(port)));
      const sniffer = await lab.sniff();
      await Promise.all(
        Object.entries(SERVERS).flatMap(([server, port]) =>
          ['blocking', 'epoll'].map(async (client) => {
            said[`${client} ${server}`] = (await lab.exec('a', [TALKER, client, B, `${port}`, marker])).stdout;
          }),
        ),
      );
      const capture = await sniffer.stop();
      await Promise.all(listeners.map((listener) => listener.stop()));
      expect(capture.contains(marker), 'the marker is on the wire').to.equal(false);
      expect(capture.plaintextFrames, capture.describe()).to.equal(0);
      for (const port of Object.values(SERVERS)) expect(capture.port(port).length).to.be.greaterThan(0);
    });

    for (const [server, never] of [
      ['accept', 'accepts and never answers'],
      ['listen', 'never accepts'],
    ] as const) {
      it(`ends a blocking client whose peer ${never} with a reset at the deadline`, () => {
        expect(said[`blocking ${server}`]).to.equal('connected\nsend ECONNRESET\n');
      });

      it(`wakes an epoll client whose peer ${never} and resets it at the deadline`, () => {
        expect(said[`epoll ${server}`]).to.match(/^connected\nsend E(CONNRESET|CONNABORTED|PIPE)\n$/);
      });
    }

    it('says in the log who did not answer', async () => {
      const lines = (await logLines('a')).filter(({ message }) => message.includes('talker'));
      expect(lines.length).to.be.greaterThanOrEqual(4);
      for (const { level, message } of lines) {
        expect(level).to.equal('warning');
        expect(message).to.match(
          /^refused talker\[\d+\] to node b: the peer sent nothing within \d+ ms \(the peer's SYN-ACK had no marker: /,
        );
      }
    });
  });

  for (const [client, held] of [
    ['blocking', true],
    ['epoll', false],
  ] as const) {
    it(`lets go of a ${client} client that is killed while it is held`, async () => {
      const listener = lab.spawn('b', [TALKER, 'accept', '7102'], { outside: true });
      await listener.listening(7102);
      const program = lab.spawn('a', [TALKER, client, B, '7102', marker]);
      await waitFor(
        () => program.held === held && program.stdout !== '',
        PATIENCE,
        held ? 'it to be held' : 'it to wait',
      );
      await waitFor(
        async () =>
          (await lab.flows('a')).some(({ pid: owner, state: at }) => owner === program.pid && at === 'negotiating'),
        PATIENCE,
        'its handshake',
      );
      await program.stop('SIGKILL');
      const flow = await waitFor(
        async () =>
          (await lab.flows('a')).find(({ pid: owner, state: at }) => owner === program.pid && at === 'closed'),
        PATIENCE,
        'its flow to be closed',
      );
      expect(flow.reason).to.match(/the program closed it|the connection ended/);
      // The peer hears of it at once, and not when the handshake's deadline comes.
      await listener.stop();
    });
  }

  for (const server of ['echo', 'accept'] as const) {
    it(`does not let a client that says nothing keep a ${server === 'echo' ? 'blocking' : 'waiting'} server`, async () => {
      const port = server === 'echo' ? 7103 : 7104;
      const listener: Program = lab.spawn('b', [TALKER, server, `${port}`]);
      await listener.listening(port);
      const silent = lab.spawn('a', [TALKER, 'mute', B, `${port}`], { outside: true });
      await waitFor(() => listener.stdout.includes('accepted'), PATIENCE, 'the connection');
      const flow = await waitFor(
        async () => (await lab.flows('b')).find(({ dport, state }) => dport === port && state === 'refused'),
        PATIENCE,
        'its refusal',
      );
      expect(flow.src).to.equal(A);
      expect(flow.reason).to.match(server === 'echo' ? /peer had not sent a byte/ : /^the peer sent nothing within/);
      if (server === 'echo') {
        await waitFor(() => listener.stdout.includes('closed'), PATIENCE, 'the server to go on');
        expect(listener.stdout).to.include('recv ECONNRESET');
      }
      expect(listener.held).to.equal(false);
      await silent.stop();
      await listener.stop();
    });
  }
});
