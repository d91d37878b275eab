// SPDX-License-Identifier: Apache-2.0
/**
 * Health checks and port scans connect and close again, and servers that are full accept and close: the other side reads the end of file that it
 * reads on plain TCP, at whatever point the handshake was.
 */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type MeshNode } from '../harness/index.js';
import { B, inThePatientLab } from './support.js';

const PYTHON = '/usr/bin/python3';
const PROGRAM = resolve('test/programs/at-once.py');
/** Connections, each closed so many ms later than the one before: some before the handshake begins, some in it, some behind it. */
const COUNT = 24;
const STEP_MS = 5;
const END_OF_FILE = "b''\n".repeat(COUNT);
const PORT = 7550;

const states = async (node: MeshNode, port: number): Promise<string[]> =>
  (await lab.flows(node)).filter(({ dport }) => dport === port).map(({ state }) => state);

describe('a connection that is closed again at once', () => {
  inThePatientLab();

  it('by who connects: the server reads the end of file', async () => {
    const server = lab.spawn('b', [PYTHON, PROGRAM, 'reader', 'serve', String(PORT), String(COUNT)]);
    await server.listening(PORT);
    const closer = [PYTHON, PROGRAM, 'closer', 'run', B, String(PORT), String(COUNT), String(STEP_MS)];
    expect(await lab.exec('a', closer)).to.include({ code: 0, stderr: '' });
    expect((await server.ended).stdout).to.equal(END_OF_FILE);
    for (const node of ['a', 'b'] as const) expect(await states(node, PORT), node).to.not.include('refused');
  });

  it('by who accepts: the client reads the end of file', async () => {
    const to = String(PORT + 1);
    const server = lab.spawn('b', [PYTHON, PROGRAM, 'closer', 'serve', to, String(COUNT), String(STEP_MS)]);
    await server.listening(PORT + 1);
    const reader = await lab.exec('a', [PYTHON, PROGRAM, 'reader', 'run', B, to, String(COUNT)]);
    expect(reader.stdout + reader.stderr).to.equal(END_OF_FILE);
    await server.ended;
  });
});
