// SPDX-License-Identifier: Apache-2.0
/** The completion scripts in the shells that they are for: what Tab gives. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { run } from '../../src/cli/program.js';
import { noModule } from '../fakes/module-control.js';
import { NotFoundError } from '../../src/shared/errors/errors.js';
import { patience } from '../speed.js';
import { temporaryFolder } from './support/temporary.js';

async function completion(shell: string): Promise<string> {
  let out = '';
  const status = await run(['completion', shell], {
    out: (text) => (out += text),
    err: (text) => (out += text),
    env: {},
    probe: () => [],
    library: () => '',
    module: noModule,
    release: () => Promise.reject(new NotFoundError('nothing is pinned')),
    uid: 0,
    untilInterrupted: () => AbortSignal.abort(),
  });
  expect(status, out).to.equal(0);
  return out;
}

function shell(program: string, args: string[]): string[] {
  const { stdout, stderr, status, error } = spawnSync(program, args, { encoding: 'utf8', timeout: patience(60_000) });
  expect(error, `${program} is missing: scripts/packages.txt names it`).to.equal(undefined);
  expect({ status, stderr }, program).to.deep.equal({ status: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

const STATES = ['closed', 'held', 'negotiating', 'plaintext', 'refused', 'secured'];

describe('shell completion', () => {
  const path = temporaryFolder();

  describe('of bash', () => {
    let file: string;
    before(async () => writeFileSync((file = path('tlshubctl.bash')), await completion('bash')));

    const complete = (...words: string[]): string[] => {
      const script = `source "$0"; shift 0; COMP_WORDS=(tlshubctl "$@"); COMP_CWORD=$#
        eval "$(complete -p tlshubctl | sed 's/.*-F \\([^ ]*\\).*/\\1/')"; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return shell('bash', ['--norc', '-c', script, file, ...words]).sort();
    };

    it('offers commands, and below a command what belongs there', () => {
      expect(complete('')).to.include.members(['check', 'flows', 'mapping', 'mode', 'pki', 'status']);
      expect(complete('st')).to.deep.equal(['status']);
      expect(complete('mapping', '')).to.deep.equal(['get', 'list']);
      expect(complete('mode', 'set', '')).to.deep.equal(['boringssl', 'openssl', 'tlshub']);
      expect(complete('completion', '')).to.deep.equal(['bash', 'fish', 'zsh']);
      expect(complete('mapping', 'get', 'some-pod', '')).to.deep.equal(['']);
    });

    it('offers options and their values', () => {
      expect(complete('flows', '--')).to.deep.equal([
        '--help',
        '--json',
        '--output',
        '--pod',
        '--socket',
        '--sort',
        '--state',
        '--watch',
      ]);
      expect(complete('flows', '--state', '')).to.deep.equal(STATES);
      expect(complete('--socket', path('x.sock'), 'mapping', 'l')).to.deep.equal(['list']);
      expect(complete('flows', '--pod', '')).to.deep.equal(['']);
      expect(complete('--socket', file.slice(0, -3))).to.deep.equal([file]);
    });

    it('is not misled by words that look like commands, and evaluates none', () => {
      expect(complete('--socket', 'mapping', '')).to.include('flows');
      expect(complete('flows', '--state', 'held', '--p')).to.deep.equal(['--pod']);
      complete(`$(touch ${path('evaluated')})`, 'mapping', '`reboot`', '');
      expect(existsSync(path('evaluated'))).to.equal(false);
    });
  });

  it('of zsh completes the line that is typed', async () => {
    const file = path('tlshubctl.zsh');
    writeFileSync(file, await completion('zsh'));
    const program = resolve('test/programs/complete-in-zsh.py');
    const typed = ['map', 'mapping l', 'flows --st', 'flows --state neg', 'mode set bor', 'completion z'];
    const lines = shell('python3', [program, file, ...typed.map((line) => `tlshubctl ${line}`)]);
    expect(lines.map((line) => line.trimEnd())).to.deep.equal([
      'tlshubctl mapping',
      'tlshubctl mapping list',
      'tlshubctl flows --state',
      'tlshubctl flows --state negotiating',
      'tlshubctl mode set boringssl',
      'tlshubctl completion zsh',
    ]);
  });

  describe('of fish', () => {
    let file: string;
    before(async () => writeFileSync((file = path('tlshubctl.fish')), await completion('fish')));

    const complete = (line: string): string[] => {
      const script = `source ${file}; complete -C 'tlshubctl ${line}'`;
      return shell('fish', ['--no-config', '-c', script])
        .map((each) => each.split('\t')[0]!)
        .sort();
    };

    it('offers commands, options and values', () => {
      expect(complete('')).to.include.members(['check', 'flows', 'mapping', 'mode', 'pki', 'status']);
      expect(complete('mapping ')).to.deep.equal(['get', 'list']);
      expect(complete('mode set ')).to.deep.equal(['boringssl', 'openssl', 'tlshub']);
      expect(complete('flows --state ')).to.deep.equal(STATES);
      expect(complete('flows --')).to.include.members(['--json', '--pod', '--socket', '--state', '--watch']);
    });
  });
});
