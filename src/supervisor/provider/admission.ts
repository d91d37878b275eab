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
 * Active flows that may not begin wait, addresses by turns, oldest first for each; an address may fill the queue by the same rule of
 * shares. Passive flows never wait here. They have bounds of their own, `places + queue`, and begin at once: a passive flow waits for its
 * peer's active one, and if it could wait for another's place too, on two nodes at once, both would stand still until the deadlines. For
 * the same reason active flows and passive ones do not count against each other. Since of one address no more active flows begin than a
 * third of the places, and passive ones of that address begin up to a quarter of places and queue, order does not matter either, unless
 * a program accepts in another order than its peers connect by more than that.
 * Beyond these bounds a flow is turned away (retry-queue.ts): it stays held, is counted, and asks again when there is room.
 */
import type { Role } from '../../shared/kernel/words.js';

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

/** What is asked for a place. `node` and `address` name the peer; their form does not matter. */
export interface AdmissionJob {
  role: Role;
  node: string;
  address: string;
}

/** How a negotiation showed its peer. `silent`: it had its time and said nothing; `unclear`: anything that says nothing about the peer. */
export type PeerAnswer = 'succeeded' | 'silent' | 'failed' | 'unclear';

export type Standing = 'proven' | 'unknown' | 'suspect';
const STANDINGS: readonly Standing[] = ['proven', 'unknown', 'suspect'];
/** Of the places: kept for proven addresses, and the most that suspects get. */
const SHARE = 4;
/** Addresses whose standing is remembered, the most recent ones. */
const REMEMBERED = 16_384;

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

/** Flows that wait, by their address's standing and their address: both in the order of their turns. */
class Waiting<J extends AdmissionJob> {
  total = 0;
  private readonly lines: Record<Standing, Map<string, Set<J>>> = {
    proven: new Map(),
    unknown: new Map(),
    suspect: new Map(),
  };
  private turn = 0;

  of(standing: Standing, address: string): number {
    return this.lines[standing].get(address)?.size ?? 0;
  }

  add(job: J, standing: Standing): void {
    const lines = this.lines[standing];
    const line = lines.get(job.address);
    if (line === undefined) lines.set(job.address, new Set([job]));
    else line.add(job);
    this.total++;
  }

  delete(job: J, standing: Standing): boolean {
    const line = this.lines[standing].get(job.address);
    if (line?.delete(job) !== true) return false;
    this.total--;
    if (line.size === 0) this.lines[standing].delete(job.address);
    return true;
  }

  /** An address has earned itself another standing. */
  move(address: string, from: Standing, to: Standing): void {
    const line = this.lines[from].get(address);
    if (line === undefined) return;
    this.lines[from].delete(address);
    this.lines[to].set(address, line);
  }

  /** Takes out whose turn it is among those that `running` admits. */
  next(running: Running): { job: J; standing: Standing } | undefined {
    for (let i = 0; i < STANDINGS.length; i++) {
      const standing = STANDINGS[(this.turn + i) % STANDINGS.length] ?? 'unknown';
      if (running.room(standing) <= 0) continue;
      for (const [address, line] of this.lines[standing]) {
        const [job] = line;
        if (job === undefined || !running.admits(job, standing)) continue;
        this.delete(job, standing);
        if (line.size > 0) {
          this.lines[standing].delete(address);
          this.lines[standing].set(address, line);
        }
        this.turn = (this.turn + i + 1) % STANDINGS.length;
        return { job, standing };
      }
    }
    return undefined;
  }

  clear(): J[] {
    const jobs = Object.values(this.lines).flatMap((lines) => [...lines.values()].flatMap((line) => [...line]));
    for (const lines of Object.values(this.lines)) lines.clear();
    this.total = 0;
    return jobs;
  }
}

/** Decides, for each job, whether it runs, waits or is turned away. */
export class Admission<J extends AdmissionJob> {
  private readonly running: Record<Role, Running>;
  /** with the standing they began with: suspects count as such to their end */
  private readonly begun = new Map<J, Standing>();
  private readonly waiting = new Waiting<J>();
  /** addresses that are not unknown, the most recently heard of last */
  private readonly standings = new Map<string, Exclude<Standing, 'unknown'>>();

  constructor(readonly limits: AdmissionLimits) {
    this.running = { active: new Running(limits.active), passive: new Running(limits.passive) };
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

  admit(job: J): 'run' | 'wait' | 'full' {
    const standing = this.standing(job.address);
    const running = this.running[job.role];
    // Active flows of the same address that wait are first; of others a newcomer leaves their shares.
    const before = job.role === 'active' ? this.waiting.of(standing, job.address) : 0;
    if (before === 0 && running.admits(job, standing)) {
      this.begin(job, standing);
      return 'run';
    }
    if (job.role === 'passive' || before >= this.limits.queue - this.waiting.total) return 'full';
    this.waiting.add(job, standing);
    return 'wait';
  }

  /** Takes a waiting job out. False: it does not wait. */
  withdraw(job: J): boolean {
    return this.waiting.delete(job, this.standing(job.address));
  }

  /** A running job has ended. Returns the jobs that run from now on. */
  leave(job: J, answer: PeerAnswer): J[] {
    const standing = this.begun.get(job);
    if (standing === undefined) return [];
    this.begun.delete(job);
    this.running[job.role].add(job, standing, -1);
    this.heard(job.address, answer);
    const next: J[] = [];
    for (;;) {
      const turn = this.waiting.total === 0 ? undefined : this.waiting.next(this.running.active);
      if (turn === undefined) return next;
      this.begin(turn.job, turn.standing);
      next.push(turn.job);
    }
  }

  /** All that wait; they leave the queue. */
  clear(): J[] {
    return this.waiting.clear();
  }

  private begin(job: J, standing: Standing): void {
    this.begun.set(job, standing);
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

function change(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
