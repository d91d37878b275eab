// SPDX-License-Identifier: Apache-2.0
/** What is measured of a provider's pool and of a bare loop, and how. */
import { readFileSync, readdirSync } from 'node:fs';

export const ROUNDS = Number(process.env.TLSHUB_BENCH_ROUNDS ?? 5);
export const PER_ROUND = Number(process.env.TLSHUB_BENCH_HANDSHAKES ?? 1000);
/** So many are under way where the rate is measured: a pool is never idle then. */
export const IN_FLIGHT = 32;
export const WARM_UP = 200;

export interface Sample {
  /** processor milliseconds for each negotiation: of the threads that make them, and of all */
  threadMs: number[];
  allMs: number[];
  latencyMs: number[];
}

export interface Samples {
  bare: Sample;
  pool: Sample;
}

export const nothing = (): Sample => ({ threadMs: [], allMs: [], latencyMs: [] });

/** Threads of this process, by number. */
export const threads = (): string[] => readdirSync('/proc/self/task');

/** Processor time in ms that the kernel has accounted to a process, or to one of our threads (`self/task/N`). */
export function processorMs(path: string): number {
  const [ns = 'NaN'] = readFileSync(`/proc/${path}/schedstat`, 'latin1').split(' ');
  return Number(ns) / 1e6;
}

/**
 * Has `todo` negotiated, `atOnce` under way, and takes the sample: the latency where there is one at a time, else the processor time.
 * @param workers threads whose processor time counts
 */
export async function drive<T>(
  todo: readonly T[],
  atOnce: number,
  workers: readonly string[],
  negotiate: (item: T) => Promise<void>,
  sample: Sample,
): Promise<void> {
  const left = [...todo];
  const latencies: number[] = [];
  const spent = (): number => workers.reduce((sum, worker) => sum + processorMs(`self/task/${worker}`), 0);
  const [before, all] = [spent(), process.cpuUsage()];
  const lane = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) {
      const begun = performance.now();
      await negotiate(item);
      latencies.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  if (atOnce === 1) {
    sample.latencyMs.push(...latencies);
    return;
  }
  const { user, system } = process.cpuUsage(all);
  sample.threadMs.push((spent() - before) / todo.length);
  sample.allMs.push((user + system) / 1000 / todo.length);
}
