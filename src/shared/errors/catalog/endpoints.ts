// SPDX-License-Identifier: Apache-2.0
/** Where the agents of other nodes are, from its file. */
import { EXIT, type ErrorEntry } from './entry.js';

const ENDPOINTS_REMEDY = 'Correct the line named in the message: `node address[:port]`, one node a line.';

export const ENDPOINTS_ERRORS = {
  TLSHUB_ENDPOINTS_UNREADABLE: {
    exitCode: EXIT.config,
    meaning: 'The file with the endpoints of nodes cannot be read or is no text file.',
    remedy: 'Check node_endpoints in capture.conf, and that the file is readable for the user of the agent.',
  },
  TLSHUB_ENDPOINTS_SYNTAX: {
    exitCode: EXIT.config,
    meaning:
      'A line of the endpoints lacks a column or has one too many, is too long, or has a name that cannot be one.',
    remedy: ENDPOINTS_REMEDY,
  },
  TLSHUB_ENDPOINTS_BAD_ADDRESS: {
    exitCode: EXIT.config,
    meaning: 'An endpoint is no address of one host, with or without a port.',
    remedy: 'Write 10.0.0.1, 10.0.0.1:9466, fd00::1 or [fd00::1]:9466.',
  },
  TLSHUB_ENDPOINTS_DUPLICATE: {
    exitCode: EXIT.config,
    meaning: 'A node is listed on two lines, or two nodes at one place.',
    remedy: 'Remove one of the two lines, or give each agent a port of its own.',
  },
} as const satisfies Record<string, ErrorEntry>;
