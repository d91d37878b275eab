// SPDX-License-Identifier: Apache-2.0
/** The Pod-Node mapping, from its file or from Kubernetes. */
import { EXIT, type ErrorEntry } from './entry.js';

const MAPPING_REMEDY =
  'Correct the line named in the message: `pod_name node_name [address-or-CIDR ...]`, one pod a line.';

export const MAPPING_ERRORS = {
  TLSHUB_MAPPING_UNREADABLE: {
    exitCode: EXIT.config,
    meaning: 'The Pod-Node mapping cannot be read or is no text file.',
    remedy:
      'Check pod_node_config in capture.conf, and that the file is readable for the user of the agent. config/pod_node_mapping.conf of the package, copied there, is one to begin with.',
  },
  TLSHUB_MAPPING_SYNTAX: {
    exitCode: EXIT.config,
    meaning: 'A line of the mapping lacks a column, is too long, or has a name that cannot be one.',
    remedy: MAPPING_REMEDY,
  },
  TLSHUB_MAPPING_BAD_ADDRESS: {
    exitCode: EXIT.config,
    meaning: 'An address of the mapping is neither an IPv4 or IPv6 address nor a CIDR, or covers what it must not.',
    remedy: MAPPING_REMEDY,
  },
  TLSHUB_MAPPING_DUPLICATE: {
    exitCode: EXIT.config,
    meaning: 'A pod is listed on two lines, or an address twice for one pod.',
    remedy: 'Join the two lines, or remove one.',
  },
  TLSHUB_KUBERNETES: {
    exitCode: EXIT.failed,
    meaning:
      'The Kubernetes API, where the mapping comes from, cannot be reached, refuses or does not answer as it should.',
    remedy: 'Check kubernetes.kubeconfig or the service account, and that the API server is reachable from this node.',
  },
  TLSHUB_ADDRESS: {
    exitCode: EXIT.failed,
    meaning: 'A text is no IPv4 or IPv6 address, or no CIDR.',
    remedy: 'Write 10.0.0.1, 10.0.0.0/24, fd00::1 or fd00::/64.',
  },
} as const satisfies Record<string, ErrorEntry>;
