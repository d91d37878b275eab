// SPDX-License-Identifier: Apache-2.0
/** Reads a ring on the main thread for as long as it is open. */
export interface Source {
  /** resolves to false when the ring is closed and empty */
  wait(): Promise<boolean>;
  /** handles up to `max` records */
  drain(max: number): void;
}

/** Records in one turn of the event loop: timers, sockets and the other ring get their turn in between. */
const BATCH = 64;

/**
 * Resolves when the ring is closed; rejects with what a handler threw. A turn of the event loop comes after each batch, however small: a ring
 * that has another record each time it is asked would else keep everything but promises waiting for as long as records come.
 */
export async function pump(source: Source): Promise<void> {
  while (await source.wait()) {
    source.drain(BATCH);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
