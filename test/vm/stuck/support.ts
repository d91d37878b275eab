// SPDX-License-Identifier: Apache-2.0
/** Programs that keep the agent's system calls waiting, and an innocent one beside them. */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';

export const B = '10.77.0.2';
/** An address of the mesh without an agent: what is said there is never answered. */
export const SILENT_PORT = 7999;
const ECHO_PORT = 8000;
const INNOCENT = ['/usr/bin/python3', resolve('test/programs/innocent.py')];
const TARPIT = ['/usr/bin/python3', resolve('test/programs/tarpit.py')];
const VISITS = 30;
const PATIENCE = 60_000;

export interface Visit {
  /** ms of each connection that succeeded, ascending */
  times: number[];
  failures: string[];
}

async function says(program: Program, word: string): Promise<Program> {
  const what = (): string => `"${word}" of ${program.pid}; it said: ${program.stdout}${program.stderr}`;
  await waitFor(() => program.stdout.includes(word), PATIENCE, what);
  return program;
}

/** An echo server on node b, and one that says nothing. */
export async function serve(): Promise<void> {
  execFileSync('modprobe', ['fuse']);
  chmodSync('/dev/fuse', 0o666);
  await says(lab.spawn('b', [...INNOCENT, 'serve', B, String(ECHO_PORT)]), 'ready');
  await says(lab.spawn('b', [...TARPIT, 'serve', String(SILENT_PORT)], { outside: true }), 'ready');
}

/** A captured program of nobody's on node a that is up to no good; resolves when it has said `word`. */
export function attack(name: string, args: readonly (string | number)[], word: string): Promise<Program> {
  return says(lab.spawn('a', [resolve('build/programs', name), ...args.map(String)], { user: 'nobody' }), word);
}

/** What an innocent program of node a sees. */
export async function visit(count = VISITS): Promise<Visit> {
  const { stdout, stderr } = await lab.exec('a', [...INNOCENT, 'visit', B, String(ECHO_PORT), String(count)], {
    timeoutMs: 240_000,
  });
  if (stdout === '') throw new Error(`the innocent program has failed: ${stderr}`);
  const { times, failures } = JSON.parse(stdout) as Visit;
  return { times: times.sort((a, b) => a - b), failures };
}

export function p99({ times }: Visit): number {
  return times[Math.min(times.length - 1, Math.floor(times.length * 0.99))] ?? Infinity;
}

const ROUNDS = 4;

/**
 * All that an innocent program does succeeds, and the slowest connection of a hundred takes at most twice as long as without an attack. The machine
 * may have something else to do for a moment, so the quietest of some rounds counts for that: what an attack costs is there in each.
 */
export async function expectUnharmed(name: string, before: Visit): Promise<void> {
  expect(before.failures, 'without an attack').to.deep.equal([]);
  let best = Infinity;
  for (let round = 0; round < ROUNDS && best > 2 * p99(before); round++) {
    const during = await visit();
    expect(during.failures, name).to.deep.equal([]);
    best = Math.min(best, p99(during));
  }
  process.stdout.write(`      ${name}: p99 ${best.toFixed(0)} ms, without ${p99(before).toFixed(0)} ms\n`);
  expect(best, `${name}: p99 in ms`).to.be.at.most(2 * p99(before));
}

/** Threads of a process that wait in the kernel where nothing interrupts them. */
export function uninterruptible(pid: number): string[] {
  return execFileSync('sh', ['-c', `grep -l '^State:.D' /proc/${pid}/task/*/status || :`], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '');
}
