// SPDX-License-Identifier: Apache-2.0
/** What the tests of this group share: the programs, and what must be left of an agent or a flow that is gone. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type MeshNode, type Program, type Sniffer } from '../harness/index.js';

/** test/programs/talker.c and streams.c */
export const TALKER = resolve('build/programs/talker');
export const STREAMS = resolve('build/programs/streams');

export const A = '10.77.0.1';
export const B = '10.77.0.2';
/** Outside the mesh. */
export const C = '10.77.0.3';

/** Long enough for anything that happens at all under emulation, in ms. */
export const PATIENCE = 30_000;

/** Settings under which only what a test does ends a connection that is held. */
export const UNHURRIED = { handshake_timeout_ms: 100_000, hold_timeout_ms: 100_000, silent_peer_timeout_ms: 100_000 };

/**
 * The lease of node a, in ms, for tests that wait until it has run out. On a busy machine an agent can stand still for a second or two, and then the
 * gate refuses who blocks; so it is no shorter, and node b, of which nobody waits for that, has one that does not run out.
 */
export const LEASE_MS = 3000;
export const LEASES = { lease_ms: 30_000, 'a:lease_ms': LEASE_MS };

/** A gate that is shut on node a is so for the mesh alone: a peer outside it and loopback are served. */
export async function expectOthersGoOn(port: number): Promise<void> {
  for (const [node, host] of [
    ['c', C],
    ['a', '127.0.0.1'],
  ] as const) {
    const server = lab.spawn(node, [TALKER, 'echo', `${port}`], { outside: node === 'a' });
    await server.listening(port);
    const { stdout } = await lab.exec('a', [TALKER, 'blocking', host, `${port}`, 'hello']);
    expect(stdout, host).to.equal('connected\nsent 5\nread hello\nend\n');
    await server.stop();
  }
}

/** The process id of a node's guardian. */
export const guardianOf = (node: MeshNode): Promise<number> =>
  waitFor(async () => (await lab.status(node)).lease.guardianPid, PATIENCE, 'a guardian');

/** The agent and its guardian, before one of them can do anything about the other's death. */
export async function killWithGuardian(node: MeshNode): Promise<void> {
  const { pid } = await lab.status(node);
  const guardian = await guardianOf(node);
  process.kill(pid, 'SIGKILL');
  process.kill(guardian, 'SIGKILL');
  await waitFor(() => !alive(pid) && !alive(guardian), PATIENCE, 'their end');
}

export const pinDir = (node: MeshNode): string => `/sys/fs/bpf/tlshub-lab-${node}`;

/** Ends twenty streams that have gone on all the time: all content is right, and nothing of it or of the marker was seen on the wire. */
export async function finishStreams(streams: Program, sniffer: Sniffer, marker: string): Promise<void> {
  streams.kill('SIGUSR1');
  expect((await streams.ended).stdout).to.match(/\n20 right, 0 wrong, \d+ bytes\n$/);
  const capture = await sniffer.stop();
  expect(capture.contains(marker)).to.equal(false);
  expect(capture.plaintextFrames, capture.describe()).to.equal(0);
  expect(capture.payloadFrames).to.be.greaterThan(100);
}

/** Descriptors that the process has open. */
export function descriptors(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`);
}

/** Entries of a pinned map. */
export function mapEntries(node: MeshNode, map: string): unknown[] {
  const text = execFileSync('/usr/sbin/bpftool', ['-j', 'map', 'dump', 'pinned', `${pinDir(node)}/maps/${map}`], {
    encoding: 'utf8',
  });
  return JSON.parse(text) as unknown[];
}

/** Names of all pins of a node, relative to its folder. */
export function pins(node: MeshNode): string[] {
  const dir = pinDir(node);
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
}

/** How many callers the gate of this node holds at this moment, whichever way. */
export function heldCallers(node: MeshNode): number {
  return mapEntries(node, 'stops').length + mapEntries(node, 'sleepers').length;
}

/** Waits until nothing of this node is held, negotiated or stopped any more. */
export async function settled(node: MeshNode): Promise<void> {
  await waitFor(
    async () => {
      const open = (await lab.flows(node)).filter(({ state }) => state === 'held' || state === 'negotiating');
      return open.length === 0 && heldCallers(node) === 0;
    },
    PATIENCE,
    `no flow of node ${node} held and nobody stopped or asleep`,
    200,
  );
}

/** True while the process exists and is no zombie. */
export function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Lines of a node's log, parsed. */
export async function logLines(node: MeshNode): Promise<{ level: string; message: string }[]> {
  return (await lab.logs(node))
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: string; message: string });
}
