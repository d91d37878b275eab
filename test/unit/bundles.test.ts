// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { originalStack } from '../../src/shared/files/original-stack.js';
import { temporaryFolder } from './support/temporary.js';

/** Where `text` first is in the file, as a stack says it: from 1. */
function placeOf(file: string, text: string): string {
  const lines = readFileSync(file, 'utf8').split('\n');
  const line = lines.findIndex((one) => one.includes(text));
  expect(line, `${text} in ${file}`).to.be.at.least(0);
  return `${file}:${line + 1}:${lines[line]!.indexOf(text) + 1}`;
}

/** The files of dist/ that this one imports, by the form of the import. */
function namedIn(file: string): { atOnce: string[]; later: string[] } {
  const text = readFileSync(file, 'utf8');
  const all = (form: RegExp): string[] => [...text.matchAll(form)].map(([, from]) => join(dirname(file), from!));
  return { atOnce: all(/^(?:import |\} from ).*?"(\.[^"]+\.js)";$/gm), later: all(/import\("(\.[^"]+\.js)"\)/g) };
}

/** What is read with the file, and with what is read with it. */
function atOnceOf(file: string, seen = new Set<string>()): string[] {
  for (const next of namedIn(file).atOnce.filter((each) => !seen.has(each))) {
    seen.add(next);
    atOnceOf(next, seen);
  }
  return [...seen];
}

/** Of all files that a program can come to read: what some file of them reads with itself, and what one reads only when it comes to it. */
function importsOf(program: string): { atOnce: string[]; later: string[] } {
  const files = new Set([program]);
  for (const file of files) for (const next of Object.values(namedIn(file)).flat()) files.add(next);
  const each = [...files].map(namedIn);
  return { atOnce: each.flatMap(({ atOnce }) => atOnce), later: [...new Set(each.flatMap(({ later }) => later))] };
}

describe('originalStack', () => {
  it('names the places of the sources for those of a bundle', () => {
    const bundled = placeOf(resolve('dist/supervisor.js'), 'throw new UsageError("more than one configuration file")');
    const source = placeOf(resolve('src/supervisor.ts'), "throw new UsageError('more than one configuration file')");
    const stack = (place: string): string =>
      `UsageError: more\n    at parseArguments (${place})\n    at node:internal/x:1:2`;
    expect(originalStack(stack(`file://${bundled}`))).to.equal(stack(source));
    expect(originalStack(stack(bundled))).to.equal(stack(source));
  });

  it('leaves what has no map, and what no map knows', () => {
    const stack = `Error\n    at f (/no/such/file.js:1:2)\n    at ${resolve('package.json')}:1:1\n    at g (<anonymous>)`;
    expect(originalStack(stack)).to.equal(stack);
    expect(originalStack('')).to.equal('');
  });
});

describe('the bundles', () => {
  it('are one file a program and a thread, with nothing to find in node_modules', () => {
    const files = [
      'supervisor',
      'index',
      ...['event-reader', 'installer', 'negotiator', 'channel-host', 'pool-thread'].map((name) => `workers/${name}`),
    ];
    for (const name of files) {
      const text = readFileSync(resolve('dist', `${name}.js`), 'utf8');
      const imported = [...text.matchAll(/^import (?:.* from )?"([^"]+)";$/gm)].map(([, from]) => from!);
      const found = imported.filter((from) => !isBuiltin(from) && !from.startsWith('./late/'));
      expect(found, name).to.deep.equal([]);
    }
  });

  it('load the client of Kubernetes, OpenTelemetry and the maker of certificates only when asked for', () => {
    for (const [program, late] of [
      ['dist/supervisor.js', 'kube-config'],
      ['dist/supervisor.js', 'pipeline'],
      ['dist/cli/tlshubctl.js', 'pki'],
    ] as const) {
      const { atOnce, later } = importsOf(program);
      const named = (file: string): boolean => file.includes(`/late/${late}-`);
      expect(later.filter(named), program).to.have.length(1);
      expect(atOnce.filter(named), program).to.deep.equal([]);
    }
  });

  it('begin with the first steps of an agent alone: the gate is in the making while the rest is read', () => {
    const { atOnce, later } = importsOf('dist/supervisor.js');
    expect(later.filter((file) => file.includes('/late/run-'))).to.have.length(1);
    const first = ['dist/supervisor.js', ...atOnceOf('dist/supervisor.js')].map((file) => readFileSync(file, 'utf8'));
    expect(first.join(''))
      .to.include('loadGate')
      .and.not.include('createLogger')
      .and.not.include('node_modules/piscina');
    expect(atOnce.filter((file) => file.includes('/late/run-'))).to.deep.equal([]);
  });

  it('find their package when they are asked for its version', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    for (const file of ['dist/supervisor.js', 'dist/cli/tlshubctl.js']) {
      const { stdout, status } = spawnSync(process.execPath, [file, '--version'], { encoding: 'utf8' });
      expect({ stdout, status }).to.deep.equal({ stdout: `${version}\n`, status: 0 });
    }
  });
});

