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

/**
 * The dispatcher's end: gives slots out and takes them back. Nobody may have more than are free: one owner alone gets half of them, two get a third each,
 * and there is always room for another.
 */
export class SlotTable {
  private readonly words: Int32Array;
  private readonly free: number[] = [];
  /** by slot: whose it is */
  private readonly owners: bigint[] = [];
  private readonly shares = new Map<bigint, number>();
  private next = 0;
  private lastTicket = 0;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
  }

  get inUse(): number {
    return this.next - this.free.length;
  }

  /** A slot that holds a new ticket; `full` when all are taken, `share` when the owner has as many as are left for others. */
  acquire(owner: bigint): { slot: number; ticket: number } | 'full' | 'share' {
    const share = this.shares.get(owner) ?? 0;
    const left = this.words.length - this.inUse;
    if (share >= left) return left === 0 ? 'full' : 'share';
    const slot = this.free.pop() ?? this.next++;
    const ticket = this.nextTicket();
    this.owners[slot] = owner;
    this.shares.set(owner, share + 1);
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
    const owner = this.owners[slot] ?? 0n;
    const share = (this.shares.get(owner) ?? 1) - 1;
    if (share === 0) this.shares.delete(owner);
    else this.shares.set(owner, share);
  }
}

/** The installer's end: true, once, for the first who comes with the slot's ticket. */
export function claimSlot(words: Int32Array, slot: number, ticket: number): boolean {
  return Atomics.compareExchange(words, slot, ticket, 0) === ticket;
}
