// SPDX-License-Identifier: Apache-2.0
/** What helpers do for whom: one book for all that ask them, or what one of them spends would be free with the next. */
import type { OwnerRecord } from '../../shared/kernel/abi.js';
import { Charges, cgroupOf } from './charges.js';
import { Searches } from './searches.js';

export class Accounts {
  private readonly charges = new Charges();
  private readonly searches = new Searches();

  /** Never 0. */
  of(owner: Pick<OwnerRecord, 'tgid' | 'startBoottime'>): number {
    return this.charges.of(owner);
  }

  /** For the log: a cgroup's path. */
  cgroup(charge: number): string {
    return this.charges.cgroup(charge);
  }

  maySearch(charge: number): boolean {
    return this.searches.allowed(cgroupOf(charge));
  }

  /**
   * Found or not: a program can hide its sockets so that each of them is found, and late.
   * @param answer of a helper that may have searched
   */
  spent(charge: number, answer: object): void {
    if ('cpuMs' in answer && typeof answer.cpuMs === 'number') this.searches.spent(cgroupOf(charge), answer.cpuMs);
  }
}
