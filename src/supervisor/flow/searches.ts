// SPDX-License-Identifier: Apache-2.0
/**
 * How much is searched for sockets that are not where they were last seen. A program can have as many descriptors as it likes, and hide its
 * sockets behind all of them: what is spent on a cgroup is followed by a rest of that cgroup, in which its sockets are found by the numbers that
 * the gate tells, and by nothing else.
 */

/** The rest is so many times as long as the search: a cgroup has a twentieth of one processor at most. */
const REST = 20;
/** Shorter searches are no burden: a server that forks has one for each connection, in ms. */
const LIGHT_MS = 20;
/** Cgroups that are remembered. */
const REMEMBERED = 4096;

export class Searches {
  /** performance.now() until which a cgroup rests */
  private readonly resting = new Map<number, number>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  allowed(cgroup: number): boolean {
    const until = this.resting.get(cgroup);
    if (until === undefined) return true;
    if (this.now() < until) return false;
    this.resting.delete(cgroup);
    return true;
  }

  /** @param ms processor time of taking a socket, or of looking for it */
  spent(cgroup: number, ms: number): void {
    if (ms < LIGHT_MS) return;
    this.resting.delete(cgroup);
    this.resting.set(cgroup, this.now() + REST * ms);
    if (this.resting.size <= REMEMBERED) return;
    for (const oldest of this.resting.keys()) {
      this.resting.delete(oldest);
      return;
    }
  }
}
