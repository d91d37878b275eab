// SPDX-License-Identifier: Apache-2.0
/**
 * The parent of all helper processes (native/helper), and another one whenever it ends while we live. Threads that have helpers send it
 * their requests over one socket, whose other end is kept here: what a parent did not come to, the next one finds.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Logger } from '../../logging/logger.js';
import { builtFile } from '../../shared/files/package.js';
import type { GateFds, KernelAddon } from '../../shared/kernel/kernel-addon.js';

const PROGRAM = builtFile('native/tlshub-helper');
/** Before another try after one that ended, in ms. */
const PAUSE_MS = 100;

export class HelperParent {
  /** for KernelAddon.openHelpers, in any thread */
  readonly fd: number;
  private readonly otherEnd: number;
  private child: ChildProcess | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(
    private readonly addon: Pick<KernelAddon, 'helperParentPair' | 'closeFd'>,
    private readonly log: Logger,
  ) {
    [this.fd, this.otherEnd] = addon.helperParentPair();
  }

  /** What was asked for until now waits for it. */
  start(fds: GateFds): void {
    if (this.stopping) return;
    const { flows, verdicts, stops, userStops, dups, secured, openRecords, agents, wakes } = fds;
    // As native/helper/helper.cc says.
    const given = [
      this.otherEnd,
      flows,
      verdicts,
      stops,
      userStops,
      dups,
      secured,
      openRecords,
      agents,
      ...(wakes < 0 ? [] : [wakes]),
    ];
    const child = spawn(PROGRAM, { stdio: ['ignore', 'ignore', 'inherit', ...given] });
    this.child = child;
    let over = false;
    const ended = (why: string): void => {
      if (over) return;
      over = true;
      if (this.stopping) return;
      this.log.error(`the parent of the helper processes ended (${why}); another one takes its place`);
      this.timer = setTimeout(() => this.start(fds), PAUSE_MS);
    };
    child.once('error', (error) => ended(error.message));
    child.once('exit', (code, signal) => ended(signal ?? `status ${code}`));
    child.unref();
  }

  /** It ends, since nobody can ask it for anything any more. Helpers end with those who have them. */
  stop(): void {
    this.stopping = true;
    clearTimeout(this.timer);
    this.child?.unref();
    this.addon.closeFd(this.fd);
    this.addon.closeFd(this.otherEnd);
  }
}
