// SPDX-License-Identifier: Apache-2.0
/**
 * Compares key providers: the part of test/perf_test.sh that runs where the kernel can. Writes into the folder, for each mode, perf_MODE_DATE.csv (a row
 * a connection), perf_MODE_DATE_samples.csv (CPU and memory over time) and perf_MODE_DATE.json, then summary.json and report.html.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { numberedNames, writeWhole } from '../../src/shared/files/atomic-file.js';
import { describeMachine, machineText } from '../report/machine.js';
import { tableOf } from '../support.js';
import { measureMode, type Measurement, type Settings } from './measure.js';
import { comparison, reportOf, type Summary } from './report.js';
import { CONNECTION_COLUMNS, SAMPLE_COLUMNS, toCsv } from './rows.js';
import { summarise } from './summary.js';

const { values } = parseArgs({
  options: {
    modes: { type: 'string', default: 'tlshub,openssl,boringssl' },
    duration: { type: 'string', default: '20' },
    connections: { type: 'string', default: '0' },
    concurrency: { type: 'string', default: '8' },
    out: { type: 'string', default: '.' },
    host: { type: 'string' },
  },
});

const settings: Settings = {
  duration: Number(values.duration),
  connections: Number(values.connections),
  concurrency: Number(values.concurrency),
  dataSize: 1024,
};
const begun = new Date();
mkdirSync(values.out, { recursive: true });
const date = unusedDate(begun, readdirSync(values.out));
const summary: Summary = {
  generated: begun.toISOString(),
  machine: describeMachine(values.host),
  settings,
  modes: [],
};
const measurements = new Map<string, Measurement>();
const save = (name: string, text: string): Promise<boolean> =>
  writeWhole(join(values.out, name), text, { replace: true });

console.log(machineText(summary.machine));
for (const mode of values.modes.split(',')) {
  process.stdout.write(`${mode}: two nodes, ${settings.duration} s of connections, then bulk ... `);
  const measured = await measureMode(mode, settings);
  const result = summarise(mode, measured.rows, measured.samples);
  measurements.set(mode, measured);
  summary.modes.push(result);
  await save(`perf_${mode}_${date}.csv`, toCsv(CONNECTION_COLUMNS, measured.rows));
  await save(`perf_${mode}_${date}_samples.csv`, toCsv(SAMPLE_COLUMNS, measured.samples));
  await save(
    `perf_${mode}_${date}.json`,
    `${JSON.stringify({ ...summary, modes: undefined, summary: result, ...measured }, null, 1)}\n`,
  );
  console.log(`${result.successful_connections} connections completed, ${result.failed_connections} failed`);
}
await save('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
await save('report.html', reportOf(summary, measurements));
const { head, rows } = comparison(summary);
console.log(`\n${tableOf(head, rows)}\n`);
for (const { mode, note } of summary.modes) if (note !== '') console.log(`${mode}: ${note}`);
console.log(`written to ${values.out}: a .csv, a _samples.csv and a .json for each mode, summary.json, report.html`);
process.exitCode = summary.modes.some(({ failed_connections: failed }) => failed > 0) ? 1 : 0;

/** The date of a run as it stands in its files' names; numbered when another run has it, for the clock may have been set back. */
function unusedDate(at: Date, files: readonly string[]): string {
  const date = at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
  const isUsed = (name: string): boolean =>
    files.some((file) => [`_${name}.json`, `_${name}.csv`, `_${name}_samples.csv`].some((end) => file.endsWith(end)));
  for (const name of numberedNames(date)) if (!isUsed(name)) return name;
  throw new Error(`${values.out} has too many files of ${date}`);
}
