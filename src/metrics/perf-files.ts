// SPDX-License-Identifier: Apache-2.0
/**
 * Writes the metrics files so that whoever reads the folder sees whole files or none (src/shared/files/atomic-file.ts), and none is ever replaced: the
 * second report of one second has `-2` behind the number. The .json comes last: where it is, its .csv is too.
 */
import { join } from 'node:path';
import { MetricsWriteError, asTlshubError } from '../shared/errors/errors.js';
import { claim, hiddenName, numberedNames, remove, stage, syncFolder } from '../shared/files/atomic-file.js';
import { csvText, jsonText, type PerfReport } from './perf-report.js';

export interface PerfFiles {
  json: string;
  csv: string;
}

/**
 * Writes both files.
 * @returns their paths
 * @throws MetricsWriteError (by rejection) that names the folder and the cause; then neither is there
 */
export async function writePerfFiles(dir: string, report: PerfReport): Promise<PerfFiles> {
  const stem = join(dir, `perf_metrics_${report.timestamp}`);
  const staged = { json: hiddenName(`${stem}.json`), csv: hiddenName(`${stem}.csv`) };
  try {
    await stage(staged.csv, csvText(report));
    await stage(staged.json, jsonText(report));
    const files = await publish(stem, staged);
    try {
      await syncFolder(dir);
    } catch (error) {
      await remove(files.json);
      await remove(files.csv);
      throw error;
    }
    return files;
  } catch (cause) {
    const { message, errno } = asTlshubError(cause);
    throw new MetricsWriteError(`cannot write metrics files to ${dir}: ${message}`, {
      cause,
      ...(errno === undefined ? {} : { errno }),
    });
  } finally {
    await remove(staged.csv);
    await remove(staged.json);
  }
}

async function publish(stem: string, staged: PerfFiles): Promise<PerfFiles> {
  for (const name of numberedNames(stem)) {
    const files = { json: `${name}.json`, csv: `${name}.csv` };
    if (!(await claim(staged.csv, files.csv))) continue;
    try {
      if (await claim(staged.json, files.json)) return files;
    } catch (error) {
      await remove(files.csv);
      throw error;
    }
    await remove(files.csv);
  }
  throw new Error('there are too many files of this second already');
}
