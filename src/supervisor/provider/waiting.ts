// SPDX-License-Identifier: Apache-2.0
/** The queue of a pool: lines of addresses, by turns. */
import { STANDINGS, type AdmissionJob, type Standing } from './standing.js';

/** Who may begin. */
export interface Gatekeeper<J> {
  /** whether any with this standing may */
  hasRoom(standing: Standing): boolean;
  admits(job: J, standing: Standing): boolean;
}

/** Flows that wait, by their address's standing and their address: both in the order of their turns. */
export class Waiting<J extends AdmissionJob> {
  private readonly counts: Record<Standing, number> = { proven: 0, unknown: 0, suspect: 0 };
  private readonly lines: Record<Standing, Map<string, Set<J>>> = {
    proven: new Map(),
    unknown: new Map(),
    suspect: new Map(),
  };
  private turn = 0;

  get total(): number {
    return this.counts.proven + this.counts.unknown + this.counts.suspect;
  }

  of(standing: Standing, address: string): number {
    return this.lines[standing].get(address)?.size ?? 0;
  }

  with(standing: Standing): number {
    return this.counts[standing];
  }

  /** How many of the standing's members have their turn before a newcomer of the address. */
  before(standing: Standing, address: string): number {
    const own = this.of(standing, address);
    const lines = this.lines[standing].size + (own === 0 ? 1 : 0);
    return Math.min(this.counts[standing], (own + 1) * lines - 1);
  }

  add(job: J, standing: Standing): void {
    const lines = this.lines[standing];
    const line = lines.get(job.address);
    if (line === undefined) lines.set(job.address, new Set([job]));
    else line.add(job);
    this.counts[standing]++;
  }

  delete(job: J, standing: Standing): boolean {
    const line = this.lines[standing].get(job.address);
    if (line?.delete(job) !== true) return false;
    this.counts[standing]--;
    if (line.size === 0) this.lines[standing].delete(job.address);
    return true;
  }

  /** An address has earned itself another standing. */
  move(address: string, from: Standing, to: Standing): void {
    const line = this.lines[from].get(address);
    if (line === undefined) return;
    this.lines[from].delete(address);
    this.lines[to].set(address, line);
    this.counts[from] -= line.size;
    this.counts[to] += line.size;
  }

  /** Takes out whose turn it is among those that all of them admit. */
  next(...gatekeepers: Gatekeeper<J>[]): { job: J; standing: Standing } | undefined {
    for (let i = 0; i < STANDINGS.length; i++) {
      const standing = STANDINGS[(this.turn + i) % STANDINGS.length] ?? 'unknown';
      if (!gatekeepers.every((each) => each.hasRoom(standing))) continue;
      for (const [address, line] of this.lines[standing]) {
        const [job] = line;
        if (job === undefined || !gatekeepers.every((each) => each.admits(job, standing))) continue;
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
    for (const standing of STANDINGS) {
      this.lines[standing].clear();
      this.counts[standing] = 0;
    }
    return jobs;
  }
}
