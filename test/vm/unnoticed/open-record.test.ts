// SPDX-License-Identifier: Apache-2.0
/**
 * What is sent with MSG_MORE arrives though nothing follows it, as on plain TCP. Senders wait here until their peer has what they sent, so what
 * is compared is the order of things: if a record stayed open, nothing would ever come.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Program, type Result } from '../harness/index.js';
import { B, inThePatientLab, onMeshAndPlain } from './support.js';

const PYTHON = '/usr/bin/python3';
const PROGRAM = resolve('test/programs/open-record.py');
const EVENTS = resolve('test/programs/events.py');
const PORT = 7540;
const HAPROXY = 7541;
const SOURCE = 7542;
const COUNT = 4;

/** Records that the agent of node b has closed for programs, and helpers of its that did not come back. */
async function told(): Promise<{ pushed: number; lost: number }> {
  const { pushes, helpers } = await lab.status('b');
  return { pushed: pushes.openRecords, lost: helpers.lostEver };
}

describe('bytes sent with MSG_MORE, and nothing behind them', () => {
  let server: Program;

  inThePatientLab();
  before(async () => {
    server = lab.spawn('b', [PYTHON, PROGRAM, 'serve', String(PORT)]);
    await server.listening(PORT);
  });
  after(() => server.stop());

  for (const [how, what, said] of [
    ['steps', 'arrive before others are sent', 'a, b, c, end of file\n'],
    ['close', 'arrive before the connection is closed', 'a, end of file\n'],
    ['splice', 'by splice(), arrive as well', 'a, end of file\n'],
    ['cork', 'on a socket with TCP_CORK, arrive as well', 'a, end of file\n'],
    ['fork', 'by two processes in turn, arrive one behind the other', 'a, b, c, end of file\n'],
    ['threads', 'by two threads in turn, arrive one behind the other', 'a, b, c, end of file\n'],
    ['crowd', 'by four threads at the same time, arrive before there are others', 'all of it, end of file\n'],
    ['stream', 'again and again, are what was sent', 'all of it, end of file\n'],
    ['slow', 'in one call that waits for a slow peer, are what was sent', 'all of it, end of file\n'],
    ['waits', 'by who does not block and has a slow peer, are what was sent', 'all of it, end of file\n'],
  ] as const) {
    it(what, async () => {
      const before = await told();
      const { mesh, plain } = await onMeshAndPlain((host) => [PYTHON, PROGRAM, 'read', host, String(PORT), how]);
      const all = ({ stdout, stderr }: Result): string => stdout + stderr;
      expect(all(plain), 'on plain TCP').to.equal(said);
      expect(all(mesh), 'on the mesh').to.equal(said);
      const after = await told();
      expect(after.lost, 'helpers that were lost').to.equal(before.lost);
      if (!['cork', 'splice'].includes(how)) expect(after.pushed).to.be.greaterThan(before.pushed);
    });
  }
});

describe('server-sent events through haproxy', () => {
  let folder = '';
  const programs: Program[] = [];

  inThePatientLab();
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-events-'));
    chmodSync(folder, 0o755);
  });
  after(async () => {
    for (const program of programs) await program.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('arrive one by one, each before there is another', async () => {
    const config = `defaults
  mode http
  timeout connect 10s
  timeout client 120s
  timeout server 120s
listen relay
  bind :${HAPROXY}
  server events 127.0.0.1:${SOURCE}
`;
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    const source = lab.spawn('b', [PYTHON, EVENTS, 'serve', String(SOURCE), folder, String(COUNT)]);
    programs.push(source);
    await source.listening(SOURCE);
    const haproxy = lab.spawn('b', ['haproxy', '-db', '-f', join(folder, 'haproxy.cfg')]);
    programs.push(haproxy);
    await haproxy.listening(HAPROXY);
    const { stdout, stderr } = await lab.exec('a', [PYTHON, EVENTS, 'read', B, String(HAPROXY), folder]);
    expect(stderr).to.equal('');
    const numbers = Array.from({ length: COUNT }, (_, i) => i);
    expect((await source.ended).stdout).to.equal(numbers.map((n) => `${n} was seen\n`).join(''));
    expect(stdout).to.equal(numbers.map((n) => `${n}\n`).join(''));
  });
});
