// SPDX-License-Identifier: Apache-2.0
/** CPU and memory of this process, all threads, from /proc/self (proc(5)). */
import { readFileSync } from 'node:fs';

/** USER_HZ: what /proc counts CPU time in. The kernel fixes it at 100 for every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;
/** Of /proc/self/stat, counted from behind the name: fields 14, 15 and 22 of the man page. */
const UTIME = 11;
const STIME = 12;
const STARTTIME = 19;

export interface ProcessUsage {
  /** CPU time since the process started, over the time since; 100 is one core */
  cpuPercent: number;
  cpuSeconds: number;
  /** VmRSS */
  residentKb: number;
}

/** @param procfs for tests: a folder with `self/stat`, `self/status` and `uptime` */
export function processUsage(procfs = '/proc'): ProcessUsage {
  // The name in parentheses may hold anything, blanks and parentheses included.
  const fields = readFileSync(`${procfs}/self/stat`, 'latin1').split(') ').at(-1)?.trim().split(' ') ?? [];
  const ticks = (at: number): number => Number(fields[at]) / TICKS_PER_SECOND;
  const cpuSeconds = ticks(UTIME) + ticks(STIME);
  const uptime = Number(readFileSync(`${procfs}/uptime`, 'latin1').split(' ')[0]);
  const elapsed = uptime - ticks(STARTTIME);
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`${procfs}/self/status`, 'latin1'))?.[1];
  return {
    cpuPercent: elapsed > 0 ? (100 * cpuSeconds) / elapsed : 0,
    cpuSeconds,
    residentKb: Number(resident ?? 0),
  };
}
