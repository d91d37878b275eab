// SPDX-License-Identifier: Apache-2.0
/** The picture of src/ in docs/ARCHITECTURE.md and its twin: its folders by layer, what each holds, and which folders it imports. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FOLDERS } from './layers.js';
import { folderImports } from './structure.js';

const BEGIN = '<!-- folders: made by tools/architecture.ts, do not edit -->';
const END = '<!-- /folders -->';

/** One line a folder. Its number ends its row of marks and heads its column; since imports go down only, nothing is right of it. */
function renderFolders(root: string): string {
  const imports = folderImports(join(root, 'src'));
  const width = Math.max(...FOLDERS.map(({ folder }) => folder.length));
  const rows = FOLDERS.map(({ folder, layer, holds }, row) => {
    const marks = FOLDERS.slice(0, row).map((other) => (imports.get(folder)?.has(other.folder) === true ? '● ' : '· '));
    return `${String(layer).padStart(2)}  ${folder.padEnd(width)}  ${marks.join('')}${row + 1}  ${holds}`;
  });
  return ['```', ...rows, '```'].join('\n');
}

/** A page, docs/ARCHITECTURE.md or its twin, with the picture as it should be. */
export function renderArchitecture(root: string, file: string): string {
  const page = readFileSync(join(root, file), 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${file} lacks the lines ${BEGIN} and ${END}`);
  return `${page.slice(0, begin)}${BEGIN}\n${renderFolders(root)}\n${page.slice(end)}`;
}
