// SPDX-License-Identifier: Apache-2.0
/**
 * Health checks and port scans connect and close again, and servers that are full accept and close: the other side reads the end of file that it
 * reads on plain TCP, at whatever point the handshake was. An end that cuts something off is none.
 */
import { resolve } from 'node:path';
import { expect } from 'chai';
import type { FlowReport } from '../../../src/report/flow.js';
import { lab, type ExecOptions, type MeshNode, type Program, type Result } from '../harness/index.js';
import { B, inThePatientLab } from './support.js';

const COMMAND = ['/usr/bin/python3', resolve('test/programs/at-once.py')];
/** Connections, each closed so many ms later than the one before: some before the handshake begins, some in it, some behind it. */
const COUNT = 24;
const STEP_MS = 5;
const END_OF_FILE = "b''";
const RESET = 'Connection reset by peer';
const PORT = 7550;
const OUTSIDE = { outside: true };

const flowsOf = async (node: MeshNode, port: number): Promise<FlowReport[]> =>
  (await lab.flows(node)).filter(({ dport }) => dport === port);

/** What was read, by the client's port. */
const readIn = ({ stdout }: Result): [port: number, read: string][] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => [parseInt(line, 10), line.slice(line.indexOf(' ') + 1)]);

async function serve(who: string, how: string, port: number, ...more: number[]): Promise<Program> {
  const server = lab.spawn('b', [...COMMAND, who, how, ...[port, ...more].map(String)]);
  await server.listening(port);
  return server;
}

async function leave(who: 'closer' | 'poller' | 'leaver', port: number, options: ExecOptions = {}): Promise<void> {
  const command = [...COMMAND, who, 'run', B, String(port), String(COUNT), String(STEP_MS)];
  const { code, stderr } = await lab.exec('a', command, options);
  expect(stderr).to.equal('');
  expect(code).to.equal(0);
}

/** @param hasty where the connection was over before the server's agent had it, its end may be read as a reset (docs/GATE.md) */
async function expectEnds(program: Result, port: number, hasty = false): Promise<FlowReport[]> {
  expect(program.stderr).to.equal('');
  const read = readIn(program);
  expect(read).to.have.length(COUNT);
  expect(read.map(([, what]) => what)).to.include(END_OF_FILE);
  const flows = [...(await flowsOf('b', port)), ...(await flowsOf('a', port))];
  for (const [client, what] of read) {
    const theirs = flows.filter(({ sport }) => sport === client);
    const missed = hasty && theirs[0]?.provider === null;
    expect(what, JSON.stringify(theirs)).to.be.oneOf(missed ? [END_OF_FILE, RESET] : [END_OF_FILE]);
  }
  return flows;
}

async function expectNoRefusal(program: Result, port: number): Promise<void> {
  const flows = await expectEnds(program, port);
  expect(flows.map(({ state }) => state)).to.not.include('refused');
}

describe('a connection that is closed again at once', () => {
  inThePatientLab();

  for (const [i, who] of (['closer', 'poller'] as const).entries()) {
    const with_ = who === 'poller' ? ', with its socket in an epoll set' : '';
    const port = PORT + 2 * i;

    it(`by who connects${with_}: the server reads the end of file`, async () => {
      const server = await serve('reader', 'serve', port, COUNT);
      await leave(who, port);
      await expectNoRefusal(await server.ended, port);
    });

    it(`by who connects${with_}, before the server accepts: it reads the end of file`, async () => {
      const server = await serve('reader', 'late', port + 1, COUNT);
      await leave(who, port + 1);
      server.kill('SIGUSR1');
      await expectNoRefusal(await server.ended, port + 1);
    });
  }

  for (const [i, who] of (['reader', 'waiter'] as const).entries()) {
    it(`with a reset behind the end: the server reads the end of file (${who})`, async () => {
      const port = PORT + 6 + i;
      const server = await serve(who, 'serve', port, COUNT);
      await leave('leaver', port, OUTSIDE);
      await expectEnds(await server.ended, port, true);
    });
  }

  it('by who accepts: the client reads the end of file', async () => {
    const port = PORT + 4;
    const server = await serve('closer', 'serve', port, COUNT, STEP_MS);
    const reader = await lab.exec('a', [...COMMAND, 'reader', 'run', B, String(port), String(COUNT)]);
    await server.ended;
    await expectEnds(reader, port, true);
  });

  it('by who is no agent, behind bytes of its own: the server reads no end of file, but an error', async () => {
    const port = PORT + 5;
    const record = (type: string, length: number, bytes: number): string =>
      `${type}0303${length.toString(16).padStart(4, '0')}${'01'.repeat(bytes)}`;
    const said = {
      'no TLS': Buffer.from('GET / HTTP/1.1\r\n').toString('hex'),
      'a record of data': record('17', 100, 100),
      'the beginning of a hello': record('16', 100, 50),
      'a hello, and data': record('16', 100, 100) + record('17', 100, 100),
      'a hello, and more': `${record('16', 100, 100)}16`,
    };
    const server = await serve('reader', 'late', port, Object.keys(said).length);
    const speaker = [...COMMAND, 'speaker', 'run', B, String(port), ...Object.values(said)];
    expect(await lab.exec('a', speaker, OUTSIDE)).to.include({ code: 0, stderr: '' });
    server.kill('SIGUSR1');
    const read = readIn(await server.ended);
    for (const [i, what] of Object.keys(said).entries()) expect(read[i]?.[1], what).to.equal(RESET);
  });
});
