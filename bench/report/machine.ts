// SPDX-License-Identifier: Apache-2.0
/** On what a figure was measured: without that it means nothing. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

export interface Machine {
  kernel: string;
  cpu: string;
  cores: number;
  memoryMb: number;
  /** software emulation: ratios mean something, absolute figures do not */
  emulated: boolean;
  /** of the machine around a virtual one */
  host: string | null;
  node: string;
}

export function describeMachine(host?: string): Machine {
  const cpu = cpus()[0]?.model.trim() ?? 'unknown';
  return {
    kernel: release(),
    cpu,
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    emulated: /TCG/.test(cpu),
    host: host ?? null,
    node: process.version,
  };
}

export function machineText({ kernel, cpu, cores, memoryMb, emulated, host }: Machine): string {
  return (
    `Linux ${kernel}, ${cores} cores of ${cpu}, ${memoryMb} MB` +
    (emulated
      ? ' (a virtual machine in software emulation: compare figures with each other, not with other machines)'
      : '') +
    (host === null ? '' : `, on ${host}`)
  );
}

/** Seconds that all processors were busy since boot: not idle, not waiting for a disk, not taken by the host (proc(5), /proc/stat). */
export function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (
    readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

/** CPU seconds of a process since its start, and its resident set. */
export function processUsage(pid: number): { cpuSeconds: number; residentKb: number } {
  const fields = (readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1) ?? '').split(' ');
  const [utime, stime, pages] = [fields[11], fields[12], fields[21]].map(Number);
  return { cpuSeconds: ((utime ?? 0) + (stime ?? 0)) / 100, residentKb: (pages ?? 0) * 4 };
}
