// SPDX-License-Identifier: Apache-2.0
/** Seeded random numbers (mulberry32), so that a failing fuzz run can be repeated. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 <= n < below */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** The bytes with a few of them changed, dropped, doubled or cut off. */
  mutate(source: Buffer): Buffer {
    let bytes = Buffer.from(source);
    for (let n = 1 + this.below(6); n > 0; n--) {
      const at = this.below(Math.max(1, bytes.length));
      const kind = this.below(5);
      if (kind === 0) bytes[at] = this.below(256);
      else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + this.below(8))]);
      else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(this.below(at + 1))]);
      else if (kind === 3) bytes = bytes.subarray(0, at);
      else bytes = Buffer.concat([bytes.subarray(0, at), this.bytes(this.below(12)), bytes.subarray(at)]);
    }
    return bytes;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}
