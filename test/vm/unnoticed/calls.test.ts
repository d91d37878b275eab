// SPDX-License-Identifier: Apache-2.0
/** Calls that event loops make, on a secured connection as on plain TCP. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Program } from '../harness/index.js';
import { inThePatientLab, onMeshAndPlain } from './support.js';

const PYTHON = '/usr/bin/python3';
const PROGRAM = resolve('test/programs/calls.py');
const PORT = 7590;

const WAYS = {
  rdhup: 'waits for POLLRDHUP alone',
  peek: 'peeks over several records',
  waitall: 'asks for all with MSG_WAITALL',
  linger: 'has a server that closes with SO_LINGER',
  sigio: 'goes by SIGIO',
  lowat: 'has an SO_RCVLOWAT of several records',
  oneshot: 'reads once for each EPOLLONESHOT',
  rearmed: 'reads once for each edge and sets it anew',
  edges: 'reads a little at a time until EAGAIN',
};

describe('a program that reads', () => {
  let server: Program;

  inThePatientLab();
  before(async () => {
    server = lab.spawn('b', [PYTHON, PROGRAM, 'serve', String(PORT)]);
    await server.listening(PORT);
  });
  after(() => server.stop());

  for (const [how, what] of Object.entries(WAYS)) {
    it(`and ${what}, gets all`, async () => {
      const { mesh, plain } = await onMeshAndPlain((host) => [PYTHON, PROGRAM, 'read', host, String(PORT), how]);
      expect(plain.stdout + plain.stderr, 'on plain TCP').to.equal('right\n');
      expect(mesh.stdout + mesh.stderr, 'on the mesh').to.equal('right\n');
    });
  }
});
