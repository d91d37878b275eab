// SPDX-License-Identifier: Apache-2.0
/**
 * How many negotiations with peers that answer may be young at once: what this node's processor, and their peers', can do in a fraction of a
 * second. More of them would not be done sooner, and all of them later.
 *
 * Nobody says how fast a processor is or what else it does, so the bound follows how long negotiations take: it grows while they are quick and
 * somebody waits, and shrinks when they take longer than TARGET_MS, wherever the time goes, here or at an overloaded peer. For how long one is
 * young follows too: on a machine that takes seconds for each, a second says nothing about the peer.
 */
export interface WindowBounds {
  least: number;
  /** at the start */
  first: number;
  most: number;
}

/** What a negotiation may take from its beginning to its end, in ms. */
export const TARGET_MS = 500;
/** One that takes so many times what they take as a rule waits for its peer, and not for a processor. */
const PATIENCE = 4;
/** What they take as a rule, in ms: at the start and at least, and at most. */
const RULE_MS = { least: 250, most: 2500 };
/** By how much one negotiation moves what is the rule; up and down alike, so that it is their median and single slow peers are none. */
const RULE_STEP = 1.25;
const SHRINK = 0.7;

export class Window {
  private size: number;
  private shrunkMs = -Infinity;
  private ruleMs = RULE_MS.least;

  constructor(private readonly bounds: WindowBounds) {
    this.size = bounds.first;
  }

  get places(): number {
    return Math.floor(this.size);
  }

  /** For how long a negotiation is young, in ms. */
  get patienceMs(): number {
    return PATIENCE * this.ruleMs;
  }

  /**
   * One has succeeded.
   * @param awaited somebody waits for it to end
   */
  succeeded(tookMs: number, nowMs: number, awaited: boolean): void {
    const moved = tookMs > this.ruleMs ? this.ruleMs * RULE_STEP : this.ruleMs / RULE_STEP;
    this.ruleMs = Math.min(RULE_MS.most, Math.max(RULE_MS.least, moved));
    if (tookMs > TARGET_MS) this.shrink(nowMs);
    else if (awaited) this.size = Math.min(this.bounds.most, this.size + (tookMs < TARGET_MS / 2 ? 1 : 1 / this.size));
  }

  /** One is not young any more. */
  aged(nowMs: number): void {
    this.shrink(nowMs);
  }

  /** Once for what happened at the same time. */
  private shrink(nowMs: number): void {
    if (nowMs - this.shrunkMs < 2 * TARGET_MS) return;
    this.shrunkMs = nowMs;
    this.size = Math.max(this.bounds.least, this.size * SHRINK);
  }
}
