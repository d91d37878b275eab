// SPDX-License-Identifier: Apache-2.0
/** Load of new connections. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import type { StatusReport } from '../../../src/report/status.js';
import { lab, type MeshNode, type Program, type Sniffer } from './index.js';
import { makeContent, makeFolder } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';

export interface LoadResult {
  ok: number;
  /** by the error that the program saw */
  failed: Record<string, number>;
  /** that neither worked nor failed before the deadline */
  late: number;
  /** seconds */
  slowest: number;
  length: number;
}

/** A lab in which nginx serves a byte as `/byte` on node b. Deadlines are long: a slow machine is no failed connection. */
export async function upForLoad(): Promise<void> {
  makeFolder();
  makeContent('byte', 1);
  await lab.need({ set: { handshake_timeout_ms: 30_000, hold_timeout_ms: 40_000, silent_peer_timeout_ms: 40_000 } });
  await servers.nginx();
}

/** Connections a second (exactly, if `steady`), from a node to a URL path on the other one; ends by `finish`. */
export function startLoad(
  port: number,
  path: string,
  rate: number,
  deadlineSeconds: number,
  { from = 'a', steady = false }: { from?: MeshNode; steady?: boolean } = {},
): Program {
  const script = resolve('test/programs/fetch-load.py');
  const to = from === 'a' ? '10.77.0.2' : '10.77.0.1';
  const numbers = [port, path, rate, deadlineSeconds].map(String);
  return lab.spawn(from, ['/usr/bin/python3', script, to, ...numbers, ...(steady ? ['steady'] : [])]);
}

export async function finishLoad(load: Program): Promise<LoadResult> {
  const { stdout, stderr } = await load.stop('SIGTERM');
  try {
    return JSON.parse(stdout) as LoadResult;
  } catch (cause) {
    throw new Error(`the load said: ${stdout} ${stderr}`, { cause });
  }
}

/** A load that has ended well, and what the supervisors of both nodes say of it. */
export interface CleanLoad {
  result: LoadResult;
  reports: StatusReport[];
  /** for the message of what is expected next */
  explanation: string;
}

/** Ends a load of which every connection must have worked, none of it in plaintext; says how many there were. */
export async function finishCleanLoad(load: Program, sniffer: Sniffer, moreThan: number): Promise<CleanLoad> {
  const result = await finishLoad(load);
  const capture = await sniffer.stop();
  const reports = await Promise.all((['a', 'b'] as const).map((node) => lab.status(node)));
  const explanation = JSON.stringify({ result, failures: reports.map(({ failures }) => failures) });
  expect(result.failed, explanation).to.deep.equal({});
  expect(result.late, explanation).to.equal(0);
  expect(result.ok, explanation).to.be.greaterThan(moreThan);
  expect(capture.plaintextFrames, capture.describe()).to.equal(0);
  expect(capture.payloadFrames).to.be.greaterThan(4 * result.ok);
  process.stdout.write(`      ${result.ok} connections, the slowest ${result.slowest.toFixed(2)} s\n`);
  return { result, reports, explanation };
}
