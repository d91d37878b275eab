// SPDX-License-Identifier: Apache-2.0
/**
 * The end of the demonstration (scripts/demo): the flows as both supervisors report them, and what captures of the wire show: one of a connection that is not
 * captured, the control, and one of those that are.
 * Usage: demo.js CONTROL CAPTURE MARKER SOCKET_A SOCKET_B [COLUMNS]. Exit status 1 when anything of it is not as promised.
 */
import { describeMachine } from '../bench/report/machine.js';
import { controlRequest } from '../src/control/client.js';
import { Capture } from '../test/wire/capture.js';
import { flowsText, problemsOf, wireText, type NodeFlow, type Seen } from './demo-text.js';

const [controlFile, file, marker, socketA, socketB, columns = ''] = process.argv.slice(2);
if (controlFile === undefined || file === undefined || marker === undefined || socketA === undefined || !socketB) {
  process.stderr.write('usage: demo.js CONTROL CAPTURE MARKER SOCKET_A SOCKET_B [COLUMNS]\n');
  process.exit(64);
}

function seenIn(capture: Capture, text: string): Seen {
  const sent = capture.mesh.map(({ data }) => data.toString('latin1')).find((data) => data.startsWith('GET '));
  return {
    payloadFrames: capture.payloadFrames,
    plaintextFrames: capture.plaintextFrames,
    records: capture.mesh.reduce((sum, stream) => sum + stream.records.applicationData, 0),
    readable: capture.contains(text),
    request: sent?.split('\r\n')[0] ?? '',
  };
}

const flows: NodeFlow[] = [];
for (const [node, socket] of [
  ['a', socketA],
  ['b', socketB],
] as const)
  for (const flow of await controlRequest<'flows'>(socket, 'flows', {})) flows.push({ node, flow });
const capture = Capture.read(file);
const [control, secured] = [seenIn(Capture.read(controlFile), marker), seenIn(capture, marker)];
const width = columns === '' ? undefined : Number(columns);
process.stdout.write(`${flowsText(flows, width, describeMachine().emulated)}\n\n${wireText(control, secured)}\n`);
const problems = problemsOf(flows, control, secured);
if (secured.plaintextFrames > 0) problems.push(capture.describe());
for (const problem of problems) process.stderr.write(`demo: ${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);
