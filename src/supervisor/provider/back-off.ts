// SPDX-License-Identifier: Apache-2.0
/** How long nothing is tried again after so many failures in a row: 1 s, then twice as long each time, at most a minute. In ms. */
export function backOffMs(failures: number): number {
  return failures <= 0 ? 0 : Math.min(60_000, 1000 * 2 ** Math.min(failures - 1, 10));
}
