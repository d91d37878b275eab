// SPDX-License-Identifier: Apache-2.0
/** What a supervisor holds. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { lab, type MeshNode } from '../harness/index.js';
import { helpersOf } from '../../wire/helper-processes.js';

const PIDFD = 'anon_inode:[pidfd]';

export interface Holdings {
  /** what each is of */
  descriptors: string[];
  threads: number;
  helpers: number;
}

export async function holdings(node: MeshNode): Promise<Holdings> {
  const { pid } = await lab.status(node);
  const threads = /^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  const descriptors = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]$/, '')];
    } catch {
      return []; // closed meanwhile
    }
  });
  return { descriptors, threads: Number(threads), helpers: helpersOf(pid).length };
}

/**
 * Nothing is more than before. Of a helper a thread has a pidfd as soon as it has heard from it, which one that rests has not: so there is one
 * for each helper at most.
 */
export function noMore(before: Holdings, now: Holdings): boolean {
  const others = ({ descriptors }: Holdings): number => descriptors.filter((each) => each !== PIDFD).length;
  const pidfds = now.descriptors.length - others(now);
  return (
    others(now) <= others(before) &&
    now.threads <= before.threads &&
    now.helpers <= before.helpers &&
    pidfds <= now.helpers
  );
}

/** What a supervisor has more of, in words. */
export function gained(before: Holdings, now: Holdings): string {
  const more = [...now.descriptors];
  for (const each of before.descriptors) if (more.includes(each)) more.splice(more.indexOf(each), 1);
  return `${now.threads - before.threads} threads, ${now.helpers - before.helpers} helpers, ${now.descriptors.length - before.descriptors.length} descriptors, new ones: ${more.join(' ')}`;
}
