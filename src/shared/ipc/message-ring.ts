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

/** The sending end. */
export class MessageSender<T extends object> {
  readonly ring: RingProducer;
  private readonly packr = new Packr(codecOptions());

  constructor(buffer: SharedArrayBuffer) {
    this.ring = new RingProducer(buffer);
  }

  /** Returns false when the ring is full: nothing was sent. */
  trySend(message: T): boolean {
    return this.ring.tryPush(MESSAGE_VERSION, this.packr.pack(message));
  }

  /** Waits for room (blocks the thread). Returns false when the ring is closed. */
  sendWaiting(message: T): boolean {
    return this.ring.pushWaiting(MESSAGE_VERSION, this.packr.pack(message));
  }

  close(): void {
    this.ring.close();
  }
}

/** The receiving end. */
export class MessageReceiver<T extends object> {
  readonly ring: RingConsumer;
  // Bytes may be kept: they must not be views of memory that the next message overwrites.
  private readonly unpackr = new Unpackr({ ...codecOptions(), copyBuffers: true });
  private scratch = Buffer.alloc(1024);

  constructor(buffer: SharedArrayBuffer) {
    this.ring = new RingConsumer(buffer);
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
      // Decoded from private memory: the decoder promises nothing about shared memory.
      const bytes = this.private(length);
      bytes.set(this.ring.data.subarray(offset, offset + length));
      callback(this.unpackr.unpack(bytes) as T);
    }, max);
  }

  private private(length: number): Buffer {
    if (this.scratch.length < length) this.scratch = Buffer.alloc(length * 2);
    return this.scratch.subarray(0, length);
  }
}
