/**
 * Writes the metrics files so that whoever reads the folder sees whole files or none, also after a crash and on a full disk.
 *
 * Each is written under a hidden name in the same folder and synced; then it gets its name by link(2), which, unlike rename(2), never replaces a
 * file that is there. The second report of one second has `-2` behind the number. The .json comes last: where it is, its .csv is too.
 */
import { link, open, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { MetricsWriteError, asTlshubError } from '../shared/errors.js';
import { csvText, jsonText, type PerfReport } from './perf-report.js';

export interface PerfFiles {
  json: string;
  csv: string;
}

/** Reports of one second and folder; more than that is a mistake. */
const MOST_OF_A_SECOND = 1000;
/** What file systems without hard links (FAT, some FUSE) say. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * Writes both files.
 * @returns their paths
 * @throws MetricsWriteError (by rejection) that names the folder and the cause; then neither is there
 */
export async function writePerfFiles(dir: string, report: PerfReport): Promise<PerfFiles> {
  const hidden = (suffix: string): string =>
    join(dir, `.perf_metrics_${report.timestamp}.${process.pid}.${sequence++}.${suffix}`);
  const staged = { json: hidden('json'), csv: hidden('csv') };
  try {
    await stage(staged.csv, csvText(report));
    await stage(staged.json, jsonText(report));
    const files = await publish(dir, report.timestamp, staged);
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

let sequence = 0;

async function stage(path: string, text: Iterable<string>): Promise<void> {
  const file: FileHandle = await open(path, 'wx', 0o644);
  try {
    for (const part of text) await file.writeFile(part);
    await file.sync();
  } finally {
    // Some file systems report a full disk only here.
    await file.close();
  }
}

async function publish(dir: string, timestamp: number, staged: PerfFiles): Promise<PerfFiles> {
  for (let n = 1; n <= MOST_OF_A_SECOND; n++) {
    const stem = join(dir, `perf_metrics_${timestamp}${n === 1 ? '' : `-${n}`}`);
    const files = { json: `${stem}.json`, csv: `${stem}.csv` };
    if (!(await claim(staged.csv, files.csv))) continue;
    try {
      if (await claim(staged.json, files.json)) return files;
    } catch (error) {
      await remove(files.csv);
      throw error;
    }
    await remove(files.csv);
  }
  throw new Error(`there are ${MOST_OF_A_SECOND} files of this second already`);
}

/** Gives a staged file its name. False: the name is taken. */
async function claim(staged: string, name: string): Promise<boolean> {
  try {
    await link(staged, name);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code === undefined || !NO_LINKS.has(code)) throw error;
  }
  // Two agents could take the same name in the same instant here; elsewhere they cannot.
  if (await exists(name)) return false;
  await rename(staged, name);
  return true;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } catch (error) {
    // fsync(2): the file system knows no such thing for folders, and so has nothing to be done.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    await folder.close();
  }
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch {
    // It never came to be, or has its name by now.
  }
}
