// SPDX-License-Identifier: Apache-2.0
/** The files of metrics, the access log, the export of both. */
import { EXIT, type ErrorEntry } from './entry.js';

export const METRICS_ERRORS = {
  TLSHUB_METRICS_WRITE: {
    exitCode: EXIT.failed,
    meaning: 'The metrics files could not be written. There are none with this name, rather than incomplete ones.',
    remedy: 'Make room in metrics_dir, or set it to a folder that exists and can be written.',
  },
  TLSHUB_ACCESS_LOG: {
    exitCode: EXIT.failed,
    meaning:
      'The access log cannot be written, or not as fast as connections end. Connections are served all the same; lines that found no room in the buffer are dropped and counted (tlshub_access_log_lines_total).',
    remedy:
      'Make room on its file system, or set access_log to a file in a folder that exists and can be written; it is tried again every few seconds. If it is too slow, lower access_log_percent.',
  },
  TLSHUB_OTLP: {
    exitCode: EXIT.failed,
    meaning:
      'The collector of otlp.endpoint does not take what it is sent. Connections are served all the same; what is not taken in time is dropped and counted (tlshub_otlp_dropped_total).',
    remedy:
      'Look whether it runs and can be reached from this node, at otlp.endpoint and not through the mesh. Status 401 or 403: correct the token in otlp.headers_file. 404: its receiver for OTLP over HTTP is off, or has another path. A certificate: otlp.ca. It is tried again by itself.',
  },
} as const satisfies Record<string, ErrorEntry>;
