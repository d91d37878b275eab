// SPDX-License-Identifier: Apache-2.0
/**
 * A fixed-size byte ring for one producer and one consumer, on a SharedArrayBuffer.
 *
 * Layout (native/kernel implements the same producer, so it is written down to the byte):
 *
 *   Int32 words, one cache line of 64 bytes for each party's own position:
 *     [0]  magic 0x544c5352                 [1]  capacity of the data part in bytes, a power of two
 *     [16] write position                   [32] read position
 *     [48] records dropped by the producer  [49] 1: the consumer sleeps; clear it and notify word 16
 *     [50] 1: closed                        [51] high-water mark of used bytes
 *   data starts at byte 256
 *
 * Positions count bytes since the beginning and wrap modulo 2^32; the place in the data is position & (capacity - 1).
 * A record is `u32 payload length, u32 tag, payload`, little-endian, padded to 8 bytes. A record never wraps: when it does not fit
 * before the end, a word 0xFFFFFFFF in the length's place sends the reader to the start. Positions are multiples of 8, so there is
 * always room for that word.
 *
 * Overflow is the caller's rule: `tryPush` says false and changes nothing. The event reader leaves events in the perf buffer then
 * (whose losses are counted); everyone else waits (`pushWaiting`) or keeps the message.
 *
 * Sleeping without a lost wake-up: the consumer sets word 49, then looks at the write position again, then sleeps on it by its value.
 * The producer publishes, then looks at word 49, takes it down and notifies. All of this is sequentially consistent, so one of the two
 * sees the other.
 */

const MAGIC = 0x544c5352;
const WORD_MAGIC = 0;
const WORD_CAPACITY = 1;
const WORD_WRITE = 16;
const WORD_READ = 32;
const WORD_DROPPED = 48;
const WORD_WAITING = 49;
const WORD_CLOSED = 50;
const WORD_HIGH_WATER = 51;
const HEADER_BYTES = 256;
const RECORD_HEADER = 8;
const SKIP = 0xffffffff;

/** How long a blocked party sleeps before it looks again by itself (closing is not tied to the write position), in ms. */
const BLOCKED_LOOK_MS = 50;

/** Figures for status and metrics; bytes, and records for `dropped`. */
export interface RingStats {
  capacity: number;
  used: number;
  highWater: number;
  dropped: number;
}

/**
 * Makes an empty ring.
 * @param capacity bytes of data, a power of two, at least 64
 * @throws RangeError for another capacity
 */
export function createRing(capacity: number): SharedArrayBuffer {
  if (capacity < 64 || capacity > 2 ** 30 || (capacity & (capacity - 1)) !== 0) {
    throw new RangeError(`a ring's capacity is a power of two from 64 to 2^30, not ${capacity}`);
  }
  const buffer = new SharedArrayBuffer(HEADER_BYTES + capacity);
  // Written to, so that no connection waits for a page of it: the first turn would else take one fault after the other.
  new Uint8Array(buffer).fill(0);
  const words = new Int32Array(buffer, 0, HEADER_BYTES / 4);
  words[WORD_CAPACITY] = capacity;
  Atomics.store(words, WORD_MAGIC, MAGIC);
  return buffer;
}

class RingEnd {
  /** The data part. Offsets given to a drain callback count from its start. */
  readonly data: Uint8Array;
  readonly view: DataView;
  protected readonly words: Int32Array;
  protected readonly capacity: number;
  protected readonly mask: number;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.capacity = this.words[WORD_CAPACITY] ?? 0;
    if (this.words[WORD_MAGIC] !== MAGIC || buffer.byteLength !== HEADER_BYTES + this.capacity) {
      throw new TypeError('not a ring: magic or size is wrong');
    }
    this.mask = this.capacity - 1;
    this.data = new Uint8Array(buffer, HEADER_BYTES, this.capacity);
    this.view = new DataView(buffer, HEADER_BYTES, this.capacity);
  }

  get closed(): boolean {
    return this.isClosed();
  }

  /** A call and not a property: the compiler must not think that it stays what it was. */
  protected isClosed(): boolean {
    return Atomics.load(this.words, WORD_CLOSED) === 1;
  }

  /** Says that nothing more will come. What is in the ring can still be read. Either end may call it. */
  close(): void {
    Atomics.store(this.words, WORD_CLOSED, 1);
    Atomics.notify(this.words, WORD_WRITE);
  }

  stats(): RingStats {
    const used = (Atomics.load(this.words, WORD_WRITE) - Atomics.load(this.words, WORD_READ)) >>> 0;
    return {
      capacity: this.capacity,
      used,
      highWater: Atomics.load(this.words, WORD_HIGH_WATER) >>> 0,
      dropped: Atomics.load(this.words, WORD_DROPPED) >>> 0,
    };
  }
}

/** The writing end. Exactly one thread may use it. */
export class RingProducer extends RingEnd {
  /** The largest payload in bytes: half the ring, so that a record and the gap before it always fit an empty ring. */
  readonly maxPayload: number;

  constructor(buffer: SharedArrayBuffer) {
    super(buffer);
    this.maxPayload = this.capacity / 2 - RECORD_HEADER;
  }

