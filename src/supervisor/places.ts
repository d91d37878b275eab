/**
 * Who may begin a negotiation, and who waits: the rule of a pool, apart from its threads.
 *
 * An active side's handshake waits for its peer's passive side. If passive sides could wait for places that active ones hold, on two nodes
 * at once, both pools would stand still until the deadlines. So:
 *   - active flows get half of the places, at least one, and queue for them;
 *   - passive flows get all other places, and more than that: they begin at once up to `places + queue`, since a passive flow that waits
 *     for its peer's first byte costs memory and nothing else, and any order in which passive flows waited for one another could close a
 *     circle with the order in which the peer's active ones do.
 * Beyond these bounds a flow is turned away: it stays held, is counted, and asks again when there is room.
 */
import type { Role } from '../shared/native.js';

export interface PlaceLimits {
  active: number;
  passive: number;
  /** active flows that may wait */
  queue: number;
}

/**
 * @param places handshakes under way at once in the whole pool, threads times those of each
 * @param queue flows that may wait for a place
 */
export function placeLimits(places: number, queue: number): PlaceLimits {
  return { active: Math.max(1, places - Math.ceil(places / 2)), passive: Math.max(1, places) + queue, queue };
}

/** Decides, for each job, whether it runs, waits or is turned away. Jobs are anything with a role. */
export class Places<J extends { role: Role }> {
  private readonly running: Record<Role, number> = { active: 0, passive: 0 };
  private readonly waiting = new Set<J>();

  constructor(readonly limits: PlaceLimits) {}

  get inFlight(): number {
    return this.running.active + this.running.passive;
  }

  get queued(): number {
    return this.waiting.size;
  }

  admit(job: J): 'run' | 'wait' | 'full' {
    if (this.running[job.role] < this.limits[job.role]) {
      this.running[job.role]++;
      return 'run';
    }
    if (job.role === 'passive' || this.waiting.size >= this.limits.queue) return 'full';
    this.waiting.add(job);
    return 'wait';
  }

  /** Takes a waiting job out. False: it does not wait. */
  withdraw(job: J): boolean {
    return this.waiting.delete(job);
  }

  /** A running job has ended. Returns the job that runs in its place now, if one waits. */
  leave(job: J): J | undefined {
    this.running[job.role]--;
    if (job.role === 'passive') return undefined;
    const [next] = this.waiting;
    if (next === undefined) return undefined;
    this.waiting.delete(next);
    this.running.active++;
    return next;
  }

  /** All that wait; they leave the queue. */
  clear(): J[] {
    const jobs = [...this.waiting];
    this.waiting.clear();
    return jobs;
  }
}
