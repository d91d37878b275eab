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
} as const satisfies Record<string, ErrorEntry>;
