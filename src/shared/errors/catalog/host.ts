// SPDX-License-Identifier: Apache-2.0
/** What this host lacks or does not permit. */
import { EXIT, type ErrorEntry } from './entry.js';

export const HOST_ERRORS = {
  TLSHUB_KERNEL_UNSUPPORTED: {
    exitCode: EXIT.kernelUnsupported,
    meaning: 'The running kernel lacks something that the gate or kernel TLS needs.',
    remedy: 'Run `tlshubctl check`: it lists what is missing, each with its remedy.',
  },
  TLSHUB_NATIVE_MISSING: {
    exitCode: EXIT.failed,
    meaning: 'The native addon is not built, or cannot be loaded here: built for another processor or C library.',
    remedy: 'Run `npm run build` in the checkout.',
  },
  TLSHUB_NOT_PERMITTED: {
    exitCode: EXIT.notPermitted,
    meaning: 'The user may not do this.',
    remedy: 'Run it as root.',
  },
  TLSHUB_MEMORY_NOT_LOCKED: {
    exitCode: EXIT.failed,
    meaning:
      'The memory for keys cannot be locked, so that the kernel may write it to swap. Connections are secured all the same.',
    remedy:
      'Raise the limit on locked memory: `LimitMEMLOCK=infinity` in the unit, `--ulimit memlock=-1` for a container, or give the agent CAP_IPC_LOCK; or turn swap off.',
  },
} as const satisfies Record<string, ErrorEntry>;
