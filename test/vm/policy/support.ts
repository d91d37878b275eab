// SPDX-License-Identifier: Apache-2.0
/** One conversation between two nodes, and what both ends and the wire say about it. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import { detailedFlows } from '../harness/mutual-tls.js';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import type { Capture } from '../../wire/capture.js';
import type { Node, Program } from '../harness/program.js';

export const TALKER = resolve('build/programs/talker');

export const ADDRESSES = {
  IPv4: { a: '10.77.0.1', b: '10.77.0.2', c: '10.77.0.3' },
  IPv6: { a: 'fd77::1', b: 'fd77::2', c: 'fd77::3' },
} as const;
export type Family = keyof typeof ADDRESSES;
export const FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];

export interface Conversation {
  from: Node;
  to: Node;
  family: Family;
  port: number;
  text: string;
}

/** Starts an echo server of a node on each port, of both families. */
export async function servers(node: Node, ports: readonly number[]): Promise<Map<number, Program>> {
  const programs = new Map(ports.map((port) => [port, lab.spawn(node, [TALKER, 'echo', String(port)])]));
  for (const [port, program] of programs) await program.listening(port);
  return programs;
}

/** The client's output: `connected`, `sent N`, `read TEXT`, `end`, or a call and its error. */
export async function converse({ from, to, family, port, text }: Conversation): Promise<string> {
  return (await lab.exec(from, [TALKER, 'blocking', ADDRESSES[family][to], String(port), text])).stdout;
}

/** The flow of a conversation on one of its nodes, once it is decided. */
export function flowOf(node: MeshNode, { from, to, family, port }: Conversation): Promise<DetailedFlowReport> {
  const { [from]: src, [to]: dst } = ADDRESSES[family];
  const role = node === to ? 'passive' : 'active';
  return waitFor(
    async () => {
      const flow = (await detailedFlows(node))
        // A connect() that was refused had no address of its own yet.
        .filter(
          (each) =>
            [src, '0.0.0.0', '::'].includes(each.src) && each.dst === dst && each.dport === port && each.role === role,
        )
        .at(-1);
      return flow !== undefined && flow.state !== 'held' && flow.state !== 'negotiating' ? flow : false;
    },
    30_000,
    `a decided flow ${src} -> ${dst}:${port} on node ${node}`,
  );
}

/** Payload of both directions on the wire. */
export function onWire(
  capture: Capture,
  { from, to, family, port }: Conversation,
): { sent: string; answered: string; plaintextFrames: number; payloadFrames: number } {
  const { [from]: src, [to]: dst } = ADDRESSES[family];
  const streams = capture.port(port);
  const there = streams.filter((stream) => stream.src === src && stream.dst === dst && stream.dport === port);
  const back = streams.filter((stream) => stream.src === dst && stream.dst === src && stream.sport === port);
  const text = (of: typeof streams): string => of.map(({ data }) => data.toString('latin1')).join('');
  const both = [...there, ...back];
  return {
    sent: text(there),
    answered: text(back),
    plaintextFrames: both.reduce((sum, stream) => sum + stream.plaintextFrames, 0),
    payloadFrames: both.reduce((sum, stream) => sum + stream.payloadFrames, 0),
  };
}

export function expectSecured(capture: Capture, conversation: Conversation, said: string): void {
  const wire = onWire(capture, conversation);
  expect(said).to.include(`read ${conversation.text}\n`);
  expect(wire.payloadFrames).to.be.greaterThan(0);
  expect(wire.plaintextFrames, capture.describe()).to.equal(0);
  expect(capture.contains(conversation.text)).to.equal(false);
}

export function expectPlaintext(capture: Capture, conversation: Conversation, said: string): void {
  expect(said).to.include(`read ${conversation.text}\n`);
  expect(onWire(capture, conversation)).to.include({ sent: conversation.text, answered: conversation.text });
}

/** Refused at the client's node: nothing of it on the wire, not even a SYN. */
export function expectNotMade(capture: Capture, { from, to, family, port }: Conversation, said: string): void {
  const { [from]: src, [to]: dst } = ADDRESSES[family];
  expect(said).to.equal('connect ECONNREFUSED\n');
  const segments = capture.segments.filter(
    (segment) => segment.src === src && segment.dst === dst && segment.dport === port,
  );
  expect(segments.length).to.equal(0);
}

/** Refused at the server's node: whatever the client sent, its program saw none of it and said nothing. */
export function expectRefusedByServer(
  capture: Capture,
  conversation: Conversation,
  said: string,
  server: Program,
  before: string,
): void {
  expect(said).to.not.include('read');
  expect(onWire(capture, conversation).answered).to.equal('');
  expect(server.stdout.slice(before.length)).to.include('recv ECONNRESET').and.to.not.include('read');
}
