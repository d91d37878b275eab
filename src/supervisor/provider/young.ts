// SPDX-License-Identifier: Apache-2.0
/** Negotiations that are young: what the processor has to do. The rule is in admission.ts. */
import { REMEMBERED, change, type AdmissionJob, type Standing } from './standing.js';
import { Window, type WindowBounds } from './window.js';

/** How many active negotiations may be young. */
export interface YoungLimits extends WindowBounds {
  /** with an address that is not proven, and with all such of a node */
  ofAddress: number;
  ofNode: number;
}

/** From what keeps a thread busy to as many as there are places. */
export function youngLimits(places: number, threads: number): YoungLimits {
  const least = 4 * threads;
  const first = 2 * least;
  return { least, first, most: Math.max(places, first), ofAddress: least, ofNode: 4 * first };
}

export interface Begun {
  /** with which it began: suspects count as such to their end */
  standing: Standing;
  atMs: number;
}

/** Active negotiations that are young, oldest first. */
export class Young<J extends AdmissionJob> {
  private readonly begun = new Map<J, Begun & { doubted: boolean }>();
  private readonly nodes = new Map<string, number>();
  private readonly addresses = new Map<string, number>();
  /** addresses in doubt, the most recent ones last */
  private readonly doubted = new Set<string>();
  private proven = 0;

  readonly window: Window;

  constructor(private readonly limits: YoungLimits) {
    this.window = new Window(limits);
  }

  /** Whether any of the standing's members may begin. */
  hasRoom(standing: Standing): boolean {
    return standing !== 'proven' || this.proven < this.window.places;
  }

  admits({ node, address }: AdmissionJob, standing: Standing): boolean {
    if (standing === 'proven') return this.hasRoom(standing);
    const ofAddress = this.addresses.get(address) ?? 0;
    if (this.doubted.has(address)) return ofAddress === 0;
    return ofAddress < this.limits.ofAddress && (this.nodes.get(node) ?? 0) < this.limits.ofNode;
  }

  add(job: J, begun: Begun): void {
    const doubted = this.doubted.has(job.address);
    this.begun.set(job, { ...begun, doubted });
    this.count(job, { ...begun, doubted }, 1);
  }

  delete(job: J): void {
    const begun = this.begun.get(job);
    if (begun === undefined) return;
    this.begun.delete(job);
    this.count(job, begun, -1);
  }

  /** One has succeeded, after so long. */
  succeeded({ address }: J, tookMs: number, nowMs: number, awaited: boolean): void {
    this.doubted.delete(address);
    this.window.succeeded(tookMs, nowMs, awaited);
  }

  /** Takes out those that are not young any more. */
  aged(nowMs: number): J[] {
    const aged: J[] = [];
    for (const [job, { atMs }] of this.begun) {
      if (nowMs - atMs < this.window.patienceMs) break;
      aged.push(job);
    }
    for (const job of aged) {
      this.delete(job);
      this.doubt(job.address);
    }
    return aged;
  }

  private doubt(address: string): void {
    this.doubted.delete(address);
    this.doubted.add(address);
    const [oldest] = this.doubted;
    if (this.doubted.size > REMEMBERED && oldest !== undefined) this.doubted.delete(oldest);
  }

  private count({ node, address }: J, { standing, doubted }: Begun & { doubted: boolean }, by: 1 | -1): void {
    if (standing === 'proven') {
      this.proven += by;
      return;
    }
    // Silent addresses keep no other of their node waiting.
    if (!doubted) change(this.nodes, node, by);
    change(this.addresses, address, by);
  }
}
