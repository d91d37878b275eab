// SPDX-License-Identifier: Apache-2.0
/** The lab (scripts/lab) as functions for tests that run inside the virtual machine. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { controlRequest } from '../../../src/control/client.js';
import type { ChannelReport } from '../../../src/report/channel.js';
import type { FlowReport } from '../../../src/report/flow.js';
import type { PodReport } from '../../../src/report/pod.js';
import type { ReloadReport } from '../../../src/report/reload.js';
import type { StatusReport } from '../../../src/report/status.js';
import { patience } from '../../speed.js';
import { timed } from '../../timings.js';
import { Program, type Node, type ProgramOptions, type Result } from './program.js';
import { startSniffer, type Sniffer } from './sniffer.js';
import { waitFor } from './wait.js';

/** How the lab's agents can agree on keys, where these are not TLSHub's. */
export type Exchange = 'channel' | 'in-band';

/** Nodes with a supervisor. */
export type MeshNode = 'a' | 'b';

export interface LabOptions {
  /** whose keys; else what `npm test -- --mode` says */
  mode?: string;
  /**
   * How keys are agreed on; else what `npm test -- --exchange` says, or by a handshake on each connection, which most tests are about.
   * `default`: by the product's own default
   */
  exchange?: Exchange | 'default';
  policy?: 'strict' | 'permissive';
  /** keys of capture.conf for both nodes; `a:key` or `b:key` for one of them */
  set?: Record<string, string | number | boolean>;
  /** no supervisors */
  bare?: boolean;
  /** none on these: the test starts its own (`startAgent`, `lab.restart`) */
  without?: MeshNode | readonly MeshNode[];
  /** the TLSHub kernel module in place of its stand-ins, with keys and peers of both nodes */
  module?: boolean;
}

export interface ExecOptions extends ProgramOptions {
  /** after which the program is killed (default 60 s; longer on a slow machine) */
  timeoutMs?: number;
}

/** What the lab that is up was asked for, as JSON; undefined when something has been done to its agents that the next suite could notice. */
let present: string | undefined;

/** Whether the wire of the lab that is up is being recorded. */
let sniffing = false;

const SCRIPT = resolve('scripts/lab');
const CGROUPS = '/sys/fs/cgroup/tlshub-lab';
const LAB_DIR = process.env.TLSHUB_LAB_DIR ?? '/run/tlshub-lab';

