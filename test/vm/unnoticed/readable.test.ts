// SPDX-License-Identifier: Apache-2.0
/** Programs that are told "readable" and believe it: a recv() behind it finds something, although it was the handshake that could be read. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { B, inThePatientLab, onMeshAndPlain, withoutStops } from './support.js';

const PYTHON = '/usr/bin/python3';
const PROGRAM = resolve('test/programs/believing.py');
const CONNECTIONS = 12;
let port = 7560;

describe('a program that was told that it can read', () => {
  inThePatientLab();
  withoutStops();

  for (const [serves, asks] of [
    ['serve', 'ask'],
    ['greet', 'listen'],
    ['hasty', 'ask'],
  ] as const) {
    it(`can: server (${serves}) and client (${asks})`, async () => {
      port++;
      // Half of them come over the mesh, half of them on plain TCP.
      const server = lab.spawn('b', [PYTHON, PROGRAM, serves, '0.0.0.0', String(port), String(2 * CONNECTIONS)]);
      await server.listening(port);
      const { mesh, plain } = await onMeshAndPlain((host) => [
        PYTHON,
        PROGRAM,
        asks,
        host,
        String(port),
        `${CONNECTIONS}`,
      ]);
      expect(plain.stdout, plain.stderr).to.equal(`${CONNECTIONS} right, 0 misled\n`);
      expect(mesh.stdout, mesh.stderr).to.equal(plain.stdout);
      await server.ended;
      expect(server.stdout, server.stderr).to.equal(`${2 * CONNECTIONS} right, 0 misled\n`);
    });
  }

  // Nobody can wait for what may never come: this one difference is left (docs/GATE.md).
  it('but finds nothing, once, when its client says nothing after the handshake; and then serves it', async () => {
    port++;
    const server = lab.spawn('b', [PYTHON, PROGRAM, 'serve', '0.0.0.0', String(port), '3']);
    await server.listening(port);
    const { stdout, stderr } = await lab.exec('a', [PYTHON, PROGRAM, 'silent', B, String(port), '3']);
    expect(stdout, stderr).to.equal('3 right, 0 misled\n');
    await server.ended;
    expect(server.stdout, server.stderr).to.match(/^3 right, [0-3] misled\n$/);
  });

  it('is a server that reads from many at once', async () => {
    port++;
    const server = lab.spawn('b', [PYTHON, PROGRAM, 'serve', '0.0.0.0', String(port), '24']);
    await server.listening(port);
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => lab.exec('a', [PYTHON, PROGRAM, 'ask', B, String(port), '3'])),
    );
    for (const { stdout, stderr } of clients) expect(stdout, stderr).to.equal('3 right, 0 misled\n');
    await server.ended;
    expect(server.stdout, server.stderr).to.equal('24 right, 0 misled\n');
  });
});
