// SPDX-License-Identifier: Apache-2.0
/** What a check found, for people: a block for each item, with the remedy below what is missing. */
import { printable } from '../shared/text/printable.js';
import { paintFor, sign } from './colour.js';
import type { CliContext } from './context.js';
import { columnsOf, remedyText, wrapTo } from './width.js';

/** One thing that was looked at. */
export interface CheckedItem {
  name: string;
  ok: boolean;
  /** it is there, but worth a look */
  warning?: true;
  /** what was seen */
  detail: string;
  /** what to do if it is not ok */
  remedy: string;
}

const DEFAULT_COLUMNS = 80;

export function checkText(context: CliContext, items: readonly CheckedItem[]): string {
  const paint = paintFor(context);
  const columns = columnsOf(context) ?? DEFAULT_COLUMNS;
  const longest = Math.max(...items.map(({ name }) => name.length));
  const hanging = ' '.repeat(longest + 4);
  const blocks = items.map(({ name, ok, warning, detail, remedy }) => {
    const mood = ok ? (warning === true ? 'warning' : 'good') : 'bad';
    const seen = wrapTo(columns, printable(detail), hanging).slice(hanging.length);
    const line = `${sign(paint, mood)} ${name.padEnd(longest)}  ${seen}`;
    return mood === 'good' || remedy === '' ? line : `${line}\n${remedyText(columns, printable(remedy))}`;
  });
  const missing = items.filter(({ ok }) => !ok).length;
  const end =
    missing === 0 ? paint('good', 'nothing is missing') : paint('bad', `missing: ${missing} of ${items.length}`);
  return [...blocks, '', end].join('\n').replace(/ +$/gm, '');
}
