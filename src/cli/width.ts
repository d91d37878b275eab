// SPDX-License-Identifier: Apache-2.0
/** How wide a line may be, and text made to fit it. */
import type { CliContext } from './context.js';

/** Where nobody says: terminals are at least as wide, and files read well so. */
const DEFAULT_COLUMNS = 80;

/** Columns of the terminal; undefined: the output goes elsewhere, where lines may be as long as they are. */
export function columnsOf(context: Pick<CliContext, 'terminal'>): number | undefined {
  const columns = context.terminal?.().columns;
  return columns === undefined || columns <= 0 ? undefined : columns;
}

/** Text in lines of the terminal's width at most, each with `indent` before it. A word that is longer has a line of its own. */
export function wrapped(context: Pick<CliContext, 'terminal'>, text: string, indent = ''): string {
  return wrapTo(columnsOf(context) ?? DEFAULT_COLUMNS, text, indent);
}

export function wrapTo(columns: number, text: string, indent = ''): string {
  const room = Math.max(20, columns - indent.length);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((one) => indent + one).join('\n');
}

/** What to do, below what it is about. */
export function remedyText(columns: number, remedy: string): string {
  return `    → ${wrapTo(columns, remedy, '      ').trimStart()}`;
}
