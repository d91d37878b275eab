// SPDX-License-Identifier: Apache-2.0
/**
 * Whom the helpers' time is charged to: a process, and its cgroup, which is a pod's container where there are pods. What a program does to
 * its sockets harms its own connections; what many programs of one cgroup do, those of that cgroup.
 */
import { readFileSync } from 'node:fs';
import type { OwnerRecord } from '../../shared/kernel/abi.js';

/** Processes and cgroups that are remembered; older ones are asked for again, or get a new number. */
const REMEMBERED = 4096;
/** Numbers of processes: PID_MAX_LIMIT of include/linux/threads.h. As kChargeBits in native/domain/helper/helpers.h. */
const PROCESSES = 2 ** 22;
/** Numbers of cgroups: a charge is an exact number of JavaScript's. */
const CGROUPS = 2 ** 31;

/** The number of its cgroup. */
export function cgroupOf(charge: number): number {
  return Math.floor(charge / PROCESSES);
}

export class Charges {
  /** by process and its start, since numbers are used again */
  private readonly byProcess = new Map<string, number>();
  private readonly byCgroup = new Map<string, number>();
  private readonly names = new Map<number, string>();
  private last = 0;

  constructor(private readonly cgroupOf: (tgid: number) => string | undefined = readCgroup) {}

  /** Never 0. */
  of({ tgid, startBoottime }: Pick<OwnerRecord, 'tgid' | 'startBoottime'>): number {
    const process = `${tgid} ${startBoottime}`;
    const known = this.byProcess.get(process);
    if (known !== undefined) return known;
    // All that have ended share what those may have that nobody knows.
    const cgroup = this.cgroupOf(tgid) ?? 'of processes that have ended';
    const charge = (this.byCgroup.get(cgroup) ?? this.add(cgroup)) * PROCESSES + (tgid % PROCESSES);
    remember(this.byProcess, process, charge);
    return charge;
  }

  /** For the log: a cgroup's path. */
  cgroup(charge: number): string {
    return this.names.get(cgroupOf(charge)) ?? 'unknown';
  }

  private add(cgroup: string): number {
    this.last = (this.last % (CGROUPS - 1)) + 1;
    remember(this.byCgroup, cgroup, this.last);
    remember(this.names, this.last, cgroup);
    return this.last;
  }
}

function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.set(key, value);
  if (map.size <= REMEMBERED) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** The process's cgroup of version 2; undefined: it has ended. */
function readCgroup(tgid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${tgid}/cgroup`, 'utf8')
      .split('\n')
      .find((one) => one.startsWith('0::'));
    return line?.slice(3);
  } catch {
    return undefined;
  }
}
