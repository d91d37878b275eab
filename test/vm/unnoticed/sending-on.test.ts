// SPDX-License-Identifier: Apache-2.0
/** Who goes on sending when the connection sends no more is told so, as on plain TCP: kTLS by itself says that all was sent, for ever. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Result } from '../harness/index.js';
import { B, inThePatientLab, onMeshAndPlain } from './support.js';

const PYTHON = '/usr/bin/python3';
const PROGRAM = resolve('test/programs/sends-on.py');
let port = 7520;

/** What the program says over the mesh, having said the same on plain TCP. */
async function same(how: string, argument: string | number): Promise<string> {
  port++;
  const server = lab.spawn('b', [PYTHON, PROGRAM, 'serve', String(port), '2']);
  await server.listening(port);
  const command = (host: string): string[] => [PYTHON, PROGRAM, how, host, String(port), String(argument)];
  const { mesh, plain } = await onMeshAndPlain(command);
  const said = ({ stdout, stderr }: Result): string => stdout + stderr;
  expect(said(mesh)).to.equal(said(plain));
  await server.ended;
  const flows = (await lab.flows('a')).filter(({ dst, dport }) => dst === B && dport === port);
  expect(flows.map(({ kernelUlp }) => kernelUlp)).to.deep.equal(['tls']);
  return said(mesh);
}

describe('a program that goes on sending', () => {
  inThePatientLab();

  // Less than a record, more than one, and more than one call takes at once.
  for (const size of [1000, 20_000, 200_000]) {
    it(`${size} bytes at a time on a connection that its peer has reset is told so, each time`, async () => {
      expect(await same('reset', size)).to.equal('told, and told again\n');
    });
  }

  for (const [call, signals] of [
    ['send', 2],
    ['quiet', 0],
    ['write', 2],
    ['sendfile', 2],
  ] as const) {
    it(`behind its own shutdown, by ${call}, is told so, by ${signals} signals, and still reads`, async () => {
      expect(await same('shutdown', call)).to.equal(`Broken pipe\nBroken pipe\n${signals} signals, then b''\n`);
    });
  }
});
