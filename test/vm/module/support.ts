// SPDX-License-Identifier: Apache-2.0
/** The TLSHub kernel module on both nodes of the lab, spoken to as docs/TLSHUB_API.md and TLSHUB_MODULE.md say (test/programs/tlshub-module.py). */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Node } from '../harness/index.js';

const PROGRAM = ['/usr/bin/python3', resolve('test/programs/tlshub-module.py')];
export const BETWEEN = ['/usr/bin/python3', resolve('test/programs/tlshub-between.py')];

/** What a step answers: see the program. */
export interface Answer {
  type?: number;
  status?: number;
  text?: string;
  error?: string;
  key?: string;
  sequence?: number;
  silent?: boolean;
  [field: string]: unknown;
}

export interface Many {
  done: number;
  distinct: number;
  hash: string;
  others: Record<string, number>;
}

/** An answer of msg_type, by its name in docs/TLSHUB_API.md. */
export const TYPE = { first: 1, done: 2, failed: 3, connected: 5, ready: 7, key: 8 } as const;
export const NONE = -1;
export const EXPIRED = -2;

/** Steps of the program on a node, in one process and so over the same sockets; its answers in their order. */
export async function ask<T = Answer>(node: Node, ...steps: string[]): Promise<T[]> {
  const { code, stdout, stderr } = await lab.exec(node, [...PROGRAM, ...steps], { outside: true });
  expect(code, stderr).to.equal(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

/** The answer to the last step. */
export async function last<T = Answer>(node: Node, ...steps: string[]): Promise<T> {
  return (await ask<T>(node, ...steps)).at(-1) as T;
}

interface NodeReport {
  publicKey?: string;
  flows: number;
  waiters: number;
  counters: Record<string, number>;
}

export const report = (node: Node): Promise<NodeReport> => last<NodeReport>(node, 'get');

/** The kernel's complaints since it booted. */
export function complaints(): string[] {
  const lines = execFileSync('dmesg', { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => /WARNING|BUG|Oops|Call Trace|tlshub: self-test.*failed|use-after|leak/.test(line));
}

export const isLoaded = (): boolean => existsSync('/sys/module/tlshub');
