// SPDX-License-Identifier: Apache-2.0
/**
 * Typed messages over a ring, as msgpack. Both ends name the same union; the record's tag is the protocol version, so that two
 * builds that do not agree fail at the first message and not in the middle of one.
 */
import { Packr, Unpackr } from 'msgpackr';
import { RingConsumer, RingProducer } from './ring.js';
import { MESSAGE_SHAPES, MESSAGE_VERSION } from './messages.js';

/** Options of msgpackr on both ends. It fills the list of structures while it works, so every codec gets one of its own. */
export function codecOptions(): { structures: string[][]; maxSharedStructures: number } {
  // Not one more than both know from the start: any other shape is then written into the message itself.
  return { structures: MESSAGE_SHAPES.map((shape) => [...shape]), maxSharedStructures: MESSAGE_SHAPES.length };
}

/** The sending end. With `wipe` the encoder's copy of each message is zeroed once it is in the ring. */
export class MessageSender<T extends object> {
  readonly ring: RingProducer;
  private readonly packr = new Packr(codecOptions());
  private readonly wipe: boolean;

  constructor(buffer: SharedArrayBuffer, options: { wipe?: boolean } = {}) {
    this.ring = new RingProducer(buffer);
    this.wipe = options.wipe ?? false;
  }

  /** Returns false when the ring is full: nothing was sent. */
  trySend(message: T): boolean {
    return this.encoded(message, (bytes) => this.ring.tryPush(MESSAGE_VERSION, bytes));
  }

  /** Waits for room (blocks the thread). Returns false when the ring is closed. */
  sendWaiting(message: T): boolean {
    return this.encoded(message, (bytes) => this.ring.pushWaiting(MESSAGE_VERSION, bytes));
  }

  close(): void {
    this.ring.close();
  }

  private encoded(message: T, push: (bytes: Uint8Array) => boolean): boolean {
    const bytes = this.packr.pack(message);
    try {
      return push(bytes);
    } finally {
      if (this.wipe) bytes.fill(0);
    }
  }
}

/**
 * The receiving end. With `wipe` the ring's bytes and the decoder's copy are zeroed after each callback: byte fields of a message are
 * views of that copy and good only until the callback returns.
 */
export class MessageReceiver<T extends object> {
  readonly ring: RingConsumer;
  private readonly unpackr: Unpackr;
  private readonly wipe: boolean;
  private scratch = Buffer.alloc(1024);

  constructor(buffer: SharedArrayBuffer, options: { wipe?: boolean } = {}) {
    this.wipe = options.wipe ?? false;
    this.ring = new RingConsumer(buffer, { wipe: this.wipe });
    // Bytes that are not wiped may be kept: they must not be views of memory that the next message overwrites.
    this.unpackr = new Unpackr({ ...codecOptions(), copyBuffers: !this.wipe });
  }

  /**
   * Hands over up to `max` messages.
   * @returns how many there were
   * @throws Error when a record is of another protocol version
   */
  receive(callback: (message: T) => void, max?: number): number {
    return this.ring.drain((tag, offset, length) => {
      if (tag !== MESSAGE_VERSION) {
        throw new Error(`message version ${tag} on a ring of version ${MESSAGE_VERSION}: mixed builds`);
      }
      // Decoded from private memory: neither the decoder nor node:crypto promises anything about shared memory.
      const bytes = this.private(length);
      bytes.set(this.ring.data.subarray(offset, offset + length));
      try {
        callback(this.unpackr.unpack(bytes) as T);
      } finally {
        if (this.wipe) bytes.fill(0);
      }
    }, max);
  }

  private private(length: number): Buffer {
    if (this.scratch.length < length) this.scratch = Buffer.alloc(length * 2);
    return this.scratch.subarray(0, length);
  }
}
