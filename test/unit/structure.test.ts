// SPDX-License-Identifier: Apache-2.0
/** The rules of the house, on a made-up house that keeps them and then breaks one at a time; and the picture of the real one. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { renderArchitecture } from '../../tools/architecture.js';
import { FOLDERS } from '../../tools/layers.js';
import { MAX_LINES, checkStructure, findCycles, folderImports } from '../../tools/structure.js';
import { temporaryFolder } from './support/temporary.js';

describe('the structure of src and native', () => {
  const path = temporaryFolder();
  const write = (file: string, text = ''): void => {
    mkdirSync(dirname(path(file)), { recursive: true });
    writeFileSync(path(file), text);
  };
  const problems = (): string[] => checkStructure(path()).problems;

  beforeEach(() => {
    for (const { folder } of FOLDERS) write(`src/${folder}/a.ts`, 'export type A = 1;\n');
    write('src/policy/decide.ts', "import type { A } from './a.js';\nimport { b } from '../mapping/a.js';\n");
    write('native/domain/gate.cc', '\n'.repeat(MAX_LINES));
  });
  afterEach(() => {
    rmSync(path('src'), { recursive: true });
    rmSync(path('native'), { recursive: true });
  });

  it('is in order where it keeps the rules', () => {
    expect(problems()).to.deep.equal([]);
    expect(folderImports(path('src')).get('policy')).to.deep.equal(new Set(['mapping']));
  });

  it('has no cycle of imports, types included', () => {
    write('src/policy/one.ts', "import type { Two } from './two.js';\n");
    write('src/policy/two.ts', "export { type Three } from './three.js';\n");
    write('src/policy/three.ts', "export type Three = import('./one.js').One;\n");
    write('src/policy/four.ts', "import './one.js';\n");
    expect(problems()).to.deep.equal([
      'import cycle: src/policy/one.ts → src/policy/two.ts → src/policy/three.ts → src/policy/one.ts',
    ]);
  });

  it('has each knot of cycles told once, whatever else reaches it', () => {
    const imports = new Map([
      ['in', ['a']],
      ['a', ['b', 'out']],
      ['b', ['a', 'c']],
      ['c', ['b']],
      ['out', ['x']],
      ['x', ['x']],
    ]);
    expect(findCycles(imports)).to.deep.equal([
      ['a', 'b', 'a'],
      ['x', 'x'],
    ]);
  });

  it('imports lower layers only, types included', () => {
    write('src/policy/up.ts', "import type { A } from '../supervisor/flow/a.js';\n");
    write('src/tlshub/beside.ts', "import { a } from '../mapping/a.js';\n");
    expect(problems().map((problem) => problem.replaceAll(/ \(layer \d+\)/g, ''))).to.deep.equal([
      'src/policy/up.ts imports src/supervisor/flow/a.ts: imports go down only, types included',
      'src/tlshub/beside.ts imports src/mapping/a.ts: imports go down only, types included',
    ]);
  });

  it('has all its folders in the table, and the table no other', () => {
    write('src/shared/new/b.ts');
    write('src/new/b.ts');
    rmSync(path('src/report'), { recursive: true });
    expect(problems()).to.deep.equal([
      'src/new/b.ts: its folder is not in tools/layers.js',
      'src/shared/new/b.ts: its folder is not in tools/layers.js',
      'tools/layers.js names src/report, where no file is',
    ]);
  });

  it('has no file that is too long, and no barrel but the face of the package', () => {
    write('src/index.ts', "export { type A } from './policy/a.js';\n");
    write('src/policy/index.ts');
    write('src/policy/long.ts', '\n'.repeat(MAX_LINES + 1));
    write('native/domain/gate.cc', `${'\n'.repeat(MAX_LINES)}}`);
    expect(problems()).to.deep.equal([
      'src/policy/index.ts: a barrel; only src/index.ts is one, others import the file that defines',
      `src/policy/long.ts: ${MAX_LINES + 1} lines; a file has at most ${MAX_LINES}`,
      `native/domain/gate.cc: ${MAX_LINES + 1} lines; a file has at most ${MAX_LINES}`,
    ]);
  });
});

describe('docs/ARCHITECTURE.md', () => {
  it('has the picture of the folders as they are', () => {
    const remedy = 'out of date: run `scripts/build && node build/tools/docs.js`';
    for (const file of ['docs/ARCHITECTURE.md', 'docs/zh/ARCHITECTURE.md'])
      expect(readFileSync(file, 'utf8'), remedy).to.equal(renderArchitecture('.', file));
  });
});
