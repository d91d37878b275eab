// SPDX-License-Identifier: Apache-2.0
/** The report of a run out of its files. */
import { join } from 'node:path';
import { wrapTo } from '../../src/cli/width.js';
import { writeWhole } from '../../src/shared/files/atomic-file.js';
import type { Others } from './conclusion.js';
import { readRun } from './folder.js';
import { comparisonText, reportOf, withConclusion } from './report.js';

export interface Rendering {
  /** measured elsewhere; undefined: as the run has it */
  others: Others | undefined;
  /** of the terminal; undefined: there is none */
  columns: number | undefined;
}

/**
 * Writes summary.json, with conclusion and warnings, and report.html.
 * @param folder of the run
 * @returns what is to be shown on a terminal
 */
export async function render(folder: string, { others, columns }: Rendering): Promise<string> {
  const { summary: found, measurements } = readRun(folder);
  const summary = withConclusion(others === undefined ? found : { ...found, others });
  await writeWhole(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`, { replace: true });
  await writeWhole(join(folder, 'report.html'), reportOf(summary, measurements), { replace: true });
  const notes = summary.modes.filter(({ note }) => note !== '').map(({ mode, note }) => `${mode}: ${note}`);
  return [
    '',
    comparisonText(summary, columns),
    '',
    ...[summary.conclusion ?? '', ...(summary.warnings ?? []).map((text) => `! ${text}`), ...notes].map((line) =>
      columns === undefined ? line : wrapTo(columns, line),
    ),
    `written to ${folder}: a .csv, a _samples.csv and a .json for each mode, summary.json, report.html`,
  ].join('\n');
}
