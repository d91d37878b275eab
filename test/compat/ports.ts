// SPDX-License-Identifier: Apache-2.0
/** The ports of situations: each has its own in either way, all below those that the kernel gives to clients, and of as many digits. */

/** Plain: no agent knows of it. Secured: captured. */
export type Way = 'plain' | 'secured';

export const FIRST_PORT: Record<Way, number> = { plain: 11_000, secured: 21_000 };
export const PORTS_EACH = 10;
/** Further on are those of what is run anew under strace: of other connections than before. */
export const TRACED = 5000;