/** Runs `scripts/lab ...`; @throws Error with what it said, when its exit status is not 0 */
function script(...args: string[]): Promise<string> {
  return new Promise((resolvePromise, reject) => {
    execFile(SCRIPT, args, { maxBuffer: 256 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolvePromise(stdout);
      else reject(new Error(`scripts/lab ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }));
    });
  });
}

/** How long a supervisor may take to answer a question, and to do what it is told. */
const ANSWER = { timeoutMs: patience(10_000) };
const CHANGE = { timeoutMs: patience(120_000) };

const controlSocket = (node: MeshNode): string => `${LAB_DIR}/${node}/control.sock`;

/** What scripts/lab has started as the node's supervisor. */
const supervisor = (node: MeshNode): number => Number(readFileSync(`${LAB_DIR}/${node}/pid`, 'utf8'));

/** What `npm test -- --exchange` says. */
export const EXCHANGE_ASKED = process.env.TLSHUB_LAB_EXCHANGE as Exchange | undefined;

/** As options of `scripts/lab`. */
function optionsOf({
  mode = process.env.TLSHUB_LAB_MODE,
  exchange = EXCHANGE_ASKED ?? 'in-band',
  policy,
  set = {},
  bare = false,
  without = [],
  module = false,
}: LabOptions): string[] {
  return [
    ...(mode === undefined ? [] : ['--mode', mode]),
    ...(exchange === 'default' ? [] : ['--exchange', exchange]),
    ...(policy === undefined ? [] : ['--policy', policy]),
    ...Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ...(bare ? ['--bare'] : []),
    ...[without].flat().flatMap((node) => ['--without', node]),
    ...(module ? ['--module'] : []),
  ];
}

/** Ends the programs of the last suite; true when none is left, and no agent has a connection in its hands any more. */
async function cleared(): Promise<boolean> {
  const used = ['a', 'b', 'c', 'outside'].map((name) => join(CGROUPS, name)).filter((path) => existsSync(path));
  for (const path of used) writeFileSync(join(path, 'cgroup.kill'), '1');
  const idle = async (): Promise<boolean> => {
    if (used.some((path) => readFileSync(join(path, 'cgroup.events'), 'utf8').includes('populated 1'))) return false;
    const reports = await Promise.all((['a', 'b'] as const).map((node) => lab.status(node)));
    return reports.every(({ ready, flows }) => ready && flows.held + flows.negotiating + flows.secured === 0);
  };
  return waitFor(idle, 10_000, 'an idle lab').catch(() => false);
}

export const lab = {
  /** Takes down what is up, and makes the nodes; resolves when their supervisors are ready. */
  async up(options: LabOptions = {}): Promise<void> {
    present = undefined;
    sniffing = false;
    await timed('lab up', () => script('up', ...optionsOf(options)));
  },

  /**
   * The same, for suites that do not mind what others have left in the agents' counters and lists: without new agents, if there is a lab
   * that nothing has been done to and the settings can change in a running agent.
   */
  async need(options: LabOptions = {}): Promise<void> {
    const wanted = JSON.stringify(options);
    if (present === undefined || !(await timed('lab reused', () => this.reuse(options)))) await this.up(options);
    present = wanted;
  },

  /** Brings the lab that is up to these options; false when it takes a new one. */
  async reuse(options: LabOptions): Promise<boolean> {
    if (options.bare === true || options.without !== undefined || sniffing || !(await cleared())) return false;
    if (present === JSON.stringify(options)) return true;
    await script('configure', ...optionsOf(options));
    const reports = await Promise.all((['a', 'b'] as const).map((node) => this.reload(node)));
    return reports.every(({ needsRestart }) => needsRestart.length === 0);
  },

  /** Writes the configuration of both nodes anew, with these options of `up`; nobody is told of it. */
  async configure(...options: string[]): Promise<void> {
    present = undefined;
    await script('configure', ...options);
  },

  async down(): Promise<void> {
    present = undefined;
    sniffing = false;
    await timed('lab down', () => script('down'));
  },

  /** Runs a program in a node to its end. A status other than 0 is an answer, not an error; @throws Error when it takes too long */
  async exec(
    node: Node,
    command: readonly string[],
    { timeoutMs = 60_000, ...options }: ExecOptions = {},
  ): Promise<Result> {
    const program = Program.start(node, command, options);
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
      program.kill('SIGKILL');
    }, patience(timeoutMs));
    try {
      const result = await program.ended;
      if (!late.signal.aborted) return result;
      throw new Error(
        `${command.join(' ')} (node ${node}) took longer than ${patience(timeoutMs)} ms; it said: ${result.stdout}${result.stderr}`,
      );
    } finally {
      clearTimeout(timer);
    }
  },

  /** Starts a program in a node. It is killed by `down` at the latest. */
  spawn(node: Node, command: readonly string[], options: ProgramOptions = {}): Program {
    return Program.start(node, command, options);
  },

  /** Records every frame between the nodes from now on. */
  async sniff(file?: string): Promise<Sniffer> {
    if (sniffing) throw new Error('the wire is being recorded already: the last recording was not stopped');
    const sniffer = await timed('sniff', () => startSniffer(file));
    sniffing = true;
    return {
      stop: () => {
        sniffing = false;
        return timed('sniff', () => sniffer.stop());
      },
    };
  },

  flows(node: MeshNode): Promise<FlowReport[]> {
    return controlRequest(controlSocket(node), 'flows', {}, ANSWER);
  },

  status(node: MeshNode): Promise<StatusReport> {
    return controlRequest(controlSocket(node), 'status', {}, ANSWER);
  },

  channels(node: MeshNode): Promise<ChannelReport[]> {
    return controlRequest(controlSocket(node), 'channels', {}, ANSWER);
  },

  mapping(node: MeshNode): Promise<PodReport[]> {
    return controlRequest(controlSocket(node), 'mapping.list', {}, ANSWER);
  },

  /** Has configuration, mapping and certificates read anew. @throws TlshubError with what was wrong with them */
  reload(node: MeshNode): Promise<ReloadReport> {
    present = undefined;
    return controlRequest(controlSocket(node), 'reload', {}, CHANGE);
  },

  /** Puts another key provider in force; resolves when it is. */
  mode(node: MeshNode, mode: string): Promise<{ mode: string; previous: string }> {
    present = undefined;
    return controlRequest(controlSocket(node), 'mode.set', { mode }, CHANGE);
  },

  /** Breaks one of the provider's workers; needs TLSHUB_TEST_HOOKS=1 in the environment of `up`. */
  async breakWorker(node: MeshNode, fault: 'end' | 'hang'): Promise<boolean> {
    present = undefined;
    return (await controlRequest(controlSocket(node), 'test.break-worker', { fault }, ANSWER)).done;
  },

  /** tlshubctl against the node's supervisor; what it prints. Where `flows` and `status` will do, they take much less time. */
  ctl(node: MeshNode, ...args: string[]): Promise<string> {
    return script('ctl', node, ...args);
  },

  signal(node: MeshNode, signal: NodeJS.Signals): void {
    present = undefined;
    process.kill(supervisor(node), signal);
  },

  /** Kills the supervisor, not its guardian. */
  async kill(node: MeshNode): Promise<void> {
    this.signal(node, 'SIGKILL');
    await waitFor(
      () => !existsSync(`/proc/${supervisor(node)}`),
      10_000,
      `the end of the supervisor of node ${node}`,
      5,
    );
  },

  async restart(node: MeshNode): Promise<void> {
    await timed('restart', () => script('restart', node));
  },

  logs(node: MeshNode): Promise<string> {
    return readFile(`${LAB_DIR}/${node}/log`, 'utf8');
  },

  /** Path of the node's capture.conf. */
  config(node: MeshNode): string {
    return `${LAB_DIR}/${node}/capture.conf`;
  },
};
