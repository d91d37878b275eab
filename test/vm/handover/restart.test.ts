// SPDX-License-Identifier: Apache-2.0
/**
 * An agent is restarted in good order, again and again, first the client's and then the server's, under programs that make new connections all
 * the time and under long streams. It hands over to its successor: what begins in between waits for that one. So no connection fails, and none
 * is in plaintext.
 */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { B, LEASES, STREAMS, UNHURRIED, finishStreams } from '../death/support.js';

/** test/programs/swarm.c */
const SWARM = resolve('build/programs/swarm');
const PORTS = ['7310', '7311'];
const STREAMS_PORT = 7312;
/** Of each agent; under emulation one takes a quarter of a minute. */
const RESTARTS = Number(process.env.TLSHUB_RESTARTS ?? 1);
/** Connections of one run of the clients: so many, and so many at once, of which half block and half wait in poll(). */
const RUN = ['16', '8'];
/** NUMBER, SHA-256 of what was sent, SHA-256 of what was read */
const WELL = /^(\d+) ([0-9a-f]{64}) ([0-9a-f]{64})$/gm;

describe('an agent that is restarted', () => {
  let server: Program, echoes: Program;
  let restarting = true;
  const ends: string[] = [];

  /** Clients one after the other, until there is nothing more to see. */
  const keepConnecting = async (): Promise<void> => {
    while (restarting) {
      const { stdout } = await lab.exec('a', [SWARM, 'run', B, ...PORTS, ...RUN], { timeoutMs: 120_000 });
      ends.push(...stdout.trim().split('\n'));
    }
  };

  before(async () => {
    await lab.up({ set: { ...UNHURRIED, ...LEASES, 'a:lease_ms': 30_000, guardian_grace_ms: 60_000 } });
    server = lab.spawn('b', [SWARM, 'serve', ...PORTS, '4']);
    echoes = lab.spawn('b', [STREAMS, 'serve', `${STREAMS_PORT}`]);
    await Promise.all([server.listening(Number(PORTS[0])), echoes.listening(STREAMS_PORT)]);
  });
  after(() => lab.down());

  it('interrupts, refuses and uncovers no connection', async function () {
    this.timeout(400_000);
    const sniffer = await lab.sniff();
    const streams = lab.spawn('a', [STREAMS, 'run', B, `${STREAMS_PORT}`, '20']);
    await waitFor(() => streams.stdout.includes('moving'), 60_000, 'all streams to move data');
    const clients = [keepConnecting(), keepConnecting()];
    for (const node of ['a', 'b'] as const) {
      for (let n = 0; n < RESTARTS; n++) {
        const before = ends.length;
        await lab.restart(node);
        expect((await lab.status(node)).adopted, node).to.equal(true);
        await waitFor(() => ends.length > before, 60_000, 'connections after a restart');
      }
    }
    restarting = false;
    await Promise.all(clients);
    // The server has sent what they have read, and the other way round.
    const others = new Set(
      [...server.stdout.matchAll(WELL)].map(([, number, sent, read]) => `${number} ${read} ${sent}`),
    );
    const wrong = ends.filter((line) => !others.has(line));
    const logs = await Promise.all((['a', 'b'] as const).map((node) => lab.logs(node)));
    const told = logs.flatMap((log) => log.split('\n').filter((line) => /"code"|guardian|handed over/.test(line)));
    expect(wrong, told.join('\n')).to.deep.equal([]);
    await finishStreams(streams, sniffer, 'a word that no program here says');
    process.stdout.write(`      ${ends.length} connections, ${2 * RESTARTS} restarts\n`);
  });
});
