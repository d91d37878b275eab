// SPDX-License-Identifier: Apache-2.0
/**
 * The control protocol: what travels over the control socket, as types. docs/CONTROL_PROTOCOL.md describes it for people.
 *
 * One JSON object a line in both directions. Numbers that may pass 2^53 (cookies) travel as decimal text.
 */
import type { ChannelReport } from '../report/channel.js';
import type { FlowReport } from '../report/flow.js';
import type { MetricsReport } from '../report/metrics.js';
import type { PodReport } from '../report/pod.js';
import type { ReloadReport } from '../report/reload.js';
import type { StatusReport } from '../report/status.js';
import { parseFlowQuery, type FlowQuery } from './flow-query.js';
import { isObject, malformed, parseObjectLine } from './json-line.js';
import { ControlError, type WireError } from '../shared/errors/errors.js';
import type { Fault } from '../shared/ipc/messages.js';

export const CONTROL_VERSION = 1;

/** Bytes, without the newline. Requests name an operation and a few arguments. */
export const MAX_REQUEST_BYTES = 64 << 10;
/** Bytes. A mapping of 100,000 pods is about 10 MB. */
export const MAX_RESPONSE_BYTES = 256 << 20;

export interface ControlRequest {
  v: typeof CONTROL_VERSION;
  /** chosen by the client, returned with the answer */
  id: number;
  op: string;
  args: Record<string, unknown>;
}

export type ControlResponse =
  | { v: typeof CONTROL_VERSION; id: number; ok: true; result: unknown }
  /** id is null where the request could not be read */
  | { v: typeof CONTROL_VERSION; id: number | null; ok: false; error: WireError };

/** Every operation with its arguments and result. New ones are added here first. */
export interface ControlOperations {
  status: { args: NoArgs; result: StatusReport };
  flows: { args: FlowQuery; result: FlowReport[] };
  channels: { args: NoArgs; result: ChannelReport[] };
  'mapping.get': { args: { pod: string }; result: PodReport };
  'mapping.list': { args: NoArgs; result: PodReport[] };
  reload: { args: NoArgs; result: ReloadReport };
  'mode.get': { args: NoArgs; result: { mode: string } };
  'mode.set': { args: { mode: string }; result: { mode: string; previous: string } };
  metrics: { args: NoArgs; result: MetricsReport };
  /** only where TLSHUB_TEST_HOOKS is set */
  'test.break-worker': { args: { fault: Fault }; result: { done: boolean } };
}

export type NoArgs = Record<string, never>;
export type ControlOperation = keyof ControlOperations;

/** What a supervisor plugs in. An operation without a handler is answered with TLSHUB_CONTROL_UNKNOWN_OP. */
export type ControlHandlers = {
  [Op in ControlOperation]?: (args: ControlOperations[Op]['args']) => Promise<ControlOperations[Op]['result']>;
};

/** Checks the arguments of each operation, so that handlers get what their type says. */
export const ARGUMENTS: { [Op in ControlOperation]: (args: Record<string, unknown>) => ControlOperations[Op]['args'] } =
  {
    status: none,
    flows: parseFlowQuery,
    channels: none,
    'mapping.get': (args) => ({ pod: onlyText(args, 'pod') }),
    'mapping.list': none,
    reload: none,
    'mode.get': none,
    'mode.set': (args) => ({ mode: onlyText(args, 'mode') }),
    metrics: none,
    'test.break-worker': ({ fault }) => {
      if (fault !== 'end' && fault !== 'hang') throw badArgs('needs "fault", end or hang');
      return { fault };
    },
  };

function none(args: Record<string, unknown>): NoArgs {
  const [name] = Object.keys(args);
  if (name !== undefined) throw badArgs(`takes no argument "${name.slice(0, 60)}"`);
  return {};
}

/** The one argument of an operation that takes no other. */
function onlyText(args: Record<string, unknown>, name: string): string {
  const { [name]: value, ...others } = args;
  if (typeof value !== 'string' || value === '') throw badArgs(`needs "${name}", a text`);
  none(others);
  return value;
}

function badArgs(detail: string): ControlError {
  return new ControlError('TLSHUB_CONTROL_BAD_ARGS', `the operation ${detail}`);
}

/** @throws ControlError TLSHUB_CONTROL_PROTOCOL */
export function parseRequest(line: Buffer): ControlRequest {
  const value = parseObjectLine(line, 'the request');
  const { v, id, op, args = {} } = value;
  if (v !== CONTROL_VERSION)
    throw malformed(`the request is of protocol version ${show(v)}; this is version ${CONTROL_VERSION}`);
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0)
    throw malformed('the request has no id (a whole number)');
  if (typeof op !== 'string') throw malformed('the request has no op (a text)');
  if (!isObject(args)) throw malformed('the request has args that are not an object');
  return { v, id, op, args };
}

/** @throws ControlError TLSHUB_CONTROL_PROTOCOL */
export function parseResponse(line: Buffer): ControlResponse {
  const value = parseObjectLine(line, 'the answer');
  const { v, id, ok, result, error } = value;
  if (v !== CONTROL_VERSION)
    throw malformed(`the answer is of protocol version ${show(v)}; this is version ${CONTROL_VERSION}`);
  if (ok === true && typeof id === 'number') return { v, id, ok, result };
  if (ok === false && (typeof id === 'number' || id === null) && isObject(error)) {
    const { code, message } = error;
    if (typeof code === 'string' && typeof message === 'string')
      return { v, id, ok, error: { ...error, code, message } };
  }
  throw malformed('the answer is neither a result nor an error');
}

/** A few characters of a value; of a list or an object only that it is one, since it may be nested too deep for JSON.stringify. */
function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return JSON.stringify(value ?? null).slice(0, 40);
}
