// SPDX-License-Identifier: Apache-2.0
/**
 * A native process beside the agent that must survive what kills it: detached, in a cgroup of its own at the root of the hierarchy, and another
 * one whenever it dies while we live.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../logging/logger.js';
import { makeFolder } from '../../shared/files/make-folder.js';

export interface KeptProcessOptions {
  program: string;
  /** in messages, and of its cgroup: tlshub-NAME-PID */
  name: string;
  args: Record<string, string | number>;
  /** descriptors for it, from 3 on */
  fds?: number[];
  /** what it means while none runs, for the log */
  without: string;
  /** with these exit statuses it cannot be here at all: no other is tried */
  hopeless?: readonly number[];
  log: Logger;
}

/** Before another try after one that died, in ms: doubled each time up to the second, from the first again after a good while. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;
const GOOD_WHILE_MS = 10_000;
/** How long it may take to go when asked, in ms. */
const STOP_MS = 2000;

export class KeptProcess {
  private child: ChildProcess | undefined;
  private timer: NodeJS.Timeout | undefined;
  private pause = FIRST_PAUSE_MS;
  private stopping = false;
  private again = 0;

  constructor(private readonly options: KeptProcessOptions) {}

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** How often another one was started after one that had ended. */
  get restarts(): number {
    return this.again;
  }

  /** Starts it. One that cannot be started is logged and tried again. */
  start(): void {
    if (this.stopping) return;
    const { program, name, args, fds = [], without, hopeless = [], log } = this.options;
    const begun = performance.now();
    const words = Object.entries(args).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const child = spawn(program, words, { detached: true, stdio: ['ignore', 'ignore', 'inherit', ...fds] });
    this.child = child;
    let over = false;
    const ended = (why: string, final = false): void => {
      if (over) return;
      over = true;
      this.child = undefined;
      if (this.stopping) return;
      if (final) {
        log.error(`there can be no ${name} here (${why}): ${without}`);
        return;
      }
      this.pause =
        performance.now() - begun > GOOD_WHILE_MS ? FIRST_PAUSE_MS : Math.min(this.pause * 2, LONGEST_PAUSE_MS);
      log.error(`the ${name} ended (${why}); until another one runs, ${without}`);
      this.timer = setTimeout(() => {
        this.again++;
        this.start();
      }, this.pause);
    };
    child.once('error', (error) => ended(error.message));
    child.once('exit', (code, signal) => ended(signal ?? `status ${code}`, code !== null && hopeless.includes(code)));
    if (child.pid !== undefined) this.moveAway(child.pid);
  }

  /** Ends it. Resolves when it is gone. */
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
    removeFolders(this.options.name);
  }

  /** It stays, and is told so by this signal: nobody looks after it any more. */
  leave(signal?: NodeJS.Signals): void {
    this.stopping = true;
    clearTimeout(this.timer);
    if (signal !== undefined) this.child?.kill(signal);
    this.child?.unref();
  }

  private moveAway(pid: number): void {
    const { name, log } = this.options;
    const root = cgroupRoot();
    try {
      if (root === undefined) throw new Error('no cgroup2 hierarchy is mounted');
      enter(join(root, `${prefixOf(name)}${process.pid}`), pid);
    } catch (error) {
      log.warning(`the ${name} stays in the agent's cgroup: what kills the one may kill the other`, { error });
    }
    removeFolders(name);
  }
}

/** Another agent may tidy away what is still empty: then once more. */
function enter(folder: string, pid: number, tries = 5): void {
  try {
    makeFolder(folder);
    writeFileSync(join(folder, 'cgroup.procs'), String(pid));
  } catch (error) {
    if (tries === 0 || !['ENODEV', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    enter(folder, pid, tries - 1);
  }
}

const prefixOf = (name: string): string => `tlshub-${name}-`;

/** Empty folders of processes of that name that are gone, ours when it has ended. A folder with a process in it cannot be removed. */
export function removeFolders(name: string): void {
  const root = cgroupRoot();
  if (root === undefined) return;
  for (const folder of readdirSync(root)) {
    if (!folder.startsWith(prefixOf(name))) continue;
    try {
      rmdirSync(join(root, folder));
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
