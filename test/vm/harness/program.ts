// SPDX-License-Identifier: Apache-2.0
/** Programs that run in a node of the lab. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { waitFor } from './wait.js';

export type Node = 'a' | 'b' | 'c';

export interface ProgramOptions {
  /** run as this user (default root) */
  user?: string;
  /** in the node's namespace, but not captured */
  outside?: boolean;
  /** given on standard input; without it there is none */
  input?: string | Buffer;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
}

export interface Result {
  /** exit status; 128 and the signal's number are not mixed in: see signal */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const CGROUPS = '/sys/fs/cgroup/tlshub-lab';
const ENTER = resolve('build/programs/enter');
/** TCP_LISTEN of the kernel's tcp_states.h, as /proc/net/tcp writes it. */
const LISTEN = '0A';
/** Where a thread waits for the answer of a FUSE server, as /proc/PID/wchan has it (fs/fuse/dev.c). */
const ASLEEP_ON_FUSE = 'request_wait_answer';

/** A command prefix that becomes a user of /etc/passwd, with all groups and the home folder. */
function becoming(user: string): string[] {
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === user);
  const [, , uid, gid, , home] = entry ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`there is no user ${user}`);
  return [
    ...['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups'],
    ...['env', `USER=${user}`, `HOME=${home ?? '/'}`],
  ];
}

export class Program {
  readonly pid: number;
  /** settles when the program has ended and its output is complete */
  readonly ended: Promise<Result>;
  readonly #child: ChildProcess;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];

  private constructor(child: ChildProcess, command: readonly string[]) {
    this.#child = child;
    if (child.pid === undefined) throw new Error(`cannot start ${command.join(' ')}`);
    this.pid = child.pid;
    child.stdout?.on('data', (chunk: Buffer) => this.#stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.#stderr.push(chunk));
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** The same as `scripts/lab exec`, without the start of a shell of that size, which costs 0.3 s under emulation. */
  static start(node: Node, command: readonly string[], options: ProgramOptions = {}): Program {
    return Program.#launch(node, options.outside === true ? 'outside' : node, command, options);
  }

  /** In the namespace of the bridge between the nodes, beside what `scripts/lab sniff` starts. */
  static betweenNodes(command: readonly string[]): Program {
    return Program.#launch('net', 'sniff', command, {});
  }

  static #launch(namespace: Node | 'net', group: string, command: readonly string[], options: ProgramOptions): Program {
    const cgroup = join(CGROUPS, group);
    mkdirSync(cgroup, { recursive: true });
    const user = options.user === undefined ? [] : becoming(options.user);
    // Every link of the chain replaces itself by the next: the pid stays, and signals reach the program.
    const child = spawn(ENTER, [cgroup, `/run/netns/tlshub-${namespace}`, ...user, ...command], {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
      detached: true,
    });
    if (options.input !== undefined) {
      // A program that ends without reading its input closes the pipe; its status tells the rest.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(options.input);
    }
    return new Program(child, command);
  }

  /** Standard output so far. */
  get stdout(): string {
    return Buffer.concat(this.#stdout).toString('utf8');
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString('utf8');
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The kernel's state letter: R, S, D, T (stopped), Z; undefined when it is gone. */
  get state(): string | undefined {
    try {
      // After the name, which may hold anything, in parentheses.
      return readFileSync(`/proc/${this.pid}/stat`, 'latin1').split(') ').at(-1)?.[0];
    } catch {
      return undefined;
    }
  }

  /** A call of its is held: it stands still, or a thread of it sleeps on the holder's file system. */
  get held(): boolean {
    if (this.state === 'T') return true;
    try {
      const threads = readdirSync(`/proc/${this.pid}/task`);
      return threads.some((tid) => readFileSync(`/proc/${this.pid}/task/${tid}/wchan`, 'latin1') === ASLEEP_ON_FUSE);
    } catch {
      return false;
    }
  }

  /** Waits until something in the program's network namespace listens on the TCP port. */
  async listening(port: number, ms = 30_000): Promise<void> {
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    await waitFor(
      () => {
        if (!this.running) throw new Error(`the program has ended: ${this.stderr}`);
        return ['tcp', 'tcp6'].some((table) =>
          readFileSync(`/proc/${this.pid}/net/${table}`, 'latin1')
            .split('\n')
            .map((line) => line.trim().split(/\s+/))
            .some(([, local, , state]) => state === LISTEN && local?.endsWith(suffix) === true),
        );
      },
      ms,
      `a listener on port ${port}`,
    );
  }

  /** To the program and its children (it leads a process group). */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.running) process.kill(-this.pid, signal);
  }

  /** Ends it and waits until it has. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<Result> {
    this.kill(signal);
    return this.ended;
  }
}
