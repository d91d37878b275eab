// SPDX-License-Identifier: Apache-2.0
/**
 * Who may begin a negotiation, and who waits: the rule of a pool, apart from its threads.
 *
 * A negotiation is two short bursts of arithmetic with a wait for the peer between them. Waiting costs memory and nothing else, so the
 * bounds here are bounds on memory. Their purpose: silent peers must not take what the others need. Two things decide about a newcomer, and
 * neither asks a peer to behave:
 *
 *   - Shares. A node may have as many negotiations under way as there are places left, an address as many as its node still may
 *     (dynamic thresholds: Choudhury and Hahne, "Dynamic queue length thresholds", 1998). Alone, a node gets half and an address a third;
 *     with k greedy nodes each gets 1/(k + 1), and as much stays free for whoever comes next.
 *   - Standing. An address with which the last negotiation succeeded is `proven`, one that let it run out in silence is `suspect`, others
 *     are `unknown`. A quarter of the places is for proven addresses only, and all suspects together get no more than a quarter. So any
 *     number of silent nodes leaves room for peers that are known to answer, and after one deadline also for new ones.
 *
 * A third thing decides about active flows: the processor. All that is begun shares it, so what is begun beyond what it can do only makes
 * everybody late together. It counts negotiations that are *young* (window.ts says for how long): an older one waits for its peer.
 *
 *   - Of proven addresses no more are young than the window has places.
 *   - Of what is not proven a few of an address may be young, and a few more of a node: enough to prove it. They do not count in the window, so
 *     silence takes no place of those who answer.
 *   - An address with one that is not young any more is in doubt until one succeeds: it is not proven, and one at a time may be young. Under load
 *     that a window has not shrunk to yet it is the same.
 *
 * Who waits for the processor has a time for it. Its end is told early: a newcomer before whom more wait than are served until then is turned
 * away at once, as `late`.
 *
 * Active flows that may not begin wait, addresses by turns, oldest first for each; an address may fill the queue by the same rule of
 * shares. Passive flows never wait here. They have bounds of their own, `places + queue`, and begin at once: a passive flow waits for its
 * peer's active one, and if it could wait for another's place too, on two nodes at once, both would stand still until the deadlines. For
 * the same reason active flows and passive ones do not count against each other. Since of one address no more active flows begin than a
 * third of the places, and passive ones of that address begin up to a quarter of places and queue, order does not matter either, unless
 * a program accepts in another order than its peers connect by more than that.
 * Beyond these bounds a flow is turned away (retry-queue.ts): it stays held, is counted, and asks again when there is room.
 */
import type { Role } from '../../shared/kernel/words.js';
import { Pace } from './pace.js';
import { REMEMBERED, change, type AdmissionJob, type PeerAnswer, type Standing } from './standing.js';
import { Waiting } from './waiting.js';
import { Young, youngLimits, type Begun, type YoungLimits } from './young.js';

export interface AdmissionLimits {
  active: number;
  passive: number;
  /** active flows that may wait */
  queue: number;
}

/**
 * @param places negotiations under way at once in the whole pool, threads times those of each
 * @param queue flows that may wait for a place
 */
export function admissionLimits(places: number, queue: number): AdmissionLimits {
  return { active: Math.max(1, places), passive: Math.max(1, places) + queue, queue };
}

/** Of the places: kept for proven addresses, and the most that suspects get. */
const SHARE = 4;
/** Negotiations under way in one role. */
class Running {
  total = 0;
  suspects = 0;
  private readonly nodes = new Map<string, number>();
  private readonly addresses = new Map<string, number>();

  constructor(private readonly limit: number) {}

  /** How many more the standing's members may begin together. */
  room(standing: Standing): number {
    const free = this.limit - this.total;
    const share = Math.floor(this.limit / SHARE);
    if (standing === 'proven') return free;
    if (standing === 'unknown') return free - share;
    return Math.min(free - share, Math.max(1, share) - this.suspects);
  }

  hasRoom(standing: Standing): boolean {
    return this.room(standing) > 0;
  }

  admits({ node, address }: AdmissionJob, standing: Standing): boolean {
    const room = this.room(standing);
    const ofNode = this.nodes.get(node) ?? 0;
    return ofNode < room && (this.addresses.get(address) ?? 0) < room - ofNode;
  }

  add(job: AdmissionJob, standing: Standing, by: 1 | -1): void {
    this.total += by;
    if (standing === 'suspect') this.suspects += by;
    change(this.nodes, job.node, by);
    change(this.addresses, job.address, by);
  }
}

