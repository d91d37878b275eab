// SPDX-License-Identifier: Apache-2.0
/** The files of metrics. */
import { EXIT, type ErrorEntry } from './entry.js';

export const METRICS_ERRORS = {
  TLSHUB_METRICS_WRITE: {
    exitCode: EXIT.failed,
    meaning: 'The metrics files could not be written. There are none with this name, rather than incomplete ones.',
    remedy: 'Make room in metrics_dir, or set it to a folder that exists and can be written.',
  },
} as const satisfies Record<string, ErrorEntry>;
