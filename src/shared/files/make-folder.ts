// SPDX-License-Identifier: Apache-2.0
/** A folder with all that leads to it. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * As mkdirSync with `recursive`, which Node.js (20 to 26) never returns from where a file system takes no new names: on ENOENT it goes up,
 * finds the folder above there, comes down again and gets ENOENT anew. Seen below /proc.
 * @param mode of the folders that are made
 * @throws Error with the errno, as mkdirSync
 */
export function makeFolder(folder: string, mode = 0o777): void {
  if (made(folder, mode)) return;
  const above = dirname(folder);
  if (above !== folder) makeFolder(above, mode);
  if (!made(folder, mode)) mkdirSync(folder, { mode }); // to say what is wrong with it
}

/** False: what leads to it is not there. */
function made(folder: string, mode: number): boolean {
  try {
    mkdirSync(folder, { mode });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    if (code !== 'EEXIST' || !statSync(folder).isDirectory()) throw error;
    return true;
  }
}
