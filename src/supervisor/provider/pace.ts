// SPDX-License-Identifier: Apache-2.0
/** How fast a queue moves, from when its last members were served; so it can be said of a newcomer that its time will not come. */
const REMEMBERED = 64;
/** Fewer say nothing. */
const ENOUGH = 16;

export class Pace {
  private served: number[] = [];

  /** One was taken out. */
  moved(nowMs: number): void {
    this.served.push(nowMs);
    if (this.served.length > REMEMBERED) this.served.shift();
  }

  /** Nobody waits: what comes next says nothing about those before. */
  rest(): void {
    this.served = [];
  }

  /** How long until so many more have been served, in ms; 0 as long as nothing is known. */
  until(count: number, nowMs: number): number {
    const [first = nowMs] = this.served;
    return this.served.length < ENOUGH ? 0 : (count * (nowMs - first)) / this.served.length;
  }
}
