// SPDX-License-Identifier: Apache-2.0
/**
 * Compares key providers: the part of test/perf_test.sh that runs where the kernel can. Modes take turns, so many rounds. Writes into OUT/DATE, for each mode,
 * perf_MODE_DATE.csv (a row a connection), perf_MODE_DATE_samples.csv (CPU and memory over time) and perf_MODE_DATE.json, then summary.json and report.html; links of
 * the same names in OUT lead to the last run's.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeWhole } from '../../src/shared/files/atomic-file.js';
import { describeMachine, machineText } from '../report/machine.js';
import { linkLatest, makeRunFolder } from './folder.js';
import { MeasureError, measureRound, type RoundMeasurement, type Settings } from './measure.js';
import { render } from './render.js';
import { overRounds, turns } from './rounds.js';
import { CONNECTION_COLUMNS, SAMPLE_COLUMNS, toCsv } from './rows.js';
import { summarise } from './summary.js';
import type { Summary } from './report.js';

const { values } = parseArgs({
  options: {
    modes: { type: 'string', default: 'tlshub,openssl,boringssl' },
    rounds: { type: 'string', default: '3' },
    duration: { type: 'string', default: '20' },
    connections: { type: 'string', default: '0' },
    concurrency: { type: 'string', default: '8' },
    out: { type: 'string', default: '.' },
    // The machine around this one, which shows the results itself: it knows what else it did, and how wide its terminal is.
    host: { type: 'string' },
    columns: { type: 'string' },
  },
});

const settings: Settings = {
  rounds: Number(values.rounds),
  duration: Number(values.duration),
  connections: Number(values.connections),
  concurrency: Number(values.concurrency),
  dataSize: 1024,
};
const isGuest = values.host !== undefined;
const begun = new Date();
let folder = values.out;

try {
  const run = makeRunFolder(values.out, begun);
  folder = join(values.out, run);
  const save = (name: string, text: string): Promise<boolean> =>
    writeWhole(join(folder, name), text, { replace: true });
  const modes = values.modes.split(',');
  const machine = describeMachine(values.host);
  console.log(machineText(machine));
  const measured = new Map<string, RoundMeasurement[]>(modes.map((mode) => [mode, []]));
  for (let round = 1; round <= settings.rounds; round++) {
    for (const mode of turns(modes, round - 1)) {
      process.stdout.write(`round ${round} of ${settings.rounds}, ${mode} ... `);
      const one = await measureRound(mode, round, settings, !isGuest);
      measured.get(mode)?.push(one);
      const { successful_connections: completed, failed_connections: failed } = summarise(mode, one.rows, one.samples);
      console.log(`${completed} connections completed, ${failed} failed`);
    }
  }
  const summary: Summary = { generated: begun.toISOString(), machine, settings, modes: [] };
  if (!isGuest) {
    const others = [...measured.values()].flat().map(({ othersPercent }) => othersPercent);
    const percent = others.reduce((sum, one) => sum + one, 0) / others.length;
    summary.others = { percent, measured: 'while no connection was under way' };
  }
  for (const [mode, rounds] of measured) {
    const result = overRounds(rounds.map(({ rows, samples }) => summarise(mode, rows, samples)));
    const [rows, samples] = [rounds.flatMap((round) => round.rows), rounds.flatMap((round) => round.samples)];
    summary.modes.push(result);
    await save(`perf_${mode}_${run}.csv`, toCsv(CONNECTION_COLUMNS, rows));
    await save(`perf_${mode}_${run}_samples.csv`, toCsv(SAMPLE_COLUMNS, samples));
    const whole = { ...summary, modes: undefined, summary: result, rows, samples };
    await save(`perf_${mode}_${run}.json`, `${JSON.stringify(whole, null, 1)}\n`);
  }
  await save('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  const text = await render(folder, {
    others: undefined,
    columns: values.columns === undefined ? undefined : Number(values.columns),
  });
  linkLatest(values.out, run);
  if (!isGuest) console.log(text);
  process.exitCode = summary.modes.some(({ failed_connections: failed }) => failed > 0) ? 1 : 0;
} catch (error) {
  let where = '';
  if (error instanceof MeasureError && error.logs.trim() !== '') {
    writeFileSync(join(folder, 'failed.log'), error.logs);
    where = ` (what the agents said: ${join(folder, 'failed.log')})`;
  }
  process.stderr.write(`perf_test: ${error instanceof Error ? error.message : String(error)}${where}\n`);
  process.exitCode = 1;
}
