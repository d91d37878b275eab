// SPDX-License-Identifier: Apache-2.0
/** What a situation of the list of compatible programs is: real programs that talk over TCP, once plain and once secured. */
import type { Place } from './place.js';

/** For a table in English and its twin in Chinese. */
export interface Said {
  en: string;
  zh: string;
}

/** A difference that is known: listed with its reason, and nothing else may differ. */
export interface KnownDifference {
  /** must fit the whole of what differs (see `differences`) */
  seen: RegExp;
  reason: Said;
}

export interface Situation {
  /** short, and its own: `--only` finds it by this, the table begins with it */
  name: string;
  /** Debian packages of the programs; their versions are told */
  packages: readonly string[];
  does: Said;
  /** IPv4 only: the program, or what it is told, knows no IPv6 */
  ipv4Only?: true;
  /** somewhere in what the clients print, or nothing was tried */
  says: string | RegExp;
  /** exit statuses of clients on plain TCP (default: 0 alone); with another one nothing was tried */
  statuses?: readonly string[];
  /** what is never the same in two runs of anything, with what it is replaced by before the runs are compared */
  varies?: readonly (readonly [RegExp, string])[];
  /** how many connections node a must have had at least (default 1) */
  connections?: number;
  differs?: KnownDifference;
  run: (at: Place) => Promise<unknown>;
}

export const says = (en: string, zh: string): Said => ({ en, zh });
