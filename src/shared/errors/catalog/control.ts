// SPDX-License-Identifier: Apache-2.0
/** The control socket, and the release of a dead agent's gate. */
import { EXIT, type ErrorEntry } from './entry.js';

export const CONTROL_ERRORS = {
  TLSHUB_CONTROL_UNREACHABLE: {
    exitCode: EXIT.failed,
    meaning: 'No supervisor listens on the control socket.',
    remedy: 'Start one with `node dist/supervisor.js CONFIG`, or name its socket with --socket PATH.',
  },
  TLSHUB_CONTROL_TIMEOUT: {
    exitCode: EXIT.failed,
    meaning: 'The supervisor took the request and did not answer in time.',
    remedy: "Look at the supervisor's log: it is stuck or overloaded.",
  },
  TLSHUB_CONTROL_PROTOCOL: {
    exitCode: EXIT.failed,
    meaning: 'A message on the control socket is malformed, too long, or of another protocol version.',
    remedy: 'Use the tlshubctl of the same release as the supervisor.',
  },
  TLSHUB_CONTROL_CLOSED: {
    exitCode: EXIT.failed,
    meaning: 'The connection to the control socket ended before the answer came: the supervisor was stopped, or died.',
    remedy: 'Look at its log, and ask again when it is back: `tlshubctl status --ready --wait 60`.',
  },
  TLSHUB_CONTROL_UNKNOWN_OP: {
    exitCode: EXIT.failed,
    meaning: 'The supervisor does not know the requested operation.',
    remedy: 'Use the tlshubctl of the same release as the supervisor.',
  },
  TLSHUB_CONTROL_BAD_ARGS: {
    exitCode: EXIT.usage,
    meaning: 'The arguments of a control operation have the wrong shape.',
    remedy: 'See docs/CONTROL_PROTOCOL.md.',
  },
  TLSHUB_CONTROL_SOCKET: {
    exitCode: EXIT.config,
    meaning: 'The control socket cannot be made where `control_socket` says.',
    remedy: 'Give control_socket a short absolute path in a folder of its own with mode 0700.',
  },
  TLSHUB_CONTROL_FORBIDDEN: {
    exitCode: EXIT.notPermitted,
    meaning: 'The supervisor does not take orders from this process: another user, or one in a captured cgroup.',
    remedy: 'Run it as root on the host, outside the cgroups that capture.cgroup names.',
  },
  TLSHUB_NOT_READY: {
    exitCode: EXIT.failed,
    meaning: 'The supervisor runs, but new connections may be refused; the message says why.',
    remedy: 'Wait, or mend what the message names; `tlshubctl status` shows the whole picture.',
  },
  TLSHUB_RELEASE_ALIVE: {
    exitCode: EXIT.failed,
    meaning: 'The gate is not taken away, since an agent or its guardian still works on it.',
    remedy:
      'Stop the supervisor first. If it was stopped or killed a moment ago, its guardian waits for another one, for guardian_grace_ms: --wait SECONDS waits with it.',
  },
  TLSHUB_RELEASE_LAYOUT: {
    exitCode: EXIT.failed,
    meaning: 'The gate is not taken away, since it is of another version: which connections need it cannot be told.',
    remedy: 'Use the tlshubctl of the release that the dead agent was of.',
  },
  TLSHUB_RELEASE_HELD: {
    exitCode: EXIT.failed,
    meaning: 'The gate is not taken away, since connections that are not secured could not be ended before.',
    remedy:
      'Load tcp_diag (`modprobe tcp_diag`), or end the program that the message names, and run it again. New connections may go in plaintext already.',
  },
  TLSHUB_RELEASE_LEFT: {
    exitCode: EXIT.failed,
    meaning: 'The gate is gone, but its folder has something in it that no agent puts there.',
    remedy: 'Look into the folder (bpf_pin_dir), and remove it by hand.',
  },
  TLSHUB_NOT_FOUND: {
    exitCode: EXIT.failed,
    meaning: 'What was asked for does not exist.',
    remedy: 'List what there is, for example with `tlshubctl mapping list`.',
  },
} as const satisfies Record<string, ErrorEntry>;
