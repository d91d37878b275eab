// SPDX-License-Identifier: Apache-2.0
/** The channel between two agents, beside what a handshake can end with. */
import { EXIT, type ErrorEntry } from './entry.js';

export const CHANNEL_ERRORS = {
  TLSHUB_CHANNEL_REJECTED: {
    exitCode: EXIT.failed,
    meaning:
      'One of two agents did not take the epoch that the other proposed: versions, names, limits, or it wants none.',
    remedy: 'The message has the reason. Connections to that node are secured in-band meanwhile.',
  },
  TLSHUB_CHANNEL_LOST: {
    exitCode: EXIT.failed,
    meaning:
      'The session with another agent broke without a word, or nothing was heard from there any more. Its epoch is over.',
    remedy: "Check that the peer node's agent runs, and the network between the two. The next epoch is made by itself.",
  },
} as const satisfies Record<string, ErrorEntry>;
