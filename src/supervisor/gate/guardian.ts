// SPDX-License-Identifier: Apache-2.0
/**
 * Starts the guardian (native/guardian) and another one whenever it dies while we live. It must survive what kills us, so it is detached
 * and gets a cgroup of its own at the root of the hierarchy; without it the gate stops no processes and refuses blocking callers instead.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../logging/logger.js';
import { makeFolder } from '../../shared/files/make-folder.js';

export interface GuardianOptions {
  program: string;
  pinDir: string;
  graceMs: number;
  leaseMs: number;
  log: Logger;
}

/** Before another try after one that died, in ms: doubled each time up to the second, from the first again after a good while. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;
const GOOD_WHILE_MS = 10_000;
/** How long it may take to go when asked, in ms. */
const STOP_MS = 2000;
const CGROUP_PREFIX = 'tlshub-guardian-';

export class Guardian {
  private child: ChildProcess | undefined;
  private timer: NodeJS.Timeout | undefined;
  private pause = FIRST_PAUSE_MS;
  private stopping = false;
  private folder: string | undefined;

  constructor(private readonly options: GuardianOptions) {}

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Starts it. A guardian that cannot be started is logged and tried again. */
  start(): void {
    if (this.stopping) return;
    const { program, pinDir, graceMs, leaseMs, log } = this.options;
    const begun = performance.now();
    const values = { 'agent-pid': process.pid, 'pin-dir': pinDir, 'grace-ms': graceMs, 'lease-ms': leaseMs };
    const args = Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', 'inherit'] });
    this.child = child;
    let over = false;
    const ended = (why: string): void => {
      if (over) return;
      over = true;
      this.child = undefined;
      if (this.stopping) return;
      this.pause =
        performance.now() - begun > GOOD_WHILE_MS ? FIRST_PAUSE_MS : Math.min(this.pause * 2, LONGEST_PAUSE_MS);
      log.error(`the guardian ended (${why}); until another one runs, blocking programs are refused instead of held`);
      this.timer = setTimeout(() => this.start(), this.pause);
    };
    child.once('error', (error) => ended(error.message));
    child.once('exit', (code, signal) => ended(signal ?? `status ${code}`));
    if (child.pid !== undefined) this.moveAway(child.pid);
  }

  /** Ends it; it does nothing then. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    const { child } = this;
    if (child?.pid !== undefined) {
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await gone;
      clearTimeout(force);
    }
    removeGuardianFolders();
  }

  private moveAway(pid: number): void {
    const root = cgroupRoot();
    try {
      if (root === undefined) throw new Error('no cgroup2 hierarchy is mounted');
      this.folder = join(root, `${CGROUP_PREFIX}${process.pid}`);
      makeFolder(this.folder);
      writeFileSync(join(this.folder, 'cgroup.procs'), String(pid));
    } catch (error) {
      this.options.log.warning("the guardian stays in the agent's cgroup: what kills the one may kill the other", {
        error,
      });
    }
    removeGuardianFolders();
  }
}

/** Empty folders of guardians that are gone, ours when it has ended. A folder with a process in it cannot be removed. */
export function removeGuardianFolders(): void {
  const root = cgroupRoot();
  if (root === undefined) return;
  for (const name of readdirSync(root)) {
    if (!name.startsWith(CGROUP_PREFIX)) continue;
    try {
      rmdirSync(join(root, name));
    } catch {
      // In use.
    }
  }
}

/** Where cgroup2 is mounted: field 5 of /proc/self/mountinfo, the type after the separator (proc(5)). */
function cgroupRoot(): string | undefined {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [mount = '', kind = ''] = line.split(' - ');
    if (kind.startsWith('cgroup2 ')) return mount.split(' ')[4];
  }
  return undefined;
}
