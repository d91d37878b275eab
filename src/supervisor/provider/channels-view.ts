// SPDX-License-Identifier: Apache-2.0
/** What is told of channels, whether there are any or not. */
import {
  CHANNEL_DIRECTIONS,
  CHANNEL_STATES,
  type ChannelReport,
  type ChannelsView,
  type EpochCounts,
} from '../../report/channel.js';

/** Where no channels are made: exchange = in-band, or keys by TLSHub. */
export const NO_CHANNELS: ChannelsView = {
  reports: () => [],
  totals: () => ({ opened: { opened: 0, accepted: 0 }, failed: {}, numbersTaken: 0, halfOpen: 0, turnedAway: 0 }),
};

export function countEpochs(reports: readonly ChannelReport[]): EpochCounts {
  const none = (): [string, number][] => CHANNEL_STATES.map((state) => [state, 0]);
  const counts = Object.fromEntries(
    CHANNEL_DIRECTIONS.map((direction) => [direction, Object.fromEntries(none())]),
  ) as EpochCounts;
  for (const { direction, state } of reports) counts[direction][state]++;
  return counts;
}
