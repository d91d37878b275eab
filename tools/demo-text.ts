// SPDX-License-Identifier: Apache-2.0
/** What the demonstration says of flows and of the wire. Pure. */
import Table from 'cli-table3';
import type { FlowReport } from '../src/report/flow.js';

/** A flow, and the node whose agent reports it. */
export interface NodeFlow {
  node: string;
  flow: Pick<
    FlowReport,
    | 'comm'
    | 'pid'
    | 'src'
    | 'sport'
    | 'dst'
    | 'dport'
    | 'peerNode'
    | 'provider'
    | 'exchange'
    | 'cipher'
    | 'holdMs'
    | 'kernelUlp'
  >;
}

/** What a capture of the wire between the nodes has. */
export interface Seen {
  payloadFrames: number;
  plaintextFrames: number;
  /** TLS records with application data */
  records: number;
  /** the page that was served can be read in it */
  readable: boolean;
  /** the first line of what the client sent, as it stands on the wire; empty where it cannot be read */
  request: string;
}

const bracket = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/**
 * The flows as a table, or one below the other where the terminal is too narrow for it.
 * @param columns of the terminal; undefined: the output goes elsewhere, where lines may be as long as they are
 * @param emulated the processor is, so times are no measure
 */
export function flowsText(flows: readonly NodeFlow[], columns: number | undefined, emulated: boolean): string {
  const held = emulated ? 'held (ms, emulated)' : 'held (ms)';
  const head = ['node', 'program', 'connection', 'peer', 'provider', 'exchange', 'cipher', held, "kernel's ULP"];
  const rows = flows.map(({ node, flow }) => [
    node,
    `${flow.comm} (${flow.pid})`,
    `${bracket(flow.src)}:${flow.sport} → ${bracket(flow.dst)}:${flow.dport}`,
    flow.peerNode ?? '-',
    flow.provider ?? '-',
    flow.exchange ?? '-',
    flow.cipher ?? '-',
    flow.holdMs === null ? '-' : flow.holdMs.toFixed(1),
    flow.kernelUlp ?? '-',
  ]);
  const table = new Table({ head, style: { head: [], border: [] } });
  table.push(...rows);
  const text = table.toString();
  const width = text.split('\n')[0]?.length ?? 0;
  if (columns === undefined || width <= columns) return text;
  return rows
    .map(([node, program, connection, peer, provider, exchange, cipher, ms, ulp]) =>
      [
        `node ${node}: ${program}, ${connection}`,
        `  peer: node ${peer}; provider ${provider}, ${exchange}; ${cipher}`,
        `  ${held}: ${ms}; kernel's ULP: ${ulp}`,
      ].join('\n'),
    )
    .join('\n');
}

/** What the sniffer read of both, in at most 80 columns. */
export function wireText(control: Seen, secured: Seen): string {
  const table = new Table({
    head: ['on the wire', 'frames, payload', 'in the clear', 'TLS records', 'the page'],
    style: { head: [], border: [] },
  });
  for (const [name, seen] of [
    ['not captured', control],
    ['captured', secured],
  ] as const)
    table.push([
      name,
      seen.payloadFrames,
      seen.plaintextFrames,
      seen.records,
      seen.readable ? 'can be read' : 'is nowhere',
    ]);
  return [
    `Not captured, the sniffer reads: ${control.request}`,
    table.toString(),
    `plaintext frames: ${secured.plaintextFrames}`,
  ].join('\n');
}

/** What is not as promised; nothing: all is. */
export function problemsOf(flows: readonly NodeFlow[], control: Seen, secured: Seen): string[] {
  const problems: string[] = [];
  for (const node of ['a', 'b'])
    if (!flows.some((one) => one.node === node)) problems.push(`node ${node} reports no flow`);
  for (const { flow } of flows) if (flow.kernelUlp !== 'tls') problems.push(`a flow of ${flow.comm} is not under kTLS`);
  // A sniffer that does not read what is in the clear proves nothing by reading nothing.
  if (!control.readable || control.plaintextFrames === 0)
    problems.push('the sniffer did not read the page that was sent in the clear');
  if (secured.payloadFrames === 0) problems.push('the capture has no payload at all');
  if (secured.plaintextFrames > 0) problems.push(`${secured.plaintextFrames} frames on the wire are in the clear`);
  if (secured.readable) problems.push('the page that was served can be read on the wire');
  return problems;
}
