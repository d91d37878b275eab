// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { originalStack } from '../../src/shared/files/original-stack.js';

/** Where `text` first is in the file, as a stack says it: from 1. */
function placeOf(file: string, text: string): string {
  const lines = readFileSync(file, 'utf8').split('\n');
  const line = lines.findIndex((one) => one.includes(text));
  expect(line, `${text} in ${file}`).to.be.at.least(0);
  return `${file}:${line + 1}:${lines[line]!.indexOf(text) + 1}`;
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
      ...['event-reader', 'installer', 'negotiator', 'pool-thread'].map((name) => `workers/${name}`),
    ];
    for (const name of files) {
      const text = readFileSync(resolve('dist', `${name}.js`), 'utf8');
      const imported = [...text.matchAll(/^import (?:.* from )?"([^"]+)";$/gm)].map(([, from]) => from!);
      const found = imported.filter((from) => !isBuiltin(from) && !from.startsWith('./late/'));
      expect(found, name).to.deep.equal([]);
    }
  });

  it('load the client of Kubernetes and the maker of certificates only when asked for', () => {
    for (const [program, late] of [
      ['dist/supervisor.js', 'kube-config'],
      ['dist/cli/tlshubctl.js', 'pki'],
    ] as const) {
      const text = readFileSync(program, 'utf8');
      const [, file] = new RegExp(`import\\("\\.{1,2}/late/(${late}-\\w+\\.js)"\\)`).exec(text) ?? [];
      expect(file, program).to.not.equal(undefined);
      expect(existsSync(`dist/late/${file}`)).to.equal(true);
      expect(text).to.not.include(`from "./late/${late}`);
    }
  });

  it('find their package when they are asked for its version', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    for (const file of ['dist/supervisor.js', 'dist/cli/tlshubctl.js']) {
      const { stdout, status } = spawnSync(process.execPath, [file, '--version'], { encoding: 'utf8' });
      expect({ stdout, status }).to.deep.equal({ stdout: `${version}\n`, status: 0 });
    }
  });
});
