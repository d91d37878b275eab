// SPDX-License-Identifier: Apache-2.0
/** The program's socket, as the agent finds it. */
import { EXIT, type ErrorEntry } from './entry.js';

export const SOCKET_ERRORS = {
  TLSHUB_SOCKET_GONE: {
    exitCode: EXIT.failed,
    meaning: 'The process or its descriptor was gone before the agent could take the socket.',
    remedy: 'Nothing to do: the program closed the connection or ended.',
  },
  TLSHUB_SOCKET_FOREIGN_TLS: {
    exitCode: EXIT.failed,
    meaning: 'The socket already has an upper-layer protocol or TLS keys that are not ours.',
    remedy: 'Keep programs that use kernel TLS themselves out of the captured cgroup.',
  },
  TLSHUB_SOCKET_SECURED: {
    exitCode: EXIT.failed,
    meaning: 'The connection was secured before; late news of it was taken for that of a new one.',
    remedy: 'Nothing to do: the connection is left alone.',
  },
  TLSHUB_HELPER_LOST: {
    exitCode: EXIT.failed,
    meaning:
      'A helper process did not come back from a system call on the socket and was given up; the gate refuses the connection at its deadline. The program keeps the call waiting: a file of its own FUSE mount, a lock that one of its threads holds, a device that does not answer.',
    remedy: 'Look at the program and the cgroup that the log names. No other connection is concerned.',
  },
  TLSHUB_OWNER_STUCK: {
    exitCode: EXIT.failed,
    meaning:
      'The cgroup of the program has as many lost helpers (TLSHUB_HELPER_LOST) as one may have: its connections are refused until one of them has ended.',
    remedy: 'End the programs that the log names with TLSHUB_HELPER_LOST.',
  },
} as const satisfies Record<string, ErrorEntry>;
