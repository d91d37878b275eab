// SPDX-License-Identifier: Apache-2.0
/**
 * Exit statuses are those of the command contract, after sysexits.h: 0 worked, 1 failed, 64 usage, 69 the kernel cannot do it, 77 not
 * permitted, 78 configuration.
 */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 64,
  kernelUnsupported: 69,
  notPermitted: 77,
  config: 78,
} as const;

/** A coded failure: what it means, what to do about it, and the exit status of a command that ends with it. */
export interface ErrorEntry {
  exitCode: number;
  meaning: string;
  remedy: string;
}
