// SPDX-License-Identifier: Apache-2.0
/** Keys by name (docs/CHANNEL.md), as the dispatcher sees them: both ends of a connection have agreed, and each makes its keys alone, at once. */
import type { Agreement, ProviderName, Tuple } from '../../shared/kernel/abi.js';
import type { FlowKeys } from '../../shared/kernel/kernel-addon.js';
import type { Role } from '../../shared/kernel/words.js';

/** What keys are made of, but for the epoch's secret. */
export interface NamedFlow {
  role: Role;
  agreed: Agreement;
  tuple: Tuple;
  /** our initial sequence number and the peer's */
  iss: number;
  irs: number;
  /** by the mapping of its address */
  peerNodes: readonly string[];
}

/** Whoever has them hands the secrets on or discards them. */
export interface NamedKeys extends FlowKeys {
  /** whose channel it was */
  provider: ProviderName;
  tookMs: number;
}

/** Why a connection has no keys, for good. */
export interface NoKeys {
  code: string;
  reason: string;
  /** to be called when the connection is refused for it: news that comes late can seem to be a second connection */
  refused?: () => void;
}

export interface KeysByName {
  /** Once for each connection: its number is used up by it. Never throws. */
  derive(flow: NamedFlow): NamedKeys | NoKeys;
  /** A connection to this node goes in-band: the next ones need not. */
  need(node: string): void;
}
