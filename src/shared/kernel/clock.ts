// SPDX-License-Identifier: Apache-2.0
/** CLOCK_MONOTONIC as the kernel's own times have it (libuv's hrtime is clock_gettime(CLOCK_MONOTONIC)), in ns, as a double. */
export function monotonicNs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}
