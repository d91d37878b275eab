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
  TLSHUB_CHANNEL_UNREACHABLE: {
    exitCode: EXIT.failed,
    meaning:
      "Another node's agent cannot be reached for a channel: nothing answers where it should be, or it is refused.",
    remedy:
      'Check that the agent runs there with exchange = channel, that its address in node_endpoints is right, and that no firewall is in the way of its port (9466). Connections to that node are secured in-band meanwhile.',
  },
  TLSHUB_CHANNEL_LISTEN: {
    exitCode: EXIT.failed,
    meaning: "Other nodes' agents cannot come in for a channel: the address of channel_listen cannot be listened at.",
    remedy:
      'Set channel_listen to an address of this node and a free port (`ss -ltnp` says who has it), or to nothing. Until then connections that come from other nodes are secured in-band.',
  },
  TLSHUB_CHANNEL_EPOCH_GONE: {
    exitCode: EXIT.failed,
    meaning:
      'The two ends of a connection had agreed on an epoch that this agent does not have any more: its session broke, or an earlier agent had it.',
    remedy: 'Nothing, the program connects again. If it happens often, the log says why sessions with that node end.',
  },
  TLSHUB_CHANNEL_NUMBER_TAKEN: {
    exitCode: EXIT.failed,
    meaning:
      'A connection came with a number that another one has had before: its keys would not be its own. The other node was told, and makes another epoch.',
    remedy:
      'If it happens again, somebody on the way repeats or forges segments, or two copies of a virtual machine run at once.',
  },
  TLSHUB_CHANNEL_STRANGER: {
    exitCode: EXIT.failed,
    meaning: 'A connection was agreed on with a node that the mapping does not give for its address.',
    remedy: 'Check that the mapping is the same on all nodes, and what translates addresses between them.',
  },
} as const satisfies Record<string, ErrorEntry>;
