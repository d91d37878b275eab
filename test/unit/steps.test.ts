// SPDX-License-Identifier: Apache-2.0
/** Long steps of the scripts (scripts/lib.sh): how far they are, on a terminal and in a file, and who gets escape codes. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { temporaryFolder } from './support/temporary.js';

const LIB = '. scripts/lib.sh; step_every=0.1; step_every_on_terminal=0.1;';
/** Makes three "files" as make would say it, and ends when the step has said so of all. */
const MAKES = `made() { for n in 1 2 3; do echo "g++ -O2 -c -o $n.o $n.cc"; echo "mkdir -p x"; done; until grep -q '3 of 3' "$1"; do sleep 0.05; done; };`;

describe('a long step', () => {
  const at = temporaryFolder();

  const inFile = (script: string, env: Record<string, string> = {}): { status: number | null; said: string } => {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
      timeout: 30_000,
    });
    return { status, said: stdout + stderr };
  };
  const onTerminal = (script: string, env: Record<string, string> = {}): { status: number | null; said: string } => {
    writeFileSync(at('script'), script);
    const { TERM, NO_COLOR } = { TERM: 'xterm', NO_COLOR: '', ...env };
    const command = ['env', `TERM=${TERM}`, `NO_COLOR=${NO_COLOR}`, 'bash', at('script')];
    const { status, stdout } = spawnSync('python3', ['test/programs/type-into.py', ...command], {
      encoding: 'utf8',
      input: '[]',
      timeout: 30_000,
    });
    return { status, said: stdout };
  };

  it('says along its line how many files are made, in a file', () => {
    writeFileSync(at('log'), '');
    const { status, said } = inFile(
      `${LIB} ${MAKES} STEP_TOTAL=3 step native made ${at('log')} 2>${at('log')}; cat ${at('log')}`,
    );
    expect(status).to.equal(0);
    expect(said).to.match(
      /^ {2}native +(\d of 3 files, \d+ s \.\.\. )*3 of 3 files, \d+ s \.\.\. (.* )?done \(\d+ s\)\n$/,
    );
    expect(said).to.not.include('\r').and.not.include('\u001b');
  });

  it('says it in place on a terminal, without escape codes, and leaves one line', () => {
    const { status, said } = onTerminal(
      `${LIB} slow() { echo 'cc -o a a.c'; sleep 1; }; STEP_TOTAL=2 step native slow`,
    );
    expect(status).to.equal(0);
    expect(said).to.match(/\r {2}native +1 of 2 files, \d+ s/);
    expect(said).to.match(/\r {2}native +done \(\d+ s\) +\r\n$/);
    expect(said.match(/\n/g)).to.have.length(1);
    expect(said).to.not.include('\u001b');
  });

  it('that is over at once runs no trap of the script, which would clear away what is still needed', () => {
    const script = `set -e; . scripts/lib.sh; trap 'echo "trap of $BASHPID"' EXIT; for n in {1..30}; do step quick true 2>/dev/null; done; echo $$`;
    const { status, said } = inFile(script);
    expect(status).to.equal(0);
    const [pid, ...traps] = said.trimEnd().split('\n');
    expect(traps).to.deep.equal([`trap of ${pid!}`]);
  });

  it('that fails shows what it printed, passes its status on, and says no more afterwards', () => {
    const { said } = inFile(`${LIB} bad() { echo why; return 3; }; step all bad || echo "status $?"; sleep 0.5`);
    expect(said).to.match(/^status 3\n {2}all +FAILED \(status 3\)\n {2}\| why\n$/);
  });

  it('keeps nobody waiting who reads its output to the end', () => {
    const script = `. scripts/lib.sh; step_every=600; step quick true`;
    expect(inFile(script).status).to.equal(0);
  });

  it('escape codes are for a terminal, unless NO_COLOR or TERM says otherwise', () => {
    const script = '. scripts/lib.sh; if colourful 1; then echo colour; else echo plain; fi';
    expect(inFile(script, { TERM: 'xterm' }).said).to.equal('plain\n');
    expect(onTerminal(script).said.trim()).to.equal('colour');
    expect(onTerminal(script, { NO_COLOR: '1' }).said.trim()).to.equal('plain');
    expect(onTerminal(script, { TERM: 'dumb' }).said.trim()).to.equal('plain');
  });

  it('knows how wide a terminal is, and that a file has no width', () => {
    expect(inFile('. scripts/lib.sh; find_width 1; echo "<$width>"').said).to.equal('<>\n');
    expect(onTerminal('stty cols 97; . scripts/lib.sh; find_width 1; echo $width').said.trim()).to.equal('97');
  });
});
