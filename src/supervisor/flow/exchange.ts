// SPDX-License-Identifier: Apache-2.0
/** How the two agents of a connection came by its keys, from what is known of it. */
import type { Exchange } from '../../report/flow.js';

/** Of a flow as much as is needed here, since the table itself has words from here. */
interface Secured {
  /** what both agents have named; absent: nothing */
  readonly agreed?: { readonly epoch: number } | undefined;
  /** null as long as none was asked */
  readonly provider: string | null;
}

/** Null as long as it is open, and for good with a connection that nobody secures. */
export function exchangeOf({ agreed, provider }: Secured): Exchange | null {
  if (agreed !== undefined) return 'channel';
  if (provider === null) return null;
  return provider === 'tlshub' ? 'out-of-band' : 'in-band';
}

/** The epoch that its keys are of; null: of none. */
export function epochOf({ agreed }: Secured): number | null {
  return agreed?.epoch ?? null;
}
