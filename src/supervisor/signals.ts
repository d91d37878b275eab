// SPDX-License-Identifier: Apache-2.0
/** The signals that the agent heeds, from its first moment on: one that comes before anybody can act on it waits. */

const NAMES = ['SIGHUP', 'SIGTERM', 'SIGINT', 'SIGUSR2'] as const;
export type Signal = (typeof NAMES)[number];

export class Signals {
  #heed: ((signal: Signal) => void) | undefined;
  readonly #waiting: Signal[] = [];

  /** @param source default: this process */
  constructor(source: Pick<NodeJS.EventEmitter, 'on'> = process) {
    for (const name of NAMES) {
      source.on(name, () => {
        if (this.#heed === undefined) this.#waiting.push(name);
        else this.#heed(name);
      });
    }
  }

  /** From now on signals go to `heed` alone, those that have waited first. */
  to(heed: (signal: Signal) => void): void {
    this.#heed = heed;
    for (const signal of this.#waiting.splice(0)) heed(signal);
  }
}
