// SPDX-License-Identifier: Apache-2.0
/**
 * The one way parts end: stop taking work, wait for what is under way until a deadline, then by force. A part whose `idle` resolves in
 * time is never forced; one that hangs cannot hold up the others for longer than the deadline.
 */
export interface Drainable {
  readonly name: string;
  /** Takes no new work. Must not throw. */
  stop(): void;
  /** Resolves when nothing is under way any more. */
  idle(): Promise<void>;
  /** Ends what is still under way. */
  force(): void | Promise<void>;
}

export interface DrainOutcome {
  name: string;
  forced: boolean;
  ms: number;
  /** what force() or idle() threw */
  error?: unknown;
}

/** Bound on force(), which is meant to be short, in ms. */
const FORCE_MS = 5000;

/** Drains one part. Never rejects. */
export async function drain(part: Drainable, deadlineMs: number): Promise<DrainOutcome> {
  const begun = performance.now();
  const outcome: DrainOutcome = { name: part.name, forced: false, ms: 0 };
  try {
    part.stop();
    if (!(await within(part.idle(), deadlineMs))) {
      outcome.forced = true;
      await within(Promise.resolve(part.force()), FORCE_MS);
    }
  } catch (error) {
    outcome.error = error;
  }
  outcome.ms = performance.now() - begun;
  return outcome;
}

/** True if it resolves in time; rejects as it does. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
