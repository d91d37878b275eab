// SPDX-License-Identifier: Apache-2.0
// @ts-check
/**
 * `node tools/structure.js`: what the linter does not see of the house, by reading the sources as they are (no build needed).
 * Import cycles count types too (import-x/no-cycle passes over `import type`): an import of a type is knowledge of the other file.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { FOLDERS, folderOf } from './layers.js';

export const MAX_LINES = 400;
/** Folders whose files are held to MAX_LINES. */
const MEASURED = ['src', 'native'];
const CODE = /\.(ts|c|cc|h|hpp)$/;

/** @typedef {Map<string, string[]>} Imports each file of a folder with the files of that folder that it imports, types included */

/**
 * The sources below a folder, as paths from it.
 * @param {string} folder
 * @returns {string[]}
 */
function sourcesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => CODE.test(file))
    .sort();
}

/**
 * @param {string} src the folder src/
 * @returns {Imports}
 */
export function readImports(src) {
  const files = new Set(sourcesBelow(src).filter((file) => file.endsWith('.ts')));
  const imports = new Map();
  for (const file of files) {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(src, file), 'utf8'));
    const targets = importedFiles
      .filter(({ fileName }) => fileName.startsWith('.'))
      .map(({ fileName }) => posix.join(posix.dirname(file), fileName).replace(/\.js$/, '.ts'))
      .filter((target) => files.has(target));
    imports.set(file, [...new Set(targets)]);
  }
  return imports;
}

/**
 * One cycle for each knot of files that reach each other, the shortest through its first file.
 * @param {Imports} imports
 * @returns {string[][]} each begins and ends with the same file
 */
export function findCycles(imports) {
  const cycles = [];
  const told = new Set();
  for (const start of imports.keys()) {
    if (told.has(start)) continue;
    /** @type {Map<string, string>} each file that was reached, with the one before it on the shortest way */
    const before = new Map();
    const queue = [start];
    for (const file of queue) {
      for (const next of imports.get(file) ?? []) {
        if (before.has(next)) continue;
        before.set(next, file);
        queue.push(next);
      }
    }
    if (!before.has(start)) continue;
    const cycle = [start];
    do cycle.unshift(/** @type {string} */ (before.get(/** @type {string} */ (cycle[0]))));
    while (cycle[0] !== start);
    cycles.push(cycle);
    // A file that is reached from here and from which here is reached is of the same knot: it is told by this cycle.
    for (const file of before.keys()) if (reaches(imports, file, start)) told.add(file);
  }
  return cycles;
}

/**
 * @param {Imports} imports
 * @param {string} from
 * @param {string} to
 */
function reaches(imports, from, to) {
  const seen = new Set([from]);
  for (const file of seen) for (const next of imports.get(file) ?? []) seen.add(next);
  return seen.has(to);
}

/**
 * Imports that do not go to a lower layer, and what the table of layers leaves out or has too much.
 * @param {Imports} imports
 * @returns {string[]}
 */
function layerProblems(imports) {
  const problems = [];
  const used = new Set();
  for (const [file, targets] of imports) {
    const own = folderOf(file);
    if (own === undefined) {
      problems.push(`src/${file}: its folder is not in tools/layers.js`);
      continue;
    }
    used.add(own.folder);
    for (const target of targets) {
      const other = folderOf(target);
      if (other === undefined || other.folder === own.folder || other.layer < own.layer) continue;
      problems.push(
        `src/${file} (layer ${own.layer}) imports src/${target} (layer ${other.layer}): imports go down only, types included`,
      );
    }
  }
  for (const { folder } of FOLDERS) {
    if (!used.has(folder)) problems.push(`tools/layers.js names src/${folder}, where no file is`);
  }
  return problems;
}

/** @param {string} text */
const linesOf = (text) => text.split('\n').length - (text.endsWith('\n') ? 1 : 0);

/** @param {readonly number[]} numbers sorted */
const median = (numbers) => numbers[Math.floor(numbers.length / 2)] ?? 0;

/**
 * The folders of the table that each folder of it imports, types included.
 * @param {string} src the folder src/
 * @returns {Map<string, Set<string>>}
 */
export function folderImports(src) {
  const known = new Map(FOLDERS.map(({ folder }) => [folder, new Set()]));
  for (const [file, targets] of readImports(src)) {
    const own = folderOf(file);
    for (const other of targets.map(folderOf)) {
      if (own !== undefined && other !== undefined && other.folder !== own.folder)
        known.get(own.folder)?.add(other.folder);
    }
  }
  return known;
}

/**
 * @param {string} root of the checkout
 * @returns {{ problems: string[], summary: string[] }}
 */
export function checkStructure(root) {
  const imports = readImports(join(root, 'src'));
  const problems = findCycles(imports).map((cycle) => `import cycle: src/${cycle.join(' → src/')}`);
  problems.push(...layerProblems(imports));
  for (const file of imports.keys()) {
    if (file.endsWith('/index.ts'))
      problems.push(`src/${file}: a barrel; only src/index.ts is one, others import the file that defines`);
  }
  const summary = [];
  for (const folder of MEASURED) {
    const sizes = sourcesBelow(join(root, folder))
      .map((file) => ({ file, lines: linesOf(readFileSync(join(root, folder, file), 'utf8')) }))
      .sort((a, b) => a.lines - b.lines);
    for (const { file, lines } of sizes) {
      if (lines > MAX_LINES) problems.push(`${folder}/${file}: ${lines} lines; a file has at most ${MAX_LINES}`);
    }
    const last = sizes.at(-1);
    if (last !== undefined) {
      const middle = median(sizes.map(({ lines }) => lines));
      summary.push(`${folder}: ${sizes.length} files, median ${middle} lines, longest ${last.lines} (${last.file})`);
    }
  }
  return { problems, summary };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { problems, summary } = checkStructure(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const line of summary) console.log(line);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
