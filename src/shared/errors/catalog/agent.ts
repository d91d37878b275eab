// SPDX-License-Identifier: Apache-2.0
/** What is amiss with an agent that runs: problems in `tlshubctl status`, lines of its log. */
import { EXIT, type ErrorEntry } from './entry.js';

export const AGENT_ERRORS = {
  TLSHUB_STARTING: {
    exitCode: EXIT.failed,
    meaning: 'The agent is coming up: the connections that were there before it have not been looked at yet.',
    remedy: 'Wait: `tlshubctl status --ready --wait 60`.',
  },
  TLSHUB_WORKERS_MISSING: {
    exitCode: EXIT.failed,
    meaning: 'The key provider has no running thread: no connection can be secured.',
    remedy: 'Look at the log for why they ended, or use another provider: `tlshubctl mode set MODE`.',
  },
  TLSHUB_THREAD_SILENT: {
    exitCode: EXIT.failed,
    meaning: 'A thread that the agent cannot do without gives no sign of life: the gate takes the agent for dead.',
    remedy: 'Give the agent processor time; if a thread stays silent, restart the agent and report its log.',
  },
  TLSHUB_GUARDIAN_MISSING: {
    exitCode: EXIT.failed,
    meaning: 'No guardian runs: blocking programs are refused instead of held.',
    remedy: 'It is started again by itself; the log says why that fails.',
  },
  TLSHUB_MAPPING_STALE: {
    exitCode: EXIT.failed,
    meaning: 'The source of the mapping has not been heard of for a while: the mapping may be out of date.',
    remedy: 'Check that the API server is reachable from this node, and what the service account may do.',
  },
  TLSHUB_MAPPING_EMPTY: {
    exitCode: EXIT.failed,
    meaning: 'The mapping has no address in it: there is no peer that connections could be secured to.',
    remedy: 'Add lines `pod_name node_name address` to the file of pod_node_config, and run `tlshubctl reload`.',
  },
  TLSHUB_CGROUP_AWAITED: {
    exitCode: EXIT.failed,
    meaning: 'No cgroup matches a pattern of capture.cgroup: no program is captured by it.',
    remedy: 'Make the cgroup (`mkdir PATH`) and start programs in it, or correct capture.cgroup.',
  },
  TLSHUB_CERTIFICATE_EXPIRES: {
    exitCode: EXIT.failed,
    meaning: 'A certificate expires within 30 days. From then on peers refuse this node.',
    remedy:
      'Put a new certificate and key into the files of tls.cert and tls.key (`tlshubctl pki issue NODE --force` for a lab CA): a running agent takes them up (tls.watch, or `tlshubctl reload`).',
  },
  TLSHUB_KEY_EXPOSED: {
    exitCode: EXIT.failed,
    meaning: "Every user of this node can read the node's private key, and with it be this node.",
    remedy: 'chmod 600 the file of tls.key (in Kubernetes: defaultMode of its secret).',
  },
} as const satisfies Record<string, ErrorEntry>;
