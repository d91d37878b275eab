// SPDX-License-Identifier: Apache-2.0
/**
 * Files that are there whole or not at all, also after a crash and on a full disk: each is written under a hidden name in the same folder
 * and synced, and then gets its name. By link(2), which never replaces a file that is there, or, where that is wanted, by rename(2).
 */
import { link, open, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** What file systems without hard links (FAT, some FUSE) say. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);
/** Files of one name that are told apart by a number; more than that is a mistake. */
const MOST_OF_A_NAME = 1000;

export interface WholeFileOptions {
  /** a file that is there makes way; else it stays, and nothing is written */
  replace: boolean;
  /** permission bits, whatever the umask; default 0644 less the umask */
  mode?: number;
}

/** @returns false: the name is taken. @throws the error of the file system; then nothing is left */
export async function writeWhole(
  path: string,
  content: string | Iterable<Uint8Array>,
  { replace, mode }: WholeFileOptions,
): Promise<boolean> {
  const staged = hiddenName(path);
  try {
    await stage(staged, typeof content === 'string' ? [content] : content, mode);
    if (replace) await rename(staged, path);
    else if (!(await claim(staged, path))) return false;
    await syncFolder(dirname(path));
    return true;
  } finally {
    await remove(staged);
  }
}

/**
 * Writes files that differ in their endings under the first of STEM, STEM-2, STEM-3 ... of which none is there: names that are made of the time come again
 * when two are written in one second, and when the clock is set back. All of them or none; where the last one is, the others are too.
 * @param texts by ending, with its point
 * @returns the paths, in the order of the endings
 * @throws the error of the file system; then nothing is left
 */
export async function writeNew(stem: string, texts: Readonly<Record<string, Iterable<string>>>): Promise<string[]> {
  const files = Object.entries(texts).map(([ending, text]) => ({ ending, text, staged: hiddenName(stem + ending) }));
  try {
    for (const { staged, text } of files) await stage(staged, text);
    const published = await publish(stem, files);
    try {
      await syncFolder(dirname(stem));
    } catch (error) {
      for (const path of published) await remove(path);
      throw error;
    }
    return published;
  } finally {
    for (const { staged } of files) await remove(staged);
  }
}

async function publish(stem: string, files: readonly { ending: string; staged: string }[]): Promise<string[]> {
  for (const name of numberedNames(stem)) {
    const published: string[] = [];
    try {
      for (const { ending, staged } of files)
        if (await claim(staged, name + ending)) published.push(name + ending);
        else break;
    } catch (error) {
      for (const path of published) await remove(path);
      throw error;
    }
    if (published.length === files.length) return published;
    for (const path of published) await remove(path);
  }
  throw new Error(`there are ${MOST_OF_A_NAME} files of this name already`);
}

export function* numberedNames(path: string): Generator<string> {
  for (let n = 1; n <= MOST_OF_A_NAME; n++) yield n === 1 ? path : `${path}-${n}`;
}

let sequence = 0;

/** A name in the same folder that nobody else uses. */
export function hiddenName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${sequence++}`);
}

export async function stage(path: string, content: Iterable<string | Uint8Array>, mode?: number): Promise<void> {
  const file: FileHandle = await open(path, 'wx', mode ?? 0o644);
  try {
    for (const part of content) await file.writeFile(part);
    if (mode !== undefined) await file.chmod(mode);
    await file.sync();
  } finally {
    // Some file systems report a full disk only here.
    await file.close();
  }
}

/** Gives a staged file its name. False: the name is taken. */
export async function claim(staged: string, name: string): Promise<boolean> {
  try {
    await link(staged, name);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code === undefined || !NO_LINKS.has(code)) throw error;
  }
  // Two could take the same name in the same instant here; elsewhere they cannot.
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

export async function syncFolder(dir: string): Promise<void> {
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

export async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch {
    // It never came to be, or has its name by now.
  }
}
