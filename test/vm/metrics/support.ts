// SPDX-License-Identifier: Apache-2.0
/** Programs that move a known number of bytes (test/programs/traffic.py), and what the supervisors say of it. */
import { expect } from 'chai';
import { resolve } from 'node:path';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import { lab, waitFor, type MeshNode, type Node } from '../harness/index.js';

const SCRIPT = resolve('test/programs/traffic.py');
/** The largest TLS record on the wire. */
const RECORD = 16384 + 22;
export const ADDRESS: Record<Node, string> = { a: '10.77.0.1', b: '10.77.0.2', c: '10.77.0.3' };

/** What one end's system calls took and gave. */
export interface Counted {
  /** of the client */
  port: number;
  sent: number;
  received: number;
  /** the peer reset the connection: of what the calls took, TLS may have kept a record that TCP did not take any more */
  reset?: boolean;
}

function parse(stdout: string): Counted[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Counted);
}

export interface Exchange {
  client: Counted[];
  server: Counted[];
}

/** Runs a connection for each spec (see the script) from one node to another; both ends' own counts, in order. */
export async function exchange(
  client: Node,
  server: Node,
  port: number,
  specs: readonly string[],
  timeoutMs = 120_000,
): Promise<Exchange> {
  const outside = server === 'c';
  const serving = lab.spawn(server, ['python3', SCRIPT, 'serve', String(port), String(specs.length)], { outside });
  await serving.listening(port);
  const ran = await lab.exec(client, ['python3', SCRIPT, 'run', ADDRESS[server], String(port), ...specs], {
    timeoutMs,
  });
  expect(ran.code, ran.stderr).to.equal(0);
  const served = await serving.ended;
  expect(served.code, served.stderr).to.equal(0);
  return { client: parse(ran.stdout), server: parse(served.stdout) };
}

/** Waits until a node says of these connections exactly what the programs counted; the flows, in the same order. */
export async function expectFlows(node: MeshNode, counted: readonly Counted[]): Promise<DetailedFlowReport[]> {
  let wrong: string[] = [];
  let found: DetailedFlowReport[] = [];
  const right = async (): Promise<boolean> => {
    const flows = new Map(((await lab.flows(node)) as DetailedFlowReport[]).map((flow) => [flow.sport, flow] as const));
    found = counted.flatMap(({ port }) => flows.get(port) ?? []);
    wrong = counted.flatMap(({ port, sent, received, reset = false }) => {
      const flow = flows.get(port);
      const missing = sent - (flow?.bytesSent ?? NaN);
      const sentRight = missing === 0 || (reset && missing > 0 && missing <= RECORD);
      if (flow?.state === 'closed' && sentRight && flow.bytesReceived === received) return [];
      const said = `${flow?.state} ${flow?.bytesSent} sent ${flow?.bytesReceived} received; all of it: ${JSON.stringify(flow)}`;
      return [`${node}, client's port ${port}: ${sent} sent ${received} received, but the flow says ${said}`];
    });
    return wrong.length === 0;
  };
  await waitFor(right, 10_000, 'the right bytes of all flows').catch(() => undefined);
  expect(wrong).to.deep.equal([]);
  return found;
}