  /**
   * Copies one record into the ring and wakes a sleeping consumer.
   * @returns false: no room, nothing was written
   * @throws RangeError when the payload could never fit
   */
  tryPush(tag: number, payload: Uint8Array): boolean {
    if (payload.length > this.maxPayload) {
      throw new RangeError(`a record of ${payload.length} bytes does not fit a ring of ${this.capacity}`);
    }
    const size = (RECORD_HEADER + payload.length + 7) & ~7;
    const write = this.words[WORD_WRITE] as number;
    const used = (write - Atomics.load(this.words, WORD_READ)) >>> 0;
    let at = write & this.mask;
    const toEnd = this.capacity - at;
    const gap = size > toEnd ? toEnd : 0;
    if (used + gap + size > this.capacity) return false;
    if (gap > 0) {
      this.view.setUint32(at, SKIP, true);
      at = 0;
    }
    this.view.setUint32(at, payload.length, true);
    this.view.setUint32(at + 4, tag, true);
    this.data.set(payload, at + RECORD_HEADER);
    const now = used + gap + size;
    if (now > (this.words[WORD_HIGH_WATER] as number)) this.words[WORD_HIGH_WATER] = now;
    Atomics.store(this.words, WORD_WRITE, (write + gap + size) | 0);
    this.wakeConsumer();
    return true;
  }

  /** As tryPush, but waits for room. For threads that may block. Returns false only when the ring is closed. */
  pushWaiting(tag: number, payload: Uint8Array): boolean {
    for (;;) {
      if (this.closed) return false;
      const read = Atomics.load(this.words, WORD_READ);
      if (this.tryPush(tag, payload)) return true;
      // The consumer does not notify for space: a full ring is rare, and a look every millisecond is enough to leave it.
      Atomics.wait(this.words, WORD_READ, read, 1);
    }
  }

  /** Blocks until the consumer has read something, at most `ms`. */
  waitForRoom(ms: number): void {
    Atomics.wait(this.words, WORD_READ, Atomics.load(this.words, WORD_READ), ms);
  }

  /** Counts records that the producer's rule threw away. */
  countDropped(records: number): void {
    Atomics.add(this.words, WORD_DROPPED, records);
  }

  /** Wakes the consumer if it sleeps: for records that another language wrote into the same ring. */
  wakeConsumer(): void {
    if (Atomics.load(this.words, WORD_WAITING) === 0) return;
    // Taking the flag down makes it one notify a sleep: until the sleeper runs, more records may come, and a notify costs far more.
    if (Atomics.exchange(this.words, WORD_WAITING, 0) === 1) Atomics.notify(this.words, WORD_WRITE);
  }
}

/** Called with a record's place in `data`/`view`. The bytes are good until the callback returns. */
export type RecordCallback = (tag: number, offset: number, length: number) => void;

/** The reading end. Exactly one thread may use it. */
export class RingConsumer extends RingEnd {
  get empty(): boolean {
    return Atomics.load(this.words, WORD_WRITE) === this.words[WORD_READ];
  }

  /**
   * Hands over up to `max` records, oldest first, then frees their room. A record whose callback throws counts as read.
   * @returns how many were read
   * @throws Error when the ring's contents make no sense (never continue after that)
   */
  drain(callback: RecordCallback, max = Number.MAX_SAFE_INTEGER): number {
    const write = Atomics.load(this.words, WORD_WRITE);
    let read = this.words[WORD_READ] as number;
    let count = 0;
    try {
      while (read !== write && count < max) {
        const at = read & this.mask;
        const length = this.view.getUint32(at, true);
        if (length === SKIP) {
          read = (read + this.capacity - at) | 0;
          continue;
        }
        const size = (RECORD_HEADER + length + 7) & ~7;
        if (length > this.capacity || at + size > this.capacity || (write - read) >>> 0 < size) {
          throw new Error(`ring corrupt: a record of ${length} bytes at ${at} of ${this.capacity}`);
        }
        read = (read + size) | 0;
        count++;
        callback(this.view.getUint32(at + 4, true), at + RECORD_HEADER, length);
      }
    } finally {
      Atomics.store(this.words, WORD_READ, read);
    }
    return count;
  }

  /**
   * Resolves to true when there is something to read, to false when the ring is closed and empty. Keeps no event loop alive while it
   * sleeps. It goes once around the event loop before it does: under load the next records are there by then, and a sleep costs both
   * sides more than a turn.
   */
  async wait(): Promise<boolean> {
    if (this.empty && !this.closed) await new Promise<void>((resolve) => setImmediate(resolve));
    for (;;) {
      const write = Atomics.load(this.words, WORD_WRITE);
      if (write !== this.words[WORD_READ]) return true;
      if (this.closed) return false;
      Atomics.store(this.words, WORD_WAITING, 1);
      const sleep = Atomics.waitAsync(this.words, WORD_WRITE, write);
      if (sleep.async) {
        // Closing does not change word 16: a close between our look and the sleep is made up for here.
        if (this.isClosed()) Atomics.notify(this.words, WORD_WRITE);
        await sleep.value;
      }
      Atomics.store(this.words, WORD_WAITING, 0);
    }
  }

  /** As wait, but blocks the thread, at most `timeoutMs`. Returns true when there is something to read. */
  blockingWait(timeoutMs = Infinity): boolean {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const write = Atomics.load(this.words, WORD_WRITE);
      if (write !== this.words[WORD_READ]) return true;
      const left = deadline - performance.now();
      if (this.closed || left <= 0) return false;
      Atomics.store(this.words, WORD_WAITING, 1);
      Atomics.wait(this.words, WORD_WRITE, write, Math.min(left, BLOCKED_LOOK_MS));
      Atomics.store(this.words, WORD_WAITING, 0);
    }
  }
}
