// SPDX-License-Identifier: Apache-2.0
/** What must be true of every exchange between programs on nodes a and b, whatever the programs: the wire, the flows, the processes. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { CipherName } from '../../../src/shared/kernel/words.js';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import type { ProviderName } from '../../../src/supervisor/provider/provider.js';
import type { Capture } from '../../wire/capture.js';
import { lab, type MeshNode } from './lab.js';
import { waitFor } from './wait.js';

/** The first of the default `tls.ciphers`. */
export const DEFAULT_CIPHER = 'TLS_AES_128_GCM_SHA256' satisfies CipherName;

export interface Expected {
  /** that the server listens on */
  port: number;
  /** node of the client (default a); the server is on the other one */
  client?: MeshNode;
  /** how many connections the programs make (default 1) */
  connections?: number;
  cipher?: CipherName;
  /** whose keys they must be, of the client's node and the server's (default openssl) */
  providers?: { active: ProviderName; passive: ProviderName };
  /** how the two agents agree on keys (default: whichever way they took); `channel`: all of the connections, and no handshake on any of them */
  exchange?: 'channel' | 'in-band';
  /** what the programs exchange, or parts of it: none of this may be on the wire */
  secrets?: readonly (Buffer | string)[];
}

export interface Observed {
  capture: Capture;
  /** of the client's node and the server's, oldest first */
  client: DetailedFlowReport[];
  server: DetailedFlowReport[];
}

const identity = ({ cookie, generation }: DetailedFlowReport): string => `${cookie}/${generation}`;

/** All flows of a node, with the fields that only tests and tools look at. */
export async function detailedFlows(node: MeshNode): Promise<DetailedFlowReport[]> {
  return (await lab.flows(node)) as DetailedFlowReport[];
}

/** Pids of captured processes of a node that stand still: stopped (state T), or for a tracer (t). */
export function stopped(node: MeshNode): number[] {
  const pids = readFileSync(`/sys/fs/cgroup/tlshub-lab/${node}/cgroup.procs`, 'utf8').split('\n').filter(Boolean);
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.toUpperCase().startsWith('T');
    } catch {
      return false; // ended meanwhile
    }
  });
}

/** Runs `exchange` between the nodes with the wire recorded, and asserts that all of it was mutual TLS 1.3 in the kernel's hands. */
export async function mutualTls(expected: Expected, exchange: () => Promise<void>): Promise<Observed> {
  const { port, client = 'a', connections = 1, secrets = [] } = expected;
  const server: MeshNode = client === 'a' ? 'b' : 'a';
  const known = new Map<MeshNode, Set<string>>();
  for (const node of [client, server]) known.set(node, new Set((await detailedFlows(node)).map(identity)));
  const fresh = async (node: MeshNode): Promise<DetailedFlowReport[]> => {
    const flows = (await detailedFlows(node)).filter((flow) => !known.get(node)?.has(identity(flow)));
    return flows.filter(({ dport }) => dport === port);
  };

  const sniffer = await lab.sniff();
  let failure: unknown;
  try {
    await exchange();
  } catch (error) {
    failure = error;
  }
  const capture = await sniffer.stop();
  if (failure !== undefined)
    throw await explained(failure, capture, [...(await fresh(client)), ...(await fresh(server))]);

  expectOnlyTls(capture, port, connections, expected.exchange === 'channel' || expected.providers?.active === 'tlshub');
  for (const secret of secrets) expect(capture.contains(secret), 'content on the wire').to.equal(false);
  const observed = { capture, client: await decided(client, fresh), server: await decided(server, fresh) };
  expectSecured(observed.client, { ...expected, role: 'active', peerNode: server });
  expectSecured(observed.server, { ...expected, role: 'passive', peerNode: client });
  expect([...stopped(client), ...stopped(server)], 'stopped processes').to.deep.equal([]);
  return observed;
}

/** Zero plaintext frames between the nodes, whatever their port, and real traffic on this one. */
export function expectOnlyTls(capture: Capture, port: number, connections: number, outOfBand = false): void {
  expect(capture.plaintextFrames, capture.describe()).to.equal(0);
  const streams = capture.mesh.filter(({ sport, dport }) => sport === port || dport === port);
  expect(streams, capture.describe()).to.have.lengthOf(2 * connections);
  for (const stream of streams) {
    expect(stream.gap, 'the capture is whole').to.equal(false);
    if (outOfBand) {
      // Then nothing is on the connection but the programs' data, and some only talk one way.
      expect(stream.records.handshake, 'handshake messages').to.equal(0);
      const back = streams.find(({ sport, dport }) => sport === stream.dport && dport === stream.sport);
      const both = stream.records.applicationData + (back?.records.applicationData ?? 0);
      expect(both, 'encrypted records, either way').to.be.greaterThan(0);
      continue;
    }
    expect(stream.records.handshake, 'a handshake message').to.be.greaterThan(0);
    // Under TLS 1.3 certificate and finished are of this type on the wire too (RFC 8446, section 5.2).
    expect(stream.records.applicationData, 'encrypted records').to.be.greaterThan(0);
  }
}

export function expectSecured(
  flows: readonly DetailedFlowReport[],
  expected: Expected & { role: 'active' | 'passive'; peerNode: string },
): void {
  const { connections = 1, cipher = DEFAULT_CIPHER, providers, exchange, role, peerNode } = expected;
  expect(flows, JSON.stringify(flows)).to.have.lengthOf(connections);
  for (const flow of flows) {
    const { role: is, secured, provider, kernelUlp, tlsVersion, code, state } = flow;
    expect({
      role: is,
      secured,
      provider,
      kernelUlp,
      tlsVersion,
      code,
      cipher: flow.cipher,
      peer: flow.peerNode,
    }).to.deep.equal({
      role,
      secured: true,
      provider: providers?.[role] ?? 'openssl',
      kernelUlp: 'tls',
      tlsVersion: 'TLSv1.3',
      code: '',
      cipher,
      peer: peerNode,
    });
    if (exchange !== undefined) expect(flow.exchange, JSON.stringify(flow)).to.equal(exchange);
    expect(state).to.be.oneOf(['secured', 'closed']);
    expect(flow.pod).to.equal(`pod-${peerNode}`);
    expect(flow.holdMs).to.be.greaterThan(0);
    expect(flow.negotiationMs).to.be.greaterThan(0);
  }
}

/** A node's fresh flows, once none of them is being worked on any more: the program may know of an end before the supervisor does. */
function decided(
  node: MeshNode,
  fresh: (node: MeshNode) => Promise<DetailedFlowReport[]>,
): Promise<DetailedFlowReport[]> {
  const settled = async (): Promise<DetailedFlowReport[] | false> => {
    const flows = await fresh(node);
    return flows.length > 0 && flows.every(({ state }) => state !== 'held' && state !== 'negotiating') && flows;
  };
  return waitFor(settled, 20_000, `decided flows on node ${node}`);
}

async function explained(failure: unknown, capture: Capture, flows: DetailedFlowReport[]): Promise<Error> {
  const message = failure instanceof Error ? failure.message : String(failure);
  const logs = await Promise.all(
    (['a', 'b'] as const).map(async (node) => `log of ${node}:\n${(await lab.logs(node)).slice(-3000)}`),
  );
  const lines = flows.map((flow) => JSON.stringify(flow));
  return new Error([message, capture.describe(), ...lines, ...logs].join('\n'), { cause: failure });
}
