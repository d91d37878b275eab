// SPDX-License-Identifier: Apache-2.0
/** The gate, the threads behind it, and connections that the agent refuses. */
import { EXIT, type ErrorEntry } from './entry.js';

export const GATE_ERRORS = {
  TLSHUB_ABI_MISMATCH: {
    exitCode: EXIT.failed,
    meaning: 'BPF object, native addon and TypeScript are of different builds: a struct has another layout.',
    remedy: 'Run `npm run build` in the checkout, and start the agent from the same one.',
  },
  TLSHUB_ALREADY_RUNNING: {
    exitCode: EXIT.failed,
    meaning: 'Another agent lives that works on the same pins. Nothing of it has been touched.',
    remedy:
      'Stop the process that the message names, or give this agent a bpf_pin_dir and a control_socket of its own.',
  },
  TLSHUB_GATE: {
    exitCode: EXIT.kernelUnsupported,
    meaning: 'The gate could not be loaded, attached or pinned; the verifier is quoted.',
    remedy: 'Run `tlshubctl check`: it says what this kernel lacks and how to get it.',
  },
  TLSHUB_CGROUP: {
    exitCode: EXIT.config,
    meaning: 'A cgroup of capture.cgroup cannot be captured.',
    remedy: 'Make the cgroup, or correct capture.cgroup; it must be a folder of the cgroup2 hierarchy.',
  },
  TLSHUB_BOOT_STATE: {
    exitCode: EXIT.failed,
    meaning:
      'What the boot gate goes by could not be kept. After a reboot of this host it shuts what was kept before, or nothing: captured programs then speak plaintext to addresses that it does not know.',
    remedy:
      'Make room in state_dir, or set it to a folder of root on the host that can be written; or set boot_policy = off if there is no boot gate here.',
  },
  TLSHUB_RING: {
    exitCode: EXIT.failed,
    meaning: 'A shared buffer is no ring, or of another layout.',
    remedy: 'Run `npm run build`: addon and TypeScript are of different builds.',
  },
  TLSHUB_DRIVER_CLOSED: {
    exitCode: EXIT.failed,
    meaning: 'A handshake was started on a driver that had been closed.',
    remedy: 'Nothing, if the agent was stopping; else report the log.',
  },
  TLSHUB_INSTALL: {
    exitCode: EXIT.failed,
    meaning: 'Keys could not be installed safely: the socket is not in the state that the handshake left it in.',
    remedy:
      'The connection was refused. If it is always the same program, look at what it does to its socket right after connecting.',
  },
  TLSHUB_GATE_REFUSED: {
    exitCode: EXIT.failed,
    meaning: 'The gate itself refused the connection; the reason says why.',
    remedy: 'Each reason has its own remedy: `tlshubctl flows --state refused -o wide` shows it beside the connection.',
  },
  TLSHUB_PEER_UNKNOWN: {
    exitCode: EXIT.failed,
    meaning:
      'The mapping names no node for the address of the peer, and policy = strict or a rule of policy_require refuses such connections.',
    remedy:
      "Add the peer's address to the mapping (pod_node_config) and run `tlshubctl reload`; or let it go in plaintext by policy_exclude.",
  },
  TLSHUB_SPOILT: {
    exitCode: EXIT.failed,
    meaning: 'An earlier agent died in the middle of this handshake: it can be neither finished nor begun again.',
    remedy: 'Nothing: the program will connect again.',
  },
  TLSHUB_TOO_MANY_HELD: {
    exitCode: EXIT.failed,
    meaning: 'More connections are held at once than the agent can admit to negotiation.',
    remedy: 'Look for peers that do not answer (tlshubctl flows), or raise the pool sizes.',
  },
  TLSHUB_WORKER_LOST: {
    exitCode: EXIT.failed,
    meaning: 'The worker that negotiated this flow died or hung, and the flow could not be begun again.',
    remedy: 'The program will connect again; if it happens often, report the log.',
  },
  TLSHUB_REVOKED: {
    exitCode: EXIT.failed,
    meaning:
      'The rules or the mapping that came into force forbid a connection that was made before, and revoke_on_reload is set.',
    remedy:
      'Nothing, if that is what the change was for; else correct the mapping or the rules. New connections are judged by them too.',
  },
  TLSHUB_RELOAD_REFUSED: {
    exitCode: EXIT.failed,
    meaning: 'The settings were to be changed at a time when they cannot be.',
    remedy: 'Nothing: the agent that is started next reads everything.',
  },
  TLSHUB_DRAINING: {
    exitCode: EXIT.failed,
    meaning: 'The agent is stopping and the flow was not secured in time.',
    remedy: 'Nothing: it is drain_timeout_ms that was reached.',
  },
} as const satisfies Record<string, ErrorEntry>;
