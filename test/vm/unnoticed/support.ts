// SPDX-License-Identifier: Apache-2.0
/** What the tests of this group share: a lab, whose agents put threads to sleep and stop no process, and the same program on plain TCP. */
import { release } from 'node:os';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type ExecOptions, type LabOptions, type MeshNode, type Program, type Result } from '../harness/index.js';
import { inTheSharedLab } from '../harness/wire.js';

export const B = '10.77.0.2';
const LOOPBACK = '127.0.0.1';
/** Of `terminal`'s shell. */
export const SHELL_PROMPT = 'READY> ';
const NODES: readonly MeshNode[] = ['a', 'b'];

/** So long that nothing ends by a deadline, however slow the machine. */
export const PATIENT: LabOptions = {
  set: {
    handshake_timeout_ms: 30_000,
    hold_timeout_ms: 40_000,
    hold_nonblocking_ms: 20_000,
    silent_peer_timeout_ms: 40_000,
  },
};

/** In `describe`: the lab of this group. The wire is recorded, and in the end nothing but TLS was on it. */
export function inThePatientLab(): void {
  inTheSharedLab(PATIENT);
}

/**
 * Whether the agents of the lab put callers to sleep. On 6.1 they cannot.
 * @throws Error when they do not on a kernel that can
 */
export async function holdSleeps(): Promise<boolean> {
  const holds = (await Promise.all(NODES.map((node) => lab.status(node)))).map(({ hold }) => hold);
  if (holds.every(({ way }) => way === 'sleep')) return true;
  if (release().startsWith('6.1.')) return false;
  throw new Error(`callers are not put to sleep, though this kernel can: ${JSON.stringify(holds)}`);
}

/** How often the gate of each node has stopped a process since it began. */
export async function stops(): Promise<unknown[]> {
  const counters = (await Promise.all(NODES.map((node) => lab.status(node)))).map(({ gate }) => gate.stops);
  expect(counters.every(Number.isInteger), `stops of both nodes: ${JSON.stringify(counters)}`).to.equal(true);
  return counters;
}

/** In `describe`, behind `inThePatientLab`: only where threads can be put to sleep; and in the end no process was stopped. */
export function withoutStops(): void {
  let known: unknown[] | undefined;
  before(async function () {
    if (await holdSleeps()) known = await stops();
    else this.skip();
  });
  after('no process was stopped', async () => {
    if (known !== undefined) expect(await stops(), 'stops on both nodes, before and after').to.deep.equal(known);
  });
}

/** Runs a client of a server on node b on node a, and the same one on node b over loopback, where nobody holds it: both results. */
export async function onMeshAndPlain(
  command: (host: string) => readonly string[],
  options: ExecOptions = {},
): Promise<{ mesh: Result; plain: Result }> {
  const [mesh, plain] = await Promise.all([
    lab.exec('a', command(B), options),
    lab.exec('b', command(LOOPBACK), { ...options, outside: true }),
  ]);
  return { mesh, plain };
}

/** A redis-server on node b, on all its addresses. */
export async function redis(port: number): Promise<Program> {
  const flags = ['--port', String(port), '--bind', '0.0.0.0', '--save', '', '--protected-mode', 'no'];
  const program = lab.spawn('b', ['redis-server', ...flags], { cwd: '/tmp' });
  await program.listening(port);
  return program;
}

/** An echo server on node b that accepts nothing before it is sent SIGUSR1. */
export async function lateServer(port: number): Promise<Program> {
  const program = lab.spawn('b', [resolve('build/programs/talker'), 'late', String(port)]);
  await program.listening(port);
  return program;
}

/** What a user types into an interactive shell on a terminal of node a, each TEXT when MARK was printed; ends with the shell. */
export function terminal(typed: readonly (readonly [mark: string, text: string])[]): Promise<Result> {
  const typing = ['/usr/bin/python3', resolve('test/programs/type-into.py')];
  const shell = ['bash', '--norc', '--noprofile', '-i'];
  return lab.exec('a', [...typing, ...shell], {
    input: JSON.stringify(typed),
    env: { PS1: SHELL_PROMPT, HISTFILE: '' },
  });
}
