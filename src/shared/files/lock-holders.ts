// SPDX-License-Identifier: Apache-2.0
/** Who has a file locked by flock(2). */
import { readFileSync, statSync } from 'node:fs';

/** A file as /proc/locks names it. */
export interface LockedFile {
  /** st_dev */
  dev: number;
  ino: number;
}

/**
 * Processes that have a file locked by flock(2), in the order of the list.
 * @param locks the text of /proc/locks (proc(5)): `1: FLOCK  ADVISORY  READ 1234 00:20:567 0 EOF`
 */
export function lockHolders(locks: string, { dev, ino }: LockedFile): number[] {
  // The kernel's encoding of a device number (include/linux/kdev_t.h, new_encode_dev).
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  const pids: number[] = [];
  for (const line of locks.split('\n')) {
    const [, kind, , , pid, where] = line.trim().split(/\s+/);
    if (kind === 'FLOCK' && where === file) pids.push(Number(pid));
  }
  return pids;
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** Who has a file or folder locked, with the name of each: `1234 (node)`. Processes of another PID namespace are not among them. */
export function lockHolderNames(path: string): string[] {
  return lockHolders(readFileSync('/proc/locks', 'utf8'), statSync(path)).map((pid) => {
    try {
      return `${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`;
    } catch {
      return `${pid}`; // It has just ended.
    }
  });
}
