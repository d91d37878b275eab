// SPDX-License-Identifier: Apache-2.0
/**
 * The end of the demonstration (scripts/demo): the flows as both supervisors report them, and what a capture of the wire shows.
 * Usage: demo.js CAPTURE MARKER SOCKET_A SOCKET_B. Exit status 1 when anything of it is not as promised.
 */
import Table from 'cli-table3';
import { controlRequest } from '../src/control/client.js';
import type { FlowReport } from '../src/report/flow.js';
import { Capture } from '../test/wire/capture.js';

const [file, marker, ...sockets] = process.argv.slice(2);
if (file === undefined || marker === undefined || sockets.length !== 2) {
  process.stderr.write('usage: demo.js CAPTURE MARKER SOCKET_A SOCKET_B\n');
  process.exit(64);
}

const problems: string[] = [];
const table = new Table({
  head: ['node', 'program', 'connection', 'peer node', 'provider', 'exchange', 'cipher', 'held (ms)', "kernel's ULP"],
  style: { head: [], border: [] },
});
for (const [index, socket] of sockets.entries()) {
  const flows: FlowReport[] = await controlRequest<'flows'>(socket, 'flows', {});
  if (flows.length === 0) problems.push(`node ${'ab'[index] ?? '?'} reports no flow`);
  for (const flow of flows) {
    const bracket = (address: string): string => (address.includes(':') ? `[${address}]` : address);
    table.push([
      'ab'[index] ?? '?',
      `${flow.comm} (${flow.pid})`,
      `${bracket(flow.src)}:${flow.sport} → ${bracket(flow.dst)}:${flow.dport}`,
      flow.peerNode ?? '',
      flow.provider ?? '',
      flow.exchange ?? '',
      flow.cipher ?? '',
      flow.holdMs === null ? '' : flow.holdMs.toFixed(1),
      flow.kernelUlp ?? '',
    ]);
    if (flow.kernelUlp !== 'tls')
      problems.push(`a flow of ${flow.comm} is not under kTLS: ${flow.state} ${flow.reason}`);
  }
}
process.stdout.write(`${table.toString()}\n\n`);

const capture = Capture.read(file);
const records = capture.mesh.reduce((sum, stream) => sum + stream.records.applicationData, 0);
process.stdout.write(
  `On the wire between the nodes: ${capture.payloadFrames} frames with payload, ${records} encrypted TLS 1.3 records.\n` +
    `plaintext frames: ${capture.plaintextFrames}\n`,
);
if (capture.payloadFrames === 0) problems.push('the capture has no payload at all');
if (capture.plaintextFrames > 0) problems.push(`plaintext on the wire:\n${capture.describe()}`);
if (capture.contains(marker)) problems.push('the page that was served can be read on the wire');
for (const problem of problems) process.stderr.write(`demo: ${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);
