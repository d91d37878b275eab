/** Is there still an agent, or a guardian, that works on the pins? Whoever takes them away must be the last. */

/** What can be seen of an agent from outside. */
export interface Liveness {
  /** somebody listens on the control socket */
  controlAnswers: boolean;
  /** processes that have the lock on the pins, as `1234 (node)`; undefined: nobody has it; empty: some that cannot be seen from here */
  lockedBy: readonly string[] | undefined;
  /** how long the leases still run, in ms; 0 or less: they have run out */
  agentLeaseMs: number;
  guardianLeaseMs: number;
}

/** What says that somebody is there, as a sentence; undefined: nothing does. */
export function whyAlive(seen: Liveness): string | undefined {
  if (seen.controlAnswers) return 'a supervisor answers on the control socket';
  if (seen.lockedBy !== undefined) {
    const who = seen.lockedBy.length === 0 ? 'a process of another container' : `process ${seen.lockedBy.join(', ')}`;
    return `${who} works on the pins: a supervisor, or the guardian of one that has just died`;
  }
  for (const [who, ms] of [
    ['supervisor', seen.agentLeaseMs],
    ['guardian', seen.guardianLeaseMs],
  ] as const) {
    if (ms > 0) return `the lease of a ${who} runs for another ${Math.ceil(ms)} ms`;
  }
  return undefined;
}
