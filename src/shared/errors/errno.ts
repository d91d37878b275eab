// SPDX-License-Identifier: Apache-2.0
/** What the kernel calls an error. */
import { getSystemErrorMap } from 'node:util';

/** @param errno above 0 @returns its name (`ECONNRESET`), and what it means in words */
export function describeErrno(errno: number): [name: string, words: string] {
  return getSystemErrorMap().get(-errno) ?? [`error ${errno}`, 'unknown'];
}