/** Decides, for each job, whether it runs, waits or is turned away. */
export class Admission<J extends AdmissionJob> {
  private readonly running: Record<Role, Running>;
  private readonly begun = new Map<J, Begun>();
  private readonly young: Young<J>;
  private readonly waiting = new Waiting<J>();
  private readonly pace = new Pace();
  /** addresses that are not unknown, the most recently heard of last */
  private readonly standings = new Map<string, Exclude<Standing, 'unknown'>>();

  /** @param now the present, in ms */
  constructor(
    readonly limits: AdmissionLimits,
    young: YoungLimits,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.running = { active: new Running(limits.active), passive: new Running(limits.passive) };
    this.young = new Young(young);
  }

  get inFlight(): number {
    return this.begun.size;
  }

  get queued(): number {
    return this.waiting.total;
  }

  standing(address: string): Standing {
    return this.standings.get(address) ?? 'unknown';
  }

  /** @param waitMs how long it may wait for the processor */
  admit(job: J, waitMs = Infinity): 'run' | 'wait' | 'full' | 'late' {
    const standing = this.standing(job.address);
    const running = this.running[job.role];
    if (job.role === 'passive') {
      if (!running.admits(job, standing)) return 'full';
      this.begin(job, standing);
      return 'run';
    }
    // Flows of the same address that wait are first; of others a newcomer leaves their shares.
    const before = this.waiting.of(standing, job.address);
    if (before === 0 && running.admits(job, standing) && this.young.admits(job, standing)) {
      this.begin(job, standing);
      return 'run';
    }
    // Others may wait for silent peers, and how long that takes says nothing about them.
    if (standing === 'proven') {
      const turn = this.waiting.before(standing, job.address) + 1;
      if (this.pace.until(turn, this.now()) > waitMs) return 'late';
    }
    if (before >= this.limits.queue - this.waiting.total) return 'full';
    this.waiting.add(job, standing);
    return 'wait';
  }

  /** Takes a waiting job out. False: it does not wait. */
  withdraw(job: J): boolean {
    return this.waiting.delete(job, this.standing(job.address));
  }

  /** A running job has ended. Returns the jobs that run from now on. */
  leave(job: J, answer: PeerAnswer): J[] {
    const begun = this.begun.get(job);
    if (begun === undefined) return [];
    const nowMs = this.now();
    this.begun.delete(job);
    this.young.delete(job);
    this.running[job.role].add(job, begun.standing, -1);
    if (job.role === 'active' && answer === 'succeeded') {
      this.young.succeeded(job, nowMs - begun.atMs, nowMs, this.waiting.with('proven') > 0);
    }
    this.heard(job.address, answer);
    return this.next();
  }

  /** Time has passed. Returns the jobs that run from now on. */
  age(): J[] {
    const nowMs = this.now();
    for (const { address } of this.young.aged(nowMs)) {
      if (this.standing(address) !== 'proven') continue;
      this.young.window.aged(nowMs);
      this.heard(address, 'failed');
    }
    return this.next();
  }

  /** All that wait; they leave the queue. */
  clear(): J[] {
    return this.waiting.clear();
  }

  private next(): J[] {
    const next: J[] = [];
    for (;;) {
      const turn = this.waiting.total === 0 ? undefined : this.waiting.next(this.running.active, this.young);
      if (this.waiting.with('proven') === 0) this.pace.rest();
      else if (turn?.standing === 'proven') this.pace.moved(this.now());
      if (turn === undefined) return next;
      this.begin(turn.job, turn.standing);
      next.push(turn.job);
    }
  }

  private begin(job: J, standing: Standing): void {
    const begun = { standing, atMs: this.now() };
    this.begun.set(job, begun);
    if (job.role === 'active') this.young.add(job, begun);
    this.running[job.role].add(job, standing, 1);
  }

  private heard(address: string, answer: PeerAnswer): void {
    if (answer === 'unclear') return;
    const before = this.standing(address);
    this.standings.delete(address);
    if (answer !== 'failed') this.standings.set(address, answer === 'succeeded' ? 'proven' : 'suspect');
    const after = this.standing(address);
    if (after !== before) this.waiting.move(address, before, after);
    const [oldest] = this.standings.keys();
    if (this.standings.size <= REMEMBERED || oldest === undefined) return;
    this.waiting.move(oldest, this.standing(oldest), 'unknown');
    this.standings.delete(oldest);
  }
}

/** Of a pool with so many threads, and places in each. */
export function admissionOf<J extends AdmissionJob>(pool: {
  threads: number;
  inFlight: number;
  queue: number;
}): Admission<J> {
  const places = pool.threads * pool.inFlight;
  return new Admission(admissionLimits(places, pool.queue), youngLimits(places, pool.threads));
}
