// SPDX-License-Identifier: Apache-2.0
/**
 * One word on which one thread sleeps for the news of many producers: each writes into its own ring (or port) first and rings then. The
 * sleeper reads the word before it looks at the rings, so that a ring in between ends its sleep at once. One ring for each producer
 * instead of one for all: they stay without locks, and a producer that dies in the middle of a record harms nobody else's.
 */
export class Doorbell {
  private readonly word: Int32Array;

  constructor(readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.word = new Int32Array(buffer);
  }

  ring(): void {
    Atomics.add(this.word, 0, 1);
    Atomics.notify(this.word, 0);
  }

  /** To be taken before looking for work, and given to `wait` if there was none. */
  count(): number {
    return Atomics.load(this.word, 0);
  }

  /** Resolves when it rings, at once if it has since `count`; at most after `timeoutMs`. Keeps no event loop alive. */
  async wait(count: number, timeoutMs: number): Promise<void> {
    const sleep = Atomics.waitAsync(this.word, 0, count, timeoutMs);
    if (sleep.async) await sleep.value;
  }
}
