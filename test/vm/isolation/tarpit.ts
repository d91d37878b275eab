// SPDX-License-Identifier: Apache-2.0
/** Hundreds of peers that say nothing, on node c: addresses of the mesh by the mapping, each a node of its own, with no agent behind them. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { lab, waitFor, type MeshNode, type Node, type Program } from '../harness/index.js';

export const SILENT_PEERS = 500;
export const TARPIT_PORT = 9000;
const SCRIPT = ['/usr/bin/python3', resolve('test/programs/tarpit.py')];
const PREFIX = '10.78.';
const MAPPING = '/tmp/isolation-mapping.conf';

/** A mapping of the lab's two nodes and the silent peers; its path. Give it to `lab.up` as pod_node_config. */
export function writeMapping(): string {
  const silent = Array.from(
    { length: SILENT_PEERS },
    (_, at) => `silent-${at} silent-${at} ${PREFIX}${Math.floor(at / 250)}.${(at % 250) + 1}\n`,
  );
  writeFileSync(MAPPING, `pod-a a 10.77.0.1 fd77::1\npod-b b 10.77.0.2 fd77::2\n${silent.join('')}`);
  return MAPPING;
}

function ip(node: Node, ...args: string[]): void {
  execFileSync('ip', ['-n', `tlshub-${node}`, ...args]);
}

/** Gives node c the addresses, and the others the way to them. */
export function routeSilentPeers(): void {
  ip('c', 'route', 'add', 'local', `${PREFIX}0.0/16`, 'dev', 'lo');
  for (const node of ['a', 'b'] as const) ip(node, 'route', 'add', `${PREFIX}0.0/16`, 'via', '10.77.0.3');
}

async function ready(program: Program): Promise<Program> {
  await waitFor(
    () => {
      if (!program.running) throw new Error(`the tarpit has ended: ${program.stderr}`);
      return program.stdout.includes('ready');
    },
    120_000,
    'the tarpit',
  );
  return program;
}

export function serveSilence(): Promise<Program> {
  return ready(lab.spawn('c', [...SCRIPT, 'serve', String(TARPIT_PORT)]));
}

/** A captured program of node a that connects to every silent peer, again and again. */
export function visitSilentPeers(): Promise<Program> {
  return ready(lab.spawn('a', [...SCRIPT, 'visit', String(TARPIT_PORT), '10.77.0.1', String(SILENT_PEERS), PREFIX]));
}

/** Silent peers that connect to a server on node b. */
export function visitBySilentPeers(port: number, count: number): Promise<Program> {
  return ready(lab.spawn('c', [...SCRIPT, 'visit', String(port), PREFIX, String(count), '10.77.0.2']));
}

/** Negotiations that the provider in force has under way or waiting. */
export async function occupied(node: MeshNode): Promise<number> {
  const { providers } = await lab.status(node);
  const [active] = providers.filter(({ state }) => state === 'active');
  return (active?.inFlight ?? 0) + (active?.queued ?? 0);
}
