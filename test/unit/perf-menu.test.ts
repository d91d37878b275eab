// SPDX-License-Identifier: Apache-2.0
/** The menu of test/perf_test.sh on a terminal, up to the run itself: in a copy of the checkout in which what would run says how it was called. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { expect } from 'chai';
import { patience } from '../speed.js';
import { temporaryFolder } from './support/temporary.js';

const TYPE_INTO = resolve('test/programs/type-into.py');
const CHOICE = 'choice: ';
const MODE = 'boringssl): ';
const SECONDS = 'seconds: ';

describe('the menu of perf_test.sh', function () {
  this.timeout(40_000);
  const at = temporaryFolder();

  const script = (name: string, text: string): void => {
    mkdirSync(dirname(at(name)), { recursive: true });
    writeFileSync(at(name), `#!/usr/bin/env bash\n${text}\n`);
    chmodSync(at(name), 0o755);
  };

  before(() => {
    for (const name of ['test/perf_test.sh', 'scripts/lib.sh']) {
      script(name, '');
      copyFileSync(resolve(name), at(name));
    }
    // A host that cannot: everything goes into the machine.
    script('dist/cli/tlshubctl.js', '');
    writeFileSync(at('dist/cli/tlshubctl.js'), 'process.exitCode = 69;\n');
    script('scripts/setup', 'exit "$(cat setup-status)"');
    script('scripts/build', ':');
    script('scripts/vm', `printf '%s ' "$@" >>calls; echo >>calls; echo measured; exit 1`);
  });
  beforeEach(() => {
    writeFileSync(at('calls'), '');
    writeFileSync(at('setup-status'), '0');
  });

  const type = (...answers: [mark: string, text: string][]): { status: number | null; said: string } => {
    const { status, stdout, stderr } = spawnSync('python3', [TYPE_INTO, at('test/perf_test.sh')], {
      cwd: at(''),
      input: JSON.stringify(answers),
      encoding: 'utf8',
      timeout: patience(35_000),
    });
    return { status, said: stdout + stderr };
  };
  /** The options of each run. */
  const runs = (): Record<string, string>[] =>
    readFileSync(at('calls'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const words = line.split(' -- ')[1]!.trim().split(' ');
        const options = words.slice(words.indexOf('--modes'));
        return Object.fromEntries(
          Array.from({ length: 6 }, (_, i) => [options[2 * i]!.slice(2), options[2 * i + 1]!] as const),
        );
      });
  const DEFAULTS = {
    modes: 'tlshub,openssl,boringssl',
    rounds: '3',
    duration: '20',
    connections: '0',
    concurrency: '8',
  };

  it('runs one mode, all modes, with the duration that was chosen, and comes back after each, also when it failed', () => {
    const { status, said } = type(
      [CHOICE, '1\n'],
      [MODE, 'openssl\n'],
      [CHOICE, '3\n'],
      [SECONDS, '7\n'],
      [CHOICE, '2\n'],
      [CHOICE, '4\n'],
    );
    expect(status, said).to.equal(0);
    const out = at('perf_results');
    expect(runs()).to.deep.equal([
      { ...DEFAULTS, modes: 'openssl', out },
      { ...DEFAULTS, duration: '7', out },
    ]);
    expect(said.match(/measured/g), said).to.have.length(2);
    expect(said).to.include('(duration 20 s, results in').and.to.include('(duration 7 s, results in');
  });

  it('says what is wrong with an answer, asks again, and keeps what was chosen before', () => {
    const { status, said } = type(
      [CHOICE, '5\n'],
      [CHOICE, '1\n'],
      [MODE, 'gnutls\n'],
      [CHOICE, '1\n'],
      [MODE, 'openssl boringssl\n'],
      [CHOICE, '3\n'],
      [SECONDS, '08\n'],
      [CHOICE, '3\n'],
      [SECONDS, '-1\n'],
      [CHOICE, '2\n'],
      [CHOICE, 'q\n'],
    );
    expect(status, said).to.equal(0);
    expect(runs()).to.deep.equal([{ ...DEFAULTS, out: at('perf_results') }]);
    expect(said).to.include('please choose 1, 2, 3 or 4');
    expect(said).to.include('gnutls is none of tlshub openssl boringssl');
    expect(said).to.include('one or more of tlshub openssl boringssl, with commas between them');
    expect(said).to.include('--duration 08: a whole number from 1 on is wanted');
    expect(said).to.include('--duration -1: a whole number from 1 on is wanted');
  });

  it('does not go on when the set-up fails', () => {
    writeFileSync(at('setup-status'), '1');
    const { status, said } = type([CHOICE, '2\n'], [CHOICE, '4\n']);
    expect(status, said).to.equal(0);
    expect(runs()).to.deep.equal([]);
  });

  it('ends with the end of the input', () => {
    expect(type([CHOICE, '\u0004']).status).to.equal(0);
  });

  it('is no menu without a terminal, nor with options', () => {
    const run = (...args: string[]): { status: number | null; stderr: string } =>
      spawnSync(at('test/perf_test.sh'), args, {
        cwd: at(''),
        input: '4\n',
        encoding: 'utf8',
        timeout: patience(30_000),
      });
    expect(run().status).to.equal(1);
    expect(run('--modes', 'openssl', '--duration', '3', '--connections', '9', '--out', 'here').status).to.equal(1);
    const here = { modes: 'openssl', rounds: '3', duration: '3', connections: '9', concurrency: '8', out: at('here') };
    expect(runs()).to.deep.equal([{ ...DEFAULTS, out: at('perf_results') }, here]);
    for (const modes of [',', 'openssl,', 'openssl boringssl', 'openssl,openssl', '']) {
      const { status, stderr } = run('--modes', modes);
      expect(status, modes).to.equal(64);
      expect(stderr).to.include('--modes');
    }
  });

  it('after the machine shows what it has measured, with the share of this host that others used meanwhile', () => {
    const vm = readFileSync(at('scripts/vm'), 'utf8');
    script('build/bench/perf/show.js', '');
    writeFileSync(at('build/bench/perf/show.js'), 'console.log(JSON.stringify(process.argv.slice(2)));\n');
    // A whole second of work that is the machine's own, not others'.
    script('scripts/vm', `mkdir -p there; : >there/summary.json; timeout 1 sh -c 'while :; do :; done'; exit 1`);
    const { status, stdout, stderr } = spawnSync(at('test/perf_test.sh'), ['--modes', 'openssl', '--out', 'there'], {
      cwd: at(''),
      encoding: 'utf8',
      timeout: patience(30_000),
    });
    script('scripts/vm', vm);
    expect(stderr).to.equal('');
    expect(status, 'the status of the measurement').to.equal(1);
    const [option, out, share, percent] = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as string[];
    expect([option, out, share]).to.deep.equal(['--out', at('there'), '--others-percent']);
    expect(percent).to.match(/^\d+\.\d$/);
    expect(Number(percent)).to.be.within(0, 100);
  });

  it('says in one line what is wrong with an option', () => {
    for (const [wrong, says] of [
      [['--mode', 'openssl'], /^perf_test\.sh: unknown option --mode \(.*--help lists them\)\n$/],
      [['--rounds', '0'], /^perf_test\.sh: --rounds 0: a whole number from 1 on is wanted\n$/],
      [['--rounds'], /^perf_test\.sh: --rounds needs a value\n$/],
    ] as const) {
      const { status, stdout, stderr } = spawnSync(at('test/perf_test.sh'), wrong, { encoding: 'utf8' });
      expect([status, stdout]).to.deep.equal([64, '']);
      expect(stderr).to.match(says);
    }
  });
});
