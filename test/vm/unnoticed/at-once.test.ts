// SPDX-License-Identifier: Apache-2.0
/**
 * Health checks and port scans connect and close again, and servers that are full accept and close: the other side reads the end of file that it
 * reads on plain TCP, at whatever point the handshake was. An end that cuts something off is none.
 */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type MeshNode, type Program, type Result } from '../harness/index.js';
import { B, inThePatientLab } from './support.js';

const COMMAND = ['/usr/bin/python3', resolve('test/programs/at-once.py')];
/** Connections, each closed so many ms later than the one before: some before the handshake begins, some in it, some behind it. */
const COUNT = 24;
const STEP_MS = 5;
const END_OF_FILE = "b''\n".repeat(COUNT);
const PORT = 7550;

const states = async (node: MeshNode, port: number): Promise<string[]> =>
  (await lab.flows(node)).filter(({ dport }) => dport === port).map(({ state }) => state);

async function serve(who: string, how: string, port: number, ...more: number[]): Promise<Program> {
  const server = lab.spawn('b', [...COMMAND, who, how, ...[port, ...more].map(String)]);
  await server.listening(port);
  return server;
}

const close = (who: 'closer' | 'poller', port: number): Promise<Result> =>
  lab.exec('a', [...COMMAND, who, 'run', B, String(port), String(COUNT), String(STEP_MS)]);

async function expectEnds(server: Program, port: number): Promise<void> {
  expect((await server.ended).stdout).to.equal(END_OF_FILE);
  for (const node of ['a', 'b'] as const) expect(await states(node, port), node).to.not.include('refused');
}

describe('a connection that is closed again at once', () => {
  inThePatientLab();

  for (const [i, who] of (['closer', 'poller'] as const).entries()) {
    const with_ = who === 'poller' ? ', with its socket in an epoll set' : '';
    const port = PORT + 2 * i;

    it(`by who connects${with_}: the server reads the end of file`, async () => {
      const server = await serve('reader', 'serve', port, COUNT);
      expect(await close(who, port)).to.include({ code: 0, stderr: '' });
      await expectEnds(server, port);
    });

    it(`by who connects${with_}, before the server accepts: it reads the end of file`, async () => {
      const server = await serve('reader', 'late', port + 1, COUNT);
      expect(await close(who, port + 1)).to.include({ code: 0, stderr: '' });
      server.kill('SIGUSR1');
      await expectEnds(server, port + 1);
    });
  }

  it('by who accepts: the client reads the end of file', async () => {
    const port = PORT + 4;
    const server = await serve('closer', 'serve', port, COUNT, STEP_MS);
    const reader = await lab.exec('a', [...COMMAND, 'reader', 'run', B, String(port), String(COUNT)]);
    expect(reader.stdout + reader.stderr).to.equal(END_OF_FILE);
    await server.ended;
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
    expect(await lab.exec('a', speaker, { outside: true })).to.include({ code: 0, stderr: '' });
    server.kill('SIGUSR1');
    const read = (await server.ended).stdout.trimEnd().split('\n');
    for (const [i, what] of Object.keys(said).entries()) expect(read[i], what).to.equal('Connection reset by peer');
  });
});
