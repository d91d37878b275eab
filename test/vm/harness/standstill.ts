// SPDX-License-Identifier: Apache-2.0
/** Looks again and again, from outside, whether a captured process stands still. */
import { setTimeout as sleep } from 'node:timers/promises';
import { stopped } from './mutual-tls.js';

const INTERVAL_MS = 2;

export interface Watch {
  /** How often all processes were looked at, and those that were seen to stand still. */
  end(): Promise<{ looks: number; seen: number[] }>;
}

/** Watches the processes of both nodes from now on. */
export function watchStandstill(): Watch {
  const seen = new Set<number>();
  let looks = 0;
  let over = false;
  const watch = async (): Promise<void> => {
    for (; !over; looks++) {
      for (const pid of [...stopped('a'), ...stopped('b')]) seen.add(pid);
      await sleep(INTERVAL_MS);
    }
  };
  const watching = watch();
  watching.catch(() => undefined); // end() tells
  return {
    end: async () => {
      over = true;
      await watching;
      return { looks, seen: [...seen] };
    },
  };
}
