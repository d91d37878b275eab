// SPDX-License-Identifier: Apache-2.0
import { CHANNEL_DIRECTIONS, CHANNEL_STATES, type ChannelReport, type EpochCounts } from '../../report/channel.js';

/** Of each direction and state, those too that there are none of. */
export function countEpochs(reports: readonly ChannelReport[]): EpochCounts {
  const none = (): [string, number][] => CHANNEL_STATES.map((state) => [state, 0]);
  const counts = Object.fromEntries(
    CHANNEL_DIRECTIONS.map((direction) => [direction, Object.fromEntries(none())]),
  ) as EpochCounts;
  for (const { direction, state } of reports) counts[direction][state]++;
  return counts;
}
