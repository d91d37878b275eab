// SPDX-License-Identifier: Apache-2.0
/**
 * A link on which a record takes half a second. Only whole records can be read, so the first byte comes when the first record is there, and a short
 * receive timeout is over before (docs/GATE.md); but all comes, and who waits for events is told of whole records only.
 */
import { execFileSync } from 'node:child_process';
import { release } from 'node:os';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Program } from '../harness/index.js';
import { B, inThePatientLab } from './support.js';

const PYTHON = '/usr/bin/python3';
const PROGRAM = resolve('test/programs/slow-link.py');
const PORT = 7595;
const BYTES = '64000';
/** Of at most 16 KiB each. */
const RECORDS = 4;

interface Said {
  right: boolean;
  calls: number;
  nothing: number;
  firstMs: number;
  endMs: number;
}

const inB = (command: string): Buffer => execFileSync('nsenter', ['--net=/run/netns/tlshub-b', ...command.split(' ')]);

describe('over a slow link', () => {
  let server: Program;

  inThePatientLab();
  before(async () => {
    inB('tc qdisc add dev eth0 root tbf rate 256kbit burst 3000 latency 4s');
    server = lab.spawn('b', [PYTHON, PROGRAM, 'serve', String(PORT), BYTES]);
    await server.listening(PORT);
  });
  after(async () => {
    inB('tc qdisc del dev eth0 root');
    await server.stop();
  });

  async function read(how: string): Promise<Said> {
    const { stdout, stderr } = await lab.exec('a', [PYTHON, PROGRAM, 'read', B, String(PORT), BYTES, how]);
    expect(stderr).to.equal('');
    const said = JSON.parse(stdout) as Said;
    process.stdout.write(`      ${how}: ${stdout}`);
    expect(said.right, 'the content').to.equal(true);
    return said;
  }

  it('a reader with a receive timeout that asks again gets all', async () => {
    const { calls, nothing } = await read('timeout');
    expect(calls - nothing).to.be.at.least(RECORDS);
  });

  it('a level-triggered reader gets all, and is told of nothing but whole records', async function () {
    const { nothing } = await read('events');
    // The kernel tells of a record's first bytes there: poll() asks TCP alone.
    if (release().startsWith('6.1.')) this.skip();
    expect(nothing, 'calls that found nothing').to.be.at.most(RECORDS);
  });
});
