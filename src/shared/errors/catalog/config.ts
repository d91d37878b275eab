// SPDX-License-Identifier: Apache-2.0
/** The configuration file. */
import { EXIT, type ErrorEntry } from './entry.js';

const CONFIG_REMEDY = 'Correct the line named in the message; config/capture.conf describes every key.';

export const CONFIG_ERRORS = {
  TLSHUB_CONFIG_UNREADABLE: {
    exitCode: EXIT.config,
    meaning: 'The configuration file cannot be read or is no text file.',
    remedy:
      'Check that the path exists, is a text file and is readable for the user of the agent. config/capture.conf of the package, copied there, is one to begin with.',
  },
  TLSHUB_CONFIG_SYNTAX: {
    exitCode: EXIT.config,
    meaning: 'A line of the configuration is not `key = value`.',
    remedy: CONFIG_REMEDY,
  },
  TLSHUB_CONFIG_UNKNOWN_KEY: {
    exitCode: EXIT.config,
    meaning: 'The configuration sets a key that does not exist.',
    remedy: CONFIG_REMEDY,
  },
  TLSHUB_CONFIG_DUPLICATE_KEY: {
    exitCode: EXIT.config,
    meaning: 'The configuration sets a key twice.',
    remedy: 'Remove one of the two lines.',
  },
  TLSHUB_CONFIG_BAD_VALUE: {
    exitCode: EXIT.config,
    meaning: 'A value is outside of what its key allows.',
    remedy: CONFIG_REMEDY,
  },
  TLSHUB_CONFIG_CONFLICT: {
    exitCode: EXIT.config,
    meaning: 'Two values that are each allowed do not go together.',
    remedy: 'Change one of the two keys named in the message.',
  },
  TLSHUB_CONFIG_LISTEN: {
    exitCode: EXIT.config,
    meaning: 'The health endpoint cannot listen where `health_listen` says.',
    remedy: 'Choose an address of this host and a free port (`ss -ltn`), or set health_listen to nothing.',
  },
  TLSHUB_CONFIG_OTLP: {
    exitCode: EXIT.config,
    meaning: 'The file of otlp.headers_file or otlp.ca cannot be read, or a line of it is not what it should be.',
    remedy: 'Headers: one `name: value` a line, none twice. CAs: PEM certificates. Or set the key to nothing.',
  },
} as const satisfies Record<string, ErrorEntry>;
