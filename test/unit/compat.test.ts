// SPDX-License-Identifier: Apache-2.0
/** The list of compatible programs: that a run of it can fail, and that its documents are of its results. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { comparable, differences, summary } from '../compat/compare.js';
import type { Place, Step } from '../compat/place.js';
import { FIRST_PORT, PORTS_EACH, TRACED } from '../compat/ports.js';
import { readRuns, withRun, type Result, type Run } from '../compat/results.js';
import { KINDS, SITUATIONS } from '../compat/situations/all.js';
import { renderCompatibility } from '../../tools/compatibility.js';

const step = (more: Partial<Step> = {}): Step => ({ what: 'curl', status: '0', stdout: '', stderr: '', ...more });

/** Of a run: its folder and ports, and what its programs did. */
const run = (way: 'p' | 's', ...steps: Step[]): Pick<Place, 'steps' | 'folder' | 'port'> => ({
  steps,
  folder: `/tmp/compat/${way}001`,
  port: (n) => (way === 'p' ? 11_010 : 21_010) + (n ?? 0),
});

const listed = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').split(' ')[0]!)
    .filter((name) => name !== '');

describe('compatible programs', () => {
  describe('what differs', () => {
    it('is neither a port, nor a folder, nor a date, nor what the situation names', () => {
      const date = ['Mon, 01 Jan 2024 10:00:00 GMT', 'Tue, 02 Jan 2024 11:00:00 GMT'];
      const plain = run('p', step({ stdout: `to 11010 in /tmp/compat/p001/x at ${date[0]!}, pid 7` }));
      const secured = run('s', step({ stdout: `to 21010 in /tmp/compat/s001/x at ${date[1]!}, pid 8` }));
      const varies = [[/pid \d+/g, 'PID']] as const;
      expect(differences(comparable(plain, varies), comparable(secured, varies))).to.deep.equal([]);
      expect(differences(comparable(plain, []), comparable(secured, []))).to.have.lengthOf(1);
    });

    it('is a status, an output, an error that is printed, a file, a client that is not there', () => {
      const plain = [step({ stdout: 'one' }), step({ what: 'out', status: undefined, stdout: 'the content of file' })];
      const cases: Step[][] = [
        [step({ stdout: 'one', status: '56' }), plain[1]!],
        [step({ stdout: 'two' }), plain[1]!],
        [step({ stdout: 'one', stderr: 'reset by peer' }), plain[1]!],
        [plain[0]!, { ...plain[1]!, stdout: '9056 bytes that are not file' }],
        [plain[0]!],
      ];
      for (const secured of cases) expect(differences(plain, secured), JSON.stringify(secured)).to.have.lengthOf(1);
    });

    it('is told from where two outputs part', () => {
      const long = 'x'.repeat(5000);
      const [line] = differences([step({ stdout: `${long}a` })], [step({ stdout: `${long}b` })]);
      expect(line).to.match(/plain "x+a", secured "x+b"/);
    });
  });

  it('are summed up by statuses and bytes', () => {
    expect(summary([step({ stdout: 'abc' }), step({ status: '7', stderr: 'de' })])).to.equal('0, 7; 5 B');
    expect(summary([1, 2, 3, 4].map(() => step()))).to.equal('4 × 0; 0 B');
  });

  describe('results', () => {
    const [one, two] = SITUATIONS;
    const result = (name: string, more: Partial<Result> = {}): Result => ({
      ...{ name, versions: '', date: '2026-01-01', verdict: 'same', plain: '0', secured: '0', detail: '' },
      ...more,
    });
    const runOf = (kernel: string, ...results: Result[]): Run => ({
      ...{ kernel, release: kernel, mode: 'openssl', family: 'IPv4', version: '1', results },
    });

    it('take the place of those of the same situation and kind of run only', () => {
      const known = [
        runOf('6.1', result(one!.name)),
        runOf('6.12', result(one!.name), result(two!.name), result('gone')),
      ];
      const runs = withRun(known, runOf('6.12', result(two!.name, { date: '2026-02-02' })), SITUATIONS);
      expect(runs.map(({ kernel, results }) => [kernel, results.map(({ name, date }) => [name, date])])).to.deep.equal([
        [
          '6.12',
          [
            [one!.name, '2026-01-01'],
            [two!.name, '2026-02-02'],
          ],
        ],
        ['6.1', [[one!.name, '2026-01-01']]],
      ]);
    });

    it('are known differences only where what was seen is what the list says', () => {
      const seen = (detail: string): string | undefined => {
        const known = { ...one!, differs: { seen: /secured 56/, reason: { en: '', zh: '' } } };
        const [run] = withRun([], runOf('6.12', result(one!.name, { verdict: 'differs', detail })), [known]);
        return run?.results[0]?.verdict;
      };
      expect(seen('curl: status plain 0, secured 56')).to.equal('known');
      expect(seen('curl: status plain 0, secured 7')).to.equal('differs');
    });
  });

  it('are at least sixty situations, each with a name of its own and with ports below those of clients', () => {
    const names = SITUATIONS.map(({ name }) => name);
    expect(names.length).to.be.at.least(60);
    expect(new Set(names).size).to.equal(names.length);
    const room = PORTS_EACH * names.length;
    expect(room).to.be.at.most(TRACED);
    expect(FIRST_PORT.plain + TRACED + room).to.be.at.most(FIRST_PORT.secured);
    expect(FIRST_PORT.secured + TRACED + room).to.be.below(32_768);
  });

  it('need only packages that are installed for them, and all that are', () => {
    const own = listed('test/compat/packages.txt');
    const all = new Set([...own, ...listed('scripts/packages.txt'), 'nodejs']);
    const needed = new Set(SITUATIONS.flatMap(({ packages }) => packages));
    expect([...needed].filter((name) => !all.has(name))).to.deep.equal([]);
    expect(own.filter((name) => !needed.has(name))).to.deep.equal([]);
  });

  it('have results of situations that there are, and documents made of them', () => {
    const runs = readRuns();
    const names = new Set(SITUATIONS.map(({ name }) => name));
    for (const { results } of runs) expect(results.filter(({ name }) => !names.has(name))).to.deep.equal([]);
    const remedy = 'run: scripts/build && node build/tools/docs.js';
    expect(readFileSync('docs/COMPATIBILITY.md', 'utf8'), remedy).to.equal(renderCompatibility(KINDS, runs, 'en'));
    expect(readFileSync('docs/zh/COMPATIBILITY.md', 'utf8'), remedy).to.equal(renderCompatibility(KINDS, runs, 'zh'));
  });
});
