// SPDX-License-Identifier: Apache-2.0
/**
 * Signs of life of the threads that the agent cannot do without: a word for each, which it changes as long as it works, also when there is
 * nothing to do. The lease is renewed by them (native/domain/lease.cc).
 */

/** The word of each thread. */
export const Beat = { MAIN: 0, INSTALLER: 1, READER: 2 } as const;

/** As in `Beat`, for people. */
export const BEAT_NAMES = ['main', 'installer', 'event reader'] as const;

export function createBeats(): Uint32Array<SharedArrayBuffer> {
  return new Uint32Array(new SharedArrayBuffer(4 * BEAT_NAMES.length));
}

export function beat(beats: Uint32Array<SharedArrayBuffer>, which: number): void {
  // 0 is a thread that has not begun.
  if (Atomics.add(beats, which, 1) === 0xffffffff) Atomics.add(beats, which, 1);
}

/** Beats for a thread with an event loop, as long as that turns. Returns what stops it. */
export function keepBeating(beats: Uint32Array<SharedArrayBuffer>, which: number, everyMs: number): () => void {
  beat(beats, which);
  const timer = setInterval(() => beat(beats, which), everyMs);
  return () => clearInterval(timer);
}
