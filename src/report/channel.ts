// SPDX-License-Identifier: Apache-2.0
/** The channels to other nodes (docs/CHANNEL.md) as users are shown them: `tlshubctl channels`, its --json, what `status` and the metrics say of them. */

/** `opened`: this node's agent opened it, for connections that programs here make; `accepted`: the other node's did. */
export type ChannelDirection = 'opened' | 'accepted';

export const CHANNEL_DIRECTIONS: readonly ChannelDirection[] = ['opened', 'accepted'];

/**
 * `opening`: the handshake is under way; `open`: takes new connections; `kept`: only for those under way; `failed`: the last try came to nothing, and
 * connections are secured in-band.
 */
export type ChannelState = 'opening' | 'open' | 'kept' | 'failed';

export const CHANNEL_STATES: readonly ChannelState[] = ['opening', 'open', 'kept', 'failed'];

/** One epoch of the channel with a node; two of one node and direction overlap while one takes over from the other. */
export interface ChannelReport {
  node: string;
  direction: ChannelDirection;
  state: ChannelState;
  /** 0: there is none, as with a failed try */
  epoch: number;
  /** that made the handshake; '' as long as it is not over */
  library: string;
  cipher: string;
  /** the key exchange's name */
  group: string;
  /** since it was opened, or begun */
  ageMs: number;
  /** connections that have taken a number of it (opened), or that keys were made for (accepted) */
  flows: number;
  /** epochs of this node and direction that it took over from, one after the other */
  renewals: number;
  lastError: { code: string; reason: string; at: string } | null;
}

/** Since the agent began. */
export interface ChannelTotals {
  /** epochs that became usable */
  opened: Record<ChannelDirection, number>;
  /** those that did not, or were lost before their time, by error code (docs/ERRORS.md) */
  failed: Record<string, number>;
  /** connections that came with a number which was taken: refused here, or told so by the node that accepted */
  numbersTaken: number;
  /** of others' handshakes with the listener: under way now, and turned away because too many were */
  halfOpen: number;
  turnedAway: number;
}

/** Epochs that there are now, of each direction and in each state. */
export type EpochCounts = Record<ChannelDirection, Record<ChannelState, number>>;

/** What the agent's channels have to say; whoever makes them answers. */
export interface ChannelsView {
  reports(): ChannelReport[];
  totals(): ChannelTotals;
}

/** Where no channels are made: exchange = in-band, or keys by TLSHub. */
export const NO_CHANNELS: ChannelsView = {
  reports: () => [],
  totals: () => ({ opened: { opened: 0, accepted: 0 }, failed: {}, numbersTaken: 0, halfOpen: 0, turnedAway: 0 }),
};
