// SPDX-License-Identifier: Apache-2.0
/** Whether new connections are secured, or would be: what `tlshubctl status`, /readyz and the metrics say, as a pure function. */
export interface ReadinessFacts {
  /** the kernel's list of flows was read at least once: what happened before the agent came is known */
  swept: boolean;
  draining: boolean;
  /** threads whose silence has ended the agent's lease */
  late: readonly string[];
  /** a guardian runs; undefined: the configuration wants none */
  guardian: boolean | undefined;
  /** threads of the key provider in force */
  workers: number;
  /** why the mapping may be out of date, in words; undefined: it is not */
  staleMapping: string | undefined;
}

/** In words, the gravest first; empty: ready. */
export function whyNotReady(facts: ReadinessFacts): string[] {
  const why: string[] = [];
  if (facts.draining) why.push('the agent is draining');
  if (!facts.swept) why.push('the connections that were there before the agent have not been looked at yet');
  if (facts.workers === 0) why.push('the key provider has no running thread');
  for (const thread of facts.late)
    why.push(`the ${thread} thread gives no sign of life: the gate takes the agent for dead`);
  if (facts.staleMapping !== undefined) why.push(`the mapping may be out of date: ${facts.staleMapping}`);
  if (facts.guardian === false) why.push('no guardian runs: blocking programs are refused instead of held');
  return why;
}
