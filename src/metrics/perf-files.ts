// SPDX-License-Identifier: Apache-2.0
/**
 * Writes the metrics files so that whoever reads the folder sees whole files or none (src/shared/files/atomic-file.ts), and none is ever replaced: the
 * second report of one second has `-2` behind the number. The .json comes last: where it is, its .csv is too.
 */
import { join } from 'node:path';
import { MetricsWriteError, asTlshubError } from '../shared/errors/errors.js';
import { writeNew } from '../shared/files/atomic-file.js';
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
  try {
    const [csv = '', json = ''] = await writeNew(stem, { '.csv': csvText(report), '.json': jsonText(report) });
    return { json, csv };
  } catch (cause) {
    const { message, errno } = asTlshubError(cause);
    throw new MetricsWriteError(`cannot write metrics files to ${dir}: ${message}`, {
      cause,
      ...(errno === undefined ? {} : { errno }),
    });
  }
}
