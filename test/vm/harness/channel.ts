// SPDX-License-Identifier: Apache-2.0
/** Keys by name between the lab's nodes: from when on connections have them, and what both ends say of one. */
import { execFileSync } from 'node:child_process';
import { lab, type LabOptions, type MeshNode } from './index.js';
import { waitFor } from './wait.js';
import { converse, flowOf, servers, type Conversation } from '../policy/support.js';

/** Of servers that only make the nodes know each other. */
const WARM_PORT = 7390;

let said = 0;

/** A conversation whose text is nobody else's. */
export function conversation(
  port: number,
  from: MeshNode = 'a',
  family: Conversation['family'] = 'IPv4',
): Conversation {
  return { from, to: from === 'a' ? 'b' : 'a', family, port, text: `text-${++said}-by-name` };
}

/** How both ends of it say that they came by its keys. News of its end may overtake that it was secured. */
export function exchangeOf(made: Conversation): Promise<string> {
  let ends: unknown;
  return waitFor(
    async () => {
      const flows = await Promise.all((['a', 'b'] as const).map((node) => flowOf(node, made)));
      ends = flows;
      const [one, other] = flows.map(({ state, secured, exchange }) => (secured ? exchange : state));
      return one === other && one;
    },
    10_000,
    () => `one answer of both ends: ${JSON.stringify(ends)}`,
  );
}

export async function talk(made: Conversation): Promise<string> {
  const said = await converse(made);
  if (said.includes(`read ${made.text}\n`)) return exchangeOf(made);
  const ends = await Promise.all((['a', 'b'] as const).map((node) => flowOf(node, made)));
  throw new Error(`the program said ${JSON.stringify(said)}: ${JSON.stringify(ends)}`);
}

/** Connections from a node to the other one until one has its keys by name. */
export async function untilByName(from: MeshNode, ms = 30_000): Promise<void> {
  await waitFor(async () => (await talk(conversation(WARM_PORT, from))) === 'channel', ms, `keys by name from ${from}`);
}

/** A lab whose agents have channels, both ways. */
export async function channelLab(options: LabOptions = {}): Promise<void> {
  await lab.up({ ...options, exchange: 'channel' });
  await knowEachOther(['a', 'b']);
}

/** In a lab with channels: until what these nodes open has its keys by name. */
export async function knowEachOther(nodes: readonly MeshNode[]): Promise<void> {
  for (const node of nodes) await servers(node === 'a' ? 'b' : 'a', [WARM_PORT]);
  for (const node of nodes) await untilByName(node);
}

export function inNode(node: MeshNode | 'net', command: readonly string[], input?: string): void {
  execFileSync('nsenter', [`--net=/run/netns/tlshub-${node}`, ...command], {
    stdio: ['pipe', 'ignore', 'pipe'],
    ...(input !== undefined && { input }),
  });
}
