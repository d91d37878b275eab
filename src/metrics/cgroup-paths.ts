// SPDX-License-Identifier: Apache-2.0
/** Paths of cgroups by their ids, as far as one can know: from the processes in them, while these live. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Where cgroup version 2 is mounted. */
const MOUNT = '/sys/fs/cgroup';
/** Cgroups that are remembered. */
const REMEMBERED = 4096;

export class CgroupPaths {
  private readonly paths = new Map<bigint, string>();

  /** @param pathOf the path of a process's cgroup and that cgroup's id; undefined: it has ended, or is not to be seen from here */
  constructor(private readonly pathOf: (pid: number) => { id: bigint; path: string } | undefined = cgroupOfProcess) {}

  /** A process that may be in the cgroup lives. */
  note(id: bigint, pid: number): void {
    if (this.paths.has(id)) return;
    const found = this.pathOf(pid);
    // It may have gone elsewhere since its socket was made: then that one is known, and this one still is not.
    if (found === undefined) return;
    this.paths.set(found.id, found.path);
    if (this.paths.size <= REMEMBERED) return;
    for (const oldest of this.paths.keys()) {
      this.paths.delete(oldest);
      return;
    }
  }

  /** Below the mount, such as `/kubepods.slice/...`. */
  get(id: bigint): string | undefined {
    return this.paths.get(id);
  }
}

function cgroupOfProcess(pid: number): { id: bigint; path: string } | undefined {
  try {
    const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
    if (path === undefined) return undefined;
    // A cgroup's id is its inode (kernfs, since Linux 5.5).
    return { id: statSync(join(MOUNT, path), { bigint: true }).ino, path };
  } catch {
    return undefined;
  }
}
