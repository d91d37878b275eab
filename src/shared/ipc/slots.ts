// SPDX-License-Identifier: Apache-2.0
/**
 * The slot table: one Int32 word for every descriptor that the agent holds, with the ticket of whoever may still end it. It settles the
 * race between a negotiator that has finished and a dispatcher that has given up (or lost the negotiator): see messages.ts.
 */
import { Limit } from '../kernel/abi.generated.js';

/** As many sockets as can be held at once. A listen backlog is 4096 by default (net.core.somaxconn); sixteen of them. */
const SLOTS = Limit.MAX_HELD;

export function createSlots(): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * 4);
}

/** The dispatcher's end: gives slots out and takes them back. */
export class SlotTable {
  private readonly words: Int32Array;
  private readonly free: number[] = [];
  private next = 0;
  private lastTicket = 0;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
  }

  get inUse(): number {
    return this.next - this.free.length;
  }

  /** A slot that holds a new ticket, or undefined when all are taken. */
  acquire(): { slot: number; ticket: number } | undefined {
    const slot = this.free.pop() ?? (this.next < this.words.length ? this.next++ : undefined);
    if (slot === undefined) return undefined;
    const ticket = this.nextTicket();
    Atomics.store(this.words, slot, ticket);
    return { slot, ticket };
  }

  /** A ticket for work that has no descriptor. Tickets are unique among 2^31 - 1 successive ones; 0 is none. */
  nextTicket(): number {
    this.lastTicket = this.lastTicket === 0x7fffffff ? 1 : this.lastTicket + 1;
    return this.lastTicket;
  }

  /** Gives a slot back, once the installer has said that its descriptor is closed. */
  release(slot: number): void {
    Atomics.store(this.words, slot, 0);
    this.free.push(slot);
  }
}

/** The installer's end: true, once, for the first who comes with the slot's ticket. */
export function claimSlot(words: Int32Array, slot: number, ticket: number): boolean {
  return Atomics.compareExchange(words, slot, ticket, 0) === ticket;
}
