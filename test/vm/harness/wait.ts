// SPDX-License-Identifier: Apache-2.0
/** Waiting for something to become true. */
import { setTimeout as sleep } from 'node:timers/promises';
import { patience } from '../../speed.js';

/**
 * Calls `probe` until it gives something other than undefined, null or false, and gives that.
 * @param ms how long to try, at least once: on the reference's machine, on this one as much longer as it is slower
 * @param what named in the error when the time is over; a function is asked then
 * @throws Error when the time is over, with the last error of `probe` as its cause
 */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  ms: number,
  what: string | (() => string),
  intervalMs = 50,
): Promise<Exclude<T, undefined | null | false>> {
  const limit = patience(ms);
  const deadline = performance.now() + limit;
  for (;;) {
    let cause: unknown;
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) {
        return value as Exclude<T, undefined | null | false>;
      }
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${limit} ms: ${typeof what === 'string' ? what : what()}`, { cause });
    }
    await sleep(intervalMs);
  }
}
