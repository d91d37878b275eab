// SPDX-License-Identifier: Apache-2.0
/** The guardian (native/guardian): without it the gate holds nobody, and refuses blocking callers instead. */
import type { Logger } from '../../logging/logger.js';
import { builtFile } from '../../shared/files/package.js';
import { KeptProcess } from './kept-process.js';

/** Tells it that the agent leaves its gate to the next one. */
export const HAND_OVER = 'SIGUSR1';

export interface GuardianOptions {
  pinDir: string;
  graceMs: number;
  leaseMs: number;
  log: Logger;
}

export function guardian({ pinDir, graceMs, leaseMs, log }: GuardianOptions): KeptProcess {
  return new KeptProcess({
    program: builtFile('native/tlshub-guardian'),
    name: 'guardian',
    args: { 'agent-pid': process.pid, 'pin-dir': pinDir, 'grace-ms': graceMs, 'lease-ms': leaseMs },
    without: 'blocking programs are refused instead of held',
    log,
  });
}