/**
 * What `tlshubctl --version` and `--help` cost beside Node.js itself is what they read and run before they answer: they take at most twice the
 * time of `node -e 0` with what is listed here, and one client of Kubernetes more would be felt.
 */
describe('tlshubctl --version and --help', () => {
  const path = temporaryFolder();
  const PACKAGES = [
    '@colors/colors',
    'ansi-regex',
    'cli-table3',
    'commander',
    'emoji-regex',
    'is-fullwidth-code-point',
    'string-width',
    'strip-ansi',
  ];
  const FOLDERS = ['cli', 'config', 'control', 'mapping', 'policy', 'release', 'report', 'shared', 'supervisor/gate'];
  const BUILTINS = 'buffer child_process events fs module net os path process timers/promises url util'.split(' ');
  const MOST_BYTES = 450_000;

  /** Files that Node.js reads for a command, as a hook on its loader sees them. */
  function loaded(option: string): string[] {
    const list = path('loaded');
    rmSync(list, { force: true });
    const hook = `import { appendFileSync } from 'node:fs';
export function load(url, context, next) { appendFileSync(${JSON.stringify(list)}, url + '\\n'); return next(url, context); }`;
    const asData = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;
    writeFileSync(
      path('hook.mjs'),
      `import { register } from 'node:module'; register(${JSON.stringify(asData(hook))});`,
    );
    const args = ['--no-warnings', '--import', path('hook.mjs'), 'dist/cli/tlshubctl.js', option];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
    const urls = readFileSync(list, 'utf8').trim().split('\n');
    return urls.filter((url) => url.startsWith('file:')).map((url) => relative('.', fileURLToPath(url)));
  }

  for (const option of ['--version', '--help']) {
    it(`${option} reads the command line and no more`, () => {
      const files = loaded(option);
      expect(files).to.include('dist/cli/tlshubctl.js');
      const sources = files.flatMap((file) => {
        const { sources: from } = JSON.parse(readFileSync(`${file}.map`, 'utf8')) as { sources: string[] };
        return from.map((source) => join(dirname(file), source));
      });
      const packages = sources.flatMap((file) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
      expect([...new Set(packages)].sort()).to.deep.equal(PACKAGES);
      const own = sources.filter((file) => file.startsWith('src/'));
      expect(own).to.include('src/cli/program.ts');
      expect(own.filter((file) => !FOLDERS.some((folder) => file.startsWith(`src/${folder}/`)))).to.deep.equal([]);
      const named = files.flatMap((file) => [
        ...readFileSync(file, 'utf8').matchAll(/^import .*"([^"]+)";$|\brequire\("([^"]+)"\)/gm),
      ]);
      const builtins = named.map(([, from, required]) => (from ?? required)!.replace(/^node:/, '')).filter(isBuiltin);
      expect(builtins).to.include('fs');
      expect([...new Set(builtins)].filter((name) => !BUILTINS.includes(name))).to.deep.equal([]);
      const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
      expect(bytes).to.be.within(1000, MOST_BYTES);
    });
  }
});
