// SPDX-License-Identifier: Apache-2.0
/** The holder (native/holder), which held threads sleep on: without it callers are held by stopping their process. */
import type { Logger } from '../../logging/logger.js';
import { builtFile } from '../../shared/files/package.js';
import { KeptProcess } from './kept-process.js';

export interface HolderOptions {
  pinDir: string;
  leaseMs: number;
  /** the end of the pipe that it reads: cookies of flows that are decided */
  wakesFd: number;
  log: Logger;
}

/** EX_UNAVAILABLE of sysexits.h: no /dev/fuse, or another PID namespace */
const CANNOT_BE_HERE = 69;
/** Its number in the holder: the first behind the standard ones. */
const WAKES_FD = 3;

export function holder({ pinDir, leaseMs, wakesFd, log }: HolderOptions): KeptProcess {
  return new KeptProcess({
    program: builtFile('native/tlshub-holder'),
    name: 'holder',
    args: { 'pin-dir': pinDir, 'lease-ms': leaseMs, 'wakes-fd': WAKES_FD },
    fds: [wakesFd],
    without: 'callers are held by stopping their process',
    hopeless: [CANNOT_BE_HERE],
    log,
  });
}
