// SPDX-License-Identifier: Apache-2.0
/**
 * All timers of flows, in one place: each has an owner (the flow's key) and a name, and ends with its owner. Node keeps timers of one
 * duration in one list, so a few thousand of them cost next to nothing.
 */
export class Deadlines<K> {
  private readonly timers = new Map<K, Map<string, NodeJS.Timeout>>();

  /** (Re)starts the owner's timer of that name; `run` is called once, after `ms`. */
  set(owner: K, name: string, ms: number, run: () => void): void {
    let own = this.timers.get(owner);
    if (own === undefined) this.timers.set(owner, (own = new Map<string, NodeJS.Timeout>()));
    clearTimeout(own.get(name));
    const timer = setTimeout(() => {
      const present = this.timers.get(owner);
      if (present?.get(name) === timer) {
        present.delete(name);
        if (present.size === 0) this.timers.delete(owner);
      }
      run();
    }, ms);
    own.set(name, timer);
  }

  has(owner: K, name: string): boolean {
    return this.timers.get(owner)?.has(name) ?? false;
  }

  /** Stops all of an owner's timers. */
  clear(owner: K): void {
    const own = this.timers.get(owner);
    if (own === undefined) return;
    for (const timer of own.values()) clearTimeout(timer);
    this.timers.delete(owner);
  }

  clearAll(): void {
    for (const owner of [...this.timers.keys()]) this.clear(owner);
  }

  /** Owners that have a timer running. */
  get size(): number {
    return this.timers.size;
  }
}
