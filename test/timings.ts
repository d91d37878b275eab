// SPDX-License-Identifier: Apache-2.0
/** Where the time of a run goes: what the harness adds up, and what the reporter leaves for the table at the end of scripts/test. */

/** What it was spent on, and how often and how many milliseconds altogether. */
export interface Spent {
  count: number;
  ms: number;
}

export interface FileTimes {
  tests: number;
  /** milliseconds of its tests, and of its hooks */
  testsMs: number;
  hooksMs: number;
  /** what `timed` has added up while this file ran */
  spent: Record<string, Spent>;
}

/** Of the file that runs now. The reporter takes it away when the next one begins. */
let current: Record<string, Spent> = {};

/** Adds up how long something takes under this name, however it ends. */
export async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  try {
    return await work();
  } finally {
    const entry = (current[what] ??= { count: 0, ms: 0 });
    entry.count += 1;
    entry.ms += performance.now() - started;
  }
}

/** What has been added up since the last call. */
export function takeSpent(): Record<string, Spent> {
  const taken = current;
  current = {};
  return taken;
}
