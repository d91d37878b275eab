// SPDX-License-Identifier: Apache-2.0
/** The program `peer` (test/programs/peer) in a node: what it is told to do, and what came of each system call. */
import { resolve } from 'node:path';
import { patience } from '../../speed.js';
import { Program, type Node, type ProgramOptions } from './program.js';
import { waitFor } from './wait.js';

export const PEER = resolve('build/programs/peer');

/** One line of its output: a system call that has returned. */
export interface Step {
  op: string;
  /** the call's return value */
  result: number;
  /** '0', or errno's name */
  error: string;
  /** how often a non-blocking call was told EAGAIN before (some operations count something else) */
  tries: number;
  /** what was read */
  data: string;
}

function parse(line: string): Step {
  const [op = '', result, error = '', tries, ...data] = line.split(' ');
  return { op, result: Number(result), error, tries: Number(tries), data: data.join(' ') };
}

export class Peer {
  private constructor(readonly program: Program) {}

  static start(node: Node, ops: readonly string[], options: ProgramOptions = {}): Peer {
    return new Peer(Program.start(node, [PEER, ...ops], options));
  }

  /** A server: `listen` on the port of all addresses goes before the operations; resolves when it listens. */
  static async listen(node: Node, port: number, ops: readonly string[], options: ProgramOptions = {}): Promise<Peer> {
    const peer = Peer.start(node, [`listen:0.0.0.0:${port}`, ...ops], options);
    await peer.until('listen');
    return peer;
  }

  /** Runs it to its end; all steps. @throws Error when it ends badly or takes longer than 25 s */
  static run(node: Node, ops: readonly string[], options: ProgramOptions = {}): Promise<Step[]> {
    return Peer.start(node, ops, options).finish();
  }

  get steps(): Step[] {
    return this.program.stdout.split('\n').slice(0, -1).map(parse);
  }

  /** Waits for the first (or the n-th) step of that name. */
  until(op: string, n = 1, ms = 60_000): Promise<Step> {
    return waitFor(
      () => {
        const step = this.steps.filter((each) => each.op === op)[n - 1];
        if (step === undefined && !this.program.running) throw new Error(`peer has ended: ${this.describe()}`);
        return step;
      },
      ms,
      `${op} of peer; so far: ${this.describe()}`,
      10,
    );
  }

  async finish(ms = 25_000): Promise<Step[]> {
    const timer = setTimeout(() => this.program.kill(), patience(ms));
    const { code, signal } = await this.program.ended;
    clearTimeout(timer);
    if (code !== 0)
      throw new Error(`peer ended with ${code ?? signal} after at most ${patience(ms)} ms: ${this.describe()}`);
    return this.steps;
  }

  stop(): Promise<unknown> {
    return this.program.stop();
  }

  describe(): string {
    return `${this.program.stdout}${this.program.stderr} (state ${this.program.state ?? 'gone'})`;
  }
}

/** The first step of that name. @throws Error when there is none */
export function step(steps: readonly Step[], op: string, n = 1): Step {
  const found = steps.filter((each) => each.op === op)[n - 1];
  if (found === undefined) throw new Error(`no ${op} in ${JSON.stringify(steps)}`);
  return found;
}
