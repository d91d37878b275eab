// SPDX-License-Identifier: Apache-2.0
/** What took how long between the start of the process and the moment the agent was ready: `startup` in `tlshubctl status`. */
import { performance } from 'node:perf_hooks';
import type { StartupStep } from '../report/status.js';

export interface StartupClock {
  /** ms since the process began */
  now(): number;
  /** when Node.js itself was up and began to load the program, in ms since the process began */
  bootstrapMs: number;
}

const PROCESS: StartupClock = {
  now: () => performance.now(),
  bootstrapMs: performance.nodeTiming.bootstrapComplete,
};

/** Made when the main module begins to run: what was before is Node.js itself (`node`) and reading the program (`load`). */
export class Startup {
  readonly #steps: StartupStep[] = [];

  constructor(private readonly clock = PROCESS) {
    this.#add('node', clock.bootstrapMs);
    this.#add('load', clock.now() - clock.bootstrapMs);
  }

  /** Runs `work`, which may answer later, and notes the step when it has succeeded. Steps may overlap. */
  time<T>(step: string, work: () => Promise<T>): Promise<T>;
  time<T>(step: string, work: () => T): T;
  time<T>(step: string, work: () => T | Promise<T>): T | Promise<T> {
    const begun = this.clock.now();
    const done = (result: T): T => {
      this.#add(step, this.clock.now() - begun);
      return result;
    };
    const result = work();
    return result instanceof Promise ? result.then(done) : done(result);
  }

  /** The agent is ready now: the last entry, `total`, is everything since the process began, with what lies between the steps. */
  ready(): void {
    this.#add('total', this.clock.now());
  }

  /** In the order in which they ended. */
  get steps(): StartupStep[] {
    return this.#steps.map((step) => ({ ...step }));
  }

  #add(step: string, ms: number): void {
    this.#steps.push({ step, ms: Math.round(ms * 10) / 10 });
  }
}
