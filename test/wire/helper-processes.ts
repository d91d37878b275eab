// SPDX-License-Identifier: Apache-2.0
/** The helper processes (native/helper) that a process has. */
import { readFileSync, readdirSync } from 'node:fs';

const STAT = /^(\d+) \((.*)\) \S (\d+) /s;

/** The parent of them all first. */
export function helpersOf(pid: number): number[] {
  const helpers = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        const [, its, comm, parent] = STAT.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
        return { pid: Number(its), comm: comm ?? '', parent: Number(parent) };
      } catch {
        return { pid: 0, comm: '', parent: 0 }; // it has ended
      }
    })
    .filter(({ comm }) => comm.startsWith('tlshub-help'));
  const children = (of: number): number[] => helpers.filter(({ parent }) => parent === of).map((helper) => helper.pid);
  return children(pid).flatMap((parent) => [parent, ...children(parent)]);
}
