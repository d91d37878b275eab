// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkPattern } from '../../src/config/cgroup-pattern.js';
import { Scope, planScope } from '../../src/supervisor/gate/cgroups.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { temporaryFolder } from './support/temporary.js';

/** What the kernel has captured; a path with "bad" in it is no cgroup. */
class FakeGate {
  readonly captured = new Set<string>();
  readonly calls: string[] = [];

  attachCgroup(path: string): void {
    if (path.includes('bad')) throw new Error(`${path} is no folder of the cgroup2 hierarchy`);
    this.captured.add(path);
    this.calls.push(`+${path}`);
  }

  detachCgroup(path: string): void {
    this.captured.delete(path);
    this.calls.push(`-${path}`);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('patterns of cgroups', () => {
  const folder = temporaryFolder();
  const make = (...paths: string[]): void => paths.forEach((path) => mkdirSync(folder(path), { recursive: true }));
  const plan = (patterns: string[], most?: number) => {
    const { capture, waiting, collapsed } = planScope(
      patterns.map((pattern) => folder(pattern)),
      most,
    );
    const short = (paths: string[]): string[] => paths.map((path) => path.slice(folder().length + 1)).sort();
    return { capture: short(capture), waiting: short(waiting), collapsed: short(collapsed) };
  };
  before(() => make('k/burstable/pod1/c1', 'k/burstable/pod2', 'k/besteffort/pod3', 'k/besteffort/other', 'solo'));

  it('mean all folders that match, whole names and parts of them', () => {
    expect(plan(['solo', 'k/burstable/pod?', 'k/*/pod3']).capture).to.deep.equal([
      'k/besteffort/pod3',
      'k/burstable/pod1',
      'k/burstable/pod2',
      'solo',
    ]);
    expect(plan(['k/b*t/p*', 'k/b[a-z]*']).capture).to.deep.equal(['k/besteffort/pod3']);
  });

  it('are the folder in front of /* and /**, which covers what is below', () => {
    expect(plan(['k/**']).capture).to.deep.equal(['k']);
    expect(plan(['k/*']).capture).to.deep.equal(['k']);
    expect(plan(['k/*/*']).capture).to.deep.equal(['k']);
    expect(plan(['k/burst*/**']).capture).to.deep.equal(['k/burstable']);
    expect(plan(['k/burst*/**', 'k/*/pod1', 'k/*/pod1/c1', 'k/*/pod3']).capture).to.deep.equal([
      'k/besteffort/pod3',
      'k/burstable',
    ]);
  });

  it('wait for what is not there', () => {
    expect(plan(['gone', 'k/*/pod9', 'solo'])).to.deep.equal({
      capture: ['solo'],
      waiting: ['gone', 'k/*/pod9'],
      collapsed: [],
    });
  });

  it('capture more rather than less when they match too many', () => {
    expect(plan(['k/*/pod?', 'solo'], 3)).to.deep.equal({
      capture: ['k', 'solo'],
      waiting: [],
      collapsed: ['k/*/pod?'],
    });
  });

  it('allow ** at the end only', () => {
    for (const good of ['/a', '/a/**', '/**', '/a/*/b?', '/a/b*']) checkPattern(good);
    for (const bad of ['/a/**/b', '/a/b**', '/a/**b/**']) expect(() => checkPattern(bad)).to.throw();
  });
});

describe('scope', () => {
  const folder = temporaryFolder();
  let gate: FakeGate;
  let scope: Scope | undefined;
  let lines: ReturnType<typeof memoryLogger>['lines'];
  let root: string;
  let run = 0;

  const start = (...patterns: string[]): Scope => {
    const logger = memoryLogger();
    lines = logger.lines;
    const paths = patterns.map((pattern) => join(root, pattern));
    const plan = planScope(paths);
    for (const path of plan.capture) gate.attachCgroup(path);
    return (scope = new Scope(paths, plan, gate, logger.log));
  };
  const make = (path: string): void => void mkdirSync(join(root, path), { recursive: true });
  const captured = (): string[] => [...gate.captured].map((path) => path.slice(root.length + 1)).sort();

  beforeEach(() => {
    gate = new FakeGate();
    root = folder(`run${run++}`);
    mkdirSync(root);
  });
  afterEach(() => scope?.close());

  it('captures what appears, however deep, and lets go what vanishes', async () => {
    make('k/burstable');
    const now = start('k/*/pod*', 'later/on');
    expect(captured()).to.deep.equal([]);
    expect(now.waiting).to.have.length(2);
    make('k/burstable/pod1');
    await until(() => captured().length === 1);
    make('k/new/pod2/inner');
    await until(() => captured().length === 2);
    make('later');
    make('later/on');
    await until(() => captured().length === 3);
    expect(captured()).to.deep.equal(['k/burstable/pod1', 'k/new/pod2', 'later/on']);
    expect(now.waiting).to.deep.equal([]);
    rmdirSync(join(root, 'k/burstable/pod1'));
    await until(() => captured().length === 2);
    expect(now.cgroups).to.have.length(2);
    expect(lines.map(({ message }) => message.replaceAll(`${root}/`, ''))).to.deep.equal([
      'no cgroup matches k/*/pod* yet: waiting for one',
      'no cgroup matches later/on yet: waiting for one',
      'captured: k/burstable/pod1',
      'captured: k/new/pod2',
      'captured: later/on',
      'no longer captured: k/burstable/pod1',
    ]);
  });

  it('takes a cgroup that is made anew for another one', async () => {
    make('one');
    // Made before the other one goes: a file system may give the same inode's number again, cgroupfs does not.
    make('another');
    start('one');
    rmdirSync(join(root, 'one'));
    renameSync(join(root, 'another'), join(root, 'one'));
    await until(() => gate.calls.length === 3);
    expect(gate.calls.map((call) => call[0])).to.deep.equal(['+', '-', '+']);
  });

  it('changes to other patterns, the new ones first', () => {
    make('old');
    make('both');
    make('new');
    const now = start('old', 'both');
    gate.calls.length = 0;
    const prepared = now.prepare(['both', 'new'].map((name) => join(root, name)));
    expect(captured()).to.deep.equal(['both', 'new', 'old']);
    prepared.commit();
    expect(captured()).to.deep.equal(['both', 'new']);
    now.prepare([join(root, 'old')]).discard();
    expect(captured()).to.deep.equal(['both', 'new']);
    now.look();
    expect(captured()).to.deep.equal(['both', 'new']);
  });

  it('refuses what is no cgroup when it is asked for, and tells of it once when it appears by itself', async () => {
    make('old');
    make('bad1');
    const now = start('old');
    expect(() => now.prepare([join(root, 'new*'), join(root, 'bad1')])).to.throw('no folder of the cgroup2');
    expect(captured()).to.deep.equal(['old']);
    now.prepare([join(root, 'b*d'), join(root, 'old')]).commit();
    make('elsewhere');
    renameSync(join(root, 'elsewhere'), join(root, 'bad'));
    await until(() => lines.some(({ message }) => message.startsWith('cannot capture')));
    now.look();
    now.look();
    expect(lines.filter(({ message }) => message.startsWith('cannot capture'))).to.have.length(1);
  });
});
