// SPDX-License-Identifier: Apache-2.0
/** Who asks for a place in a pool, and what is known of its peer. */
import type { Role } from '../../shared/kernel/words.js';

/** What is asked for a place. `node` and `address` name the peer; their form does not matter. */
export interface AdmissionJob {
  role: Role;
  node: string;
  address: string;
}

/** How a negotiation showed its peer. `silent`: it had its time and said nothing; `unclear`: anything that says nothing about the peer. */
export type PeerAnswer = 'succeeded' | 'silent' | 'failed' | 'unclear';

export type Standing = 'proven' | 'unknown' | 'suspect';
export const STANDINGS: readonly Standing[] = ['proven', 'unknown', 'suspect'];
/** Addresses whose standing is remembered, the most recent ones. */
export const REMEMBERED = 16_384;

/** Counts by name; one that is 0 takes no memory. */
export function change(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
