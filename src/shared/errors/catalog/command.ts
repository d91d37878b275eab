// SPDX-License-Identifier: Apache-2.0
/** A command, and what has no code of its own. */
import { EXIT, type ErrorEntry } from './entry.js';

export const COMMAND_ERRORS = {
  TLSHUB_USAGE: {
    exitCode: EXIT.usage,
    meaning: 'The command line is wrong.',
    remedy: 'Run the command with --help.',
  },
  TLSHUB_CHECK_FAILED: {
    exitCode: EXIT.config,
    meaning: 'An agent would not start with the configuration that was looked at, or not secure anything.',
    remedy: 'The remedy stands below each item that is marked.',
  },
  TLSHUB_INTERNAL: {
    exitCode: EXIT.failed,
    meaning: 'Something failed that has no code of its own.',
    remedy: 'Run again with log_level = debug and report the log.',
  },
  TLSHUB_SYS: {
    exitCode: EXIT.failed,
    meaning: 'A system call failed; errno and the call are named.',
    remedy: 'Look up the errno for that call; `tlshubctl check` tells what this kernel lacks.',
  },
  TLSHUB_BUG_REPORT: {
    exitCode: EXIT.failed,
    meaning: 'The archive of a bug report cannot be written. There is none, rather than an incomplete one.',
    remedy: 'Name a file that does not exist, in a folder that exists, may be written to and has room.',
  },
  TLSHUB_BENCH_FILE: {
    exitCode: EXIT.failed,
    meaning: 'The results of a benchmark cannot be written.',
    remedy: 'Name files in a folder that exists, may be written to and has room (-o, -j).',
  },
} as const satisfies Record<string, ErrorEntry>;
