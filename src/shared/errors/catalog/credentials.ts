// SPDX-License-Identifier: Apache-2.0
/** Certificates and keys: those of this node, and those that the lab CA makes. */
import { EXIT, type ErrorEntry } from './entry.js';

export const CREDENTIALS_ERRORS = {
  TLSHUB_CREDENTIALS: {
    exitCode: EXIT.config,
    meaning:
      'The CA, certificate or key of this node is missing, unparsable, has expired, names another node, or the parts do not belong together.',
    remedy:
      'Check tls.ca, tls.cert and tls.key in capture.conf. For a lab `tlshubctl pki init /etc/tlshub/pki` makes a CA, and `tlshubctl pki issue NODE --as node` node.crt and node.key by it.',
  },
  TLSHUB_PKI_EXISTS: {
    exitCode: EXIT.failed,
    meaning: 'A certificate or key file is there already.',
    remedy: 'Choose another folder, or pass --force to replace it (nodes of a replaced CA are no longer trusted).',
  },
  TLSHUB_PKI_CA: {
    exitCode: EXIT.failed,
    meaning: 'The CA in the folder is missing or unusable.',
    remedy: 'Make one with `tlshubctl pki init DIR`.',
  },
  TLSHUB_PKI_IO: {
    exitCode: EXIT.failed,
    meaning: 'A certificate or key could not be written.',
    remedy: 'Check the folder, its owner and the free space.',
  },
} as const satisfies Record<string, ErrorEntry>;
