// SPDX-License-Identifier: Apache-2.0
/** scripts/test and its machines, which are played here: that every group runs once, and that the end says what there is to say of a machine that ended. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';

/**
 * In the place of scripts/vm, and of scripts/vm-tests in it. A group `panics` ends its machine, in the first one of a group `breaks` the emulation breaks; a kernel of the name in NO_BOOT does not boot.
 */
const MACHINE = `#!/usr/bin/env bash
while [ "$1" != -- ]; do
  case $1 in --out) out=$2 ;; --console) console=$2 ;; --kernel) kernel=$2 ;; esac
  shift
done
echo 'it boots' >"$console"
echo 'qemu says this' >"$console.qemu"
[ "$kernel" != "$NO_BOOT" ] || exit 70
while IFS=$'\\t' read -r group files; do
  its=$out/$group
  mkdir "$its" || exit 1
  echo "machine $kernel runs $group: $files"
  if [ "$group" = breaks ] && [ ! -e "$out/broken" ]; then
    touch "$out/broken"
    exit 71
  fi
  if [ "$group" = panics ]; then
    echo 'a suite > a test' >"$its/totals.json.now"
    printf 'Kernel panic - not syncing: softlockup: hung tasks\\r\\n' >>"$console"
    exit 70
  fi
  echo '{"passed":2,"failed":0,"pending":0,"duration":1}' >"$its/totals.json"
  echo '0 1' >"$its/ended"
done <"$out/plan"
`;

describe('scripts/test', () => {
  let tree: string;

  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), 'tlshub-test-'));
    for (const name of ['test', 'lib.sh']) put(`scripts/${name}`, '');
    for (const name of ['test', 'lib.sh']) copyFileSync(`scripts/${name}`, join(tree, 'scripts', name));
    put('scripts/vm', MACHINE);
    put('build/test/speed.js', "process.stdout.write('100')");
  });
  afterEach(() => rmSync(tree, { recursive: true }));

  function put(path: string, text: string): void {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text, { mode: 0o755 });
  }

  /** Groups of tests, with as many files as said, and when they run. */
  function groups(files: Record<string, number>, when = ''): void {
    for (const [group, count] of Object.entries(files)) {
      for (let i = 0; i < count; i++) put(`build/test/vm/${group}/${i}.test.js`, '');
    }
    put('test/vm/groups.txt', when);
  }

  function run(env: NodeJS.ProcessEnv = {}): Promise<{ status: number; lines: string[]; ran: string[] }> {
    const command = [join(tree, 'scripts/test'), '--vm', '--no-build'];
    return new Promise((done) =>
      execFile('/usr/bin/env', ['bash', ...command], { env: { ...process.env, ...env } }, (error, stdout) => {
        const lines = stdout.trimEnd().split('\n');
        const ran = lines.flatMap((line) => /^machine (\S+ runs \w+)/.exec(line)?.[1] ?? []);
        done({ status: error === null ? 0 : Number(error.code), lines, ran });
      }),
    );
  }

  it('runs each group once on each of its kernels', async () => {
    groups({ one: 1, two: 2, three: 3, old: 1, later: 1 }, 'three  every\nlater  extended\nold  6.1\n');
    const { status, lines, ran } = await run();
    expect(status, lines.join('\n')).to.equal(0);
    expect(ran).to.deep.equal([
      '6.12 runs one',
      '6.12 runs three',
      '6.12 runs two',
      '6.1 runs old',
      '6.1 runs three',
      '7.3 runs three',
    ]);
    expect(lines.at(-1)).to.equal('12 passed, 0 failed');
  });

  it('names the test that had begun in a machine that ended and what was said there, and runs the others in another one', async () => {
    groups({ one: 1, panics: 2, two: 1 });
    const { status, lines, ran } = await run();
    expect(status).to.equal(1);
    expect(ran).to.deep.equal(['6.12 runs one', '6.12 runs panics', '6.12 runs two']);
    expect(lines.slice(-5)).to.deep.equal([
      'failed: vm panics, kernel 6.12: ended with status 70 before its tests did',
      'failed:   begun last: a suite > a test',
      'failed:   console: Kernel panic - not syncing: softlockup: hung tasks',
      'failed:   qemu: qemu says this',
      '4 passed, 1 failed',
    ]);
  });

  it('begins a group anew whose machine was not emulated well', async () => {
    groups({ breaks: 1, one: 1 });
    const { status, lines, ran } = await run();
    expect(status, lines.join('\n')).to.equal(0);
    expect(ran).to.deep.equal(['6.12 runs breaks', '6.12 runs breaks', '6.12 runs one']);
    expect(lines).to.include('vm breaks, kernel 6.12: the emulation of its machine broke; it begins anew');
    expect(lines.at(-1)).to.equal('4 passed, 0 failed');
  });

  it('counts what could not run, since its machine did not boot, as failed', async () => {
    groups({ one: 1 }, 'one  every\n');
    const { status, lines, ran } = await run({ NO_BOOT: '6.1' });
    expect(status).to.equal(1);
    expect(ran).to.deep.equal(['6.12 runs one', '7.3 runs one']);
    expect(lines).to.include('failed: vm, kernel 6.1: the machine ended with status 70 before its first test');
    expect(lines.at(-1)).to.equal('4 passed, 1 failed');
  });
});
