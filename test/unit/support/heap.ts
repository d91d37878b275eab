// SPDX-License-Identifier: Apache-2.0
/** What a program keeps. */
import { getHeapStatistics } from 'node:v8';
import { collectGarbage } from '../../../src/shared/async/collect-garbage.js';

/** Bytes in use, and nothing that could be collected. */
export function heapUsed(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Bytes of memory that this thread's heap has from the system. */
export const physicalHeap = (): number => getHeapStatistics().total_physical_size;

/** Fills this thread's heap with garbage, and returns the few objects among it that are none. */
export function leaveGarbage(): unknown[] {
  const kept: unknown[] = [];
  for (let round = 0; round < 20; round++) {
    const objects = Array.from({ length: 20_000 }, (_, number) => ({
      number,
      text: `x${number}`,
      pair: [number, round],
    }));
    kept.push(...objects.filter(({ number }) => number % 400 === 0));
  }
  return kept;
}
