// SPDX-License-Identifier: Apache-2.0
/**
 * One helper at a time for a socket that is secured: what one of them tells the gate of its descriptor would be taken away by another one that
 * is done with its own.
 */
export class Turns {
  /** by cookie: who waits for the one that has its turn */
  private readonly taken = new Map<bigint, (() => void)[]>();

  has(cookie: bigint): boolean {
    return this.taken.has(cookie);
  }

  /** Does it now or when the others are done; it says when it is done itself. */
  take(cookie: bigint, work: (done: () => void) => void): void {
    const begin = (): void => work(() => this.next(cookie));
    const waiting = this.taken.get(cookie);
    if (waiting !== undefined) {
      waiting.push(begin);
      return;
    }
    this.taken.set(cookie, []);
    begin();
  }

  private next(cookie: bigint): void {
    const begin = this.taken.get(cookie)?.shift();
    if (begin === undefined) this.taken.delete(cookie);
    else begin();
  }
}
