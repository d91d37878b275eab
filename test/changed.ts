/**
 * Which tests a change can have touched: `node build/test/changed.js FILE...` with the changed files, as git names them. On standard output
 * the compiled tests, a line each, and `programs` where the native tests without node are among them; on standard error what was chosen, and
 * why. What it does not know it takes for something that touches everything.
 *
 * A test depends on what it imports, directly or not, and on every file or folder of this repository that a string in those names: programs
 * that it starts, documents that it reads. Tests in the virtual machine depend on the agent too.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The agent is started by scripts, which no import shows; its threads are named by strings. */
const AGENT = 'build/src/supervisor.js';

/** Changed paths that begin like this touch everything, or the kinds of tests named. The first that fits counts. */
const RULES: [RegExp, 'all' | 'native and vm' | 'vm' | 'lint'][] = [
  [/^(native|bpf)\//, 'native and vm'],
  [/^test\/(peers|bpf)\//, 'native and vm'],
  [/^scripts\/(vm|lab)/, 'vm'],
  [/^test\/vm\/(harness\/|groups\.txt)/, 'vm'],
  [
    /^scripts\/(lint|fresh|bench|demo|start)$|^(eslint\.config\.js|\.prettier.*|\.gitignore|LICENSE.*|[A-Z]+\.md)$/,
    'lint',
  ],
  [/^(bench|tools)\//, 'lint'],
  [/^(scripts|\.ci)\/|^(package.*\.json|tsconfig.*\.json|\.mocharc\.json|\.npmrc)$|^test\/[^/]*\.ts$/, 'all'],
];
/** Folders that only count where a test's strings or imports lead there. */
const KNOWN = /^(src|test|docs|deploy|config)\//;

/** Every path of the repository that this one depends on: as sources, folders with a slash at the end. */
export class Dependencies {
  readonly #direct = new Map<string, string[]>();

  /** @param compiled a compiled file, in build */
  of(compiled: string): Set<string> {
    const seen = new Set<string>();
    const found = new Set<string>();
    const queue = [compiled];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      found.add(sourceOf(file));
      if (file.endsWith('.js')) queue.push(...this.#mentioned(file));
    }
    return found;
  }

  /** What a file's imports and strings name, in build where it is compiled. */
  #mentioned(file: string): string[] {
    const known = this.#direct.get(file);
    if (known !== undefined) return known;
    const strings = existsSync(file) ? readFileSync(file, 'utf8').matchAll(/(['"`])([\w@./-]{3,200})\1/g) : [];
    const paths: string[] = [];
    for (const [, , text] of strings) {
      const relative = text!.startsWith('.') ? normalize(join(dirname(file), text!)) : normalize(text!);
      const compiled = relative.replace(/^dist\//, 'build/src/');
      if (compiled.startsWith('..') || compiled.startsWith('/') || !compiled.includes('/')) {
        if (!/^[A-Z][\w.-]*\.md$|^(docs|deploy)$/.test(compiled)) continue;
      }
      // A document that the product names is for its users to read, not for itself.
      if (file.startsWith('build/src/') && !compiled.startsWith('build/src/')) continue;
      if (existsSync(compiled)) paths.push(compiled.replace(/\/$/, ''));
    }
    this.#direct.set(file, paths);
    return paths;
  }
}

/** `build/test/x.js` is `test/x.ts`; the programs of test/programs are below build/programs. Folders end in a slash. */
function sourceOf(path: string): string {
  if (/^build\/(src|test|bench)\/.*\.js$/.test(path)) return path.slice('build/'.length).replace(/\.js$/, '.ts');
  const source = path.replace(/^build\/programs/, 'test/programs').replace(/^build\/(?=src|test|bench)/, '');
  if (path.startsWith('build/programs/')) return existsSync(`${source}.c`) ? `${source}.c` : `${source}/`;
  return existsSync(source) && statSync(source).isDirectory() ? `${source}/` : source;
}

export interface Choice {
  /** compiled test file, or `programs` */
  test: string;
  why: string;
}

const kindOf = (test: string): 'vm' | 'native' | 'unit' =>
  test.startsWith('build/test/vm/') ? 'vm' : test.startsWith('build/test/native/') ? 'native' : 'unit';

/** @param tests compiled ones, all that there are */
export function choose(changed: readonly string[], tests: readonly string[], dependencies: Dependencies): Choice[] {
  const reasons = new Map<string, string>();
  const add = (which: readonly string[], why: string): void => {
    for (const test of which) if (!reasons.has(test)) reasons.set(test, why);
  };
  const agent = dependencies.of(AGENT);
  const needs = new Map(
    tests.map((test) => [test, new Set([...dependencies.of(test), ...(kindOf(test) === 'vm' ? agent : [])])]),
  );
  for (const file of changed) {
    const rule = RULES.find(([pattern]) => pattern.test(file))?.[1] ?? (KNOWN.test(file) ? undefined : 'all');
    if (rule === 'all') add([...tests, 'programs'], `${file} is for all of them`);
    if (rule === 'vm' || rule === 'native and vm') {
      add(
        tests.filter((test) => kindOf(test) === 'vm'),
        `${file} is part of every run in the virtual machine`,
      );
    }
    if (rule === 'native and vm') {
      const native = tests.filter((test) => kindOf(test) === 'native');
      add([...native, 'programs'], `${file} is native code`);
    }
    for (const [test, paths] of needs) {
      const through = [...paths].find((path) => path === file || (path.endsWith('/') && file.startsWith(path)));
      if (through !== undefined) add([test], `${file} is used by it`);
    }
  }
  return [...reasons].map(([test, why]) => ({ test, why }));
}

function testFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(folder, name))
    .sort();
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const tests = testFiles('build/test');
  const chosen = choose(process.argv.slice(2), tests, new Dependencies());
  const byReason = new Map<string, string[]>();
  for (const { test, why } of chosen) byReason.set(why, [...(byReason.get(why) ?? []), test]);
  process.stderr.write(`${chosen.filter(({ test }) => test !== 'programs').length} of ${tests.length} test files\n`);
  for (const [why, names] of byReason) {
    const shown = names.slice(0, 8).map((name) => (name === 'programs' ? 'native programs' : sourceOf(name)));
    const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : '';
    process.stderr.write(`  ${why}: ${shown.join(', ')}${more}\n`);
  }
  process.stdout.write(chosen.map(({ test }) => `${test}\n`).join(''));
}
