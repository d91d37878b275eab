/**
 * The control protocol: what travels over the control socket, as types. docs/CONTROL_PROTOCOL.md describes it for people.
 *
 * One JSON object a line in both directions. Numbers that may pass 2^53 (cookies) travel as decimal text.
 */
import type { MetricFamily } from '../metrics/registry.js';
import { parseFlowQuery, type FlowQuery } from './flow-query.js';
import { isObject, malformed, parseObjectLine } from './json-line.js';
import type { DelayCounts } from '../shared/ipc/delays.js';
import { ControlError, type WireError } from '../shared/errors/errors.js';
import type { Fault } from '../shared/ipc/messages.js';
import type { CipherName, Role } from '../shared/kernel/native.js';

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

export type FlowState = 'held' | 'negotiating' | 'secured' | 'plaintext' | 'refused' | 'closed';

export const FLOW_STATES: readonly FlowState[] = ['held', 'negotiating', 'secured', 'plaintext', 'refused', 'closed'];

/** One connection, as `tlshubctl flows --json` shows it. Null: not known, or not yet. */
export interface FlowReport {
  /** of the socket, decimal */
  cookie: string;
  role: Role;
  /** the side that connected */
  src: string;
  sport: number;
  dst: string;
  dport: number;
  pid: number | null;
  comm: string | null;
  /** the pod at the peer's address, by the mapping */
  pod: string | null;
  /** the node name that the peer's certificate proved */
  peerNode: string | null;
  provider: string | null;
  cipher: CipherName | null;
  tlsVersion: string | null;
  state: FlowState;
  /** why it is in this state; empty if there is nothing to say */
  reason: string;
  /** from the SYN (active) or our SYN-ACK (passive) to the connection being established */
  synMs: number | null;
  /** from the connection being established to the gate opening; the four parts below add up to it */
  holdMs: number | null;
  /** until the provider is asked: the active side's way to the agent, the passive side's wait for its program to accept too */
  dispatchMs: number | null;
  /** until a worker begins with it: for a place in the pool */
  queueMs: number | null;
  negotiationMs: number | null;
  /** from the end of the negotiation until both directions are open */
  installMs: number | null;
  /** that the program has sent and read, by the kernel's counters as last seen */
  bytesSent: number | null;
  bytesReceived: number | null;
  /** getsockopt(TCP_ULP) after the install: the kernel's own answer */
  kernelUlp: string | null;
}

export interface RingReport {
  name: string;
  capacityBytes: number;
  usedBytes: number;
  /** records that found no room; each is accounted for, none is dropped silently */
  overflows: number;
}

/** What was wrong, and where as far as it lies in a file. */
export interface ConfigErrorReport {
  /** ISO 8601 */
  at: string;
  error: WireError;
  file?: string;
  /** 1-based */
  line?: number;
  key?: string;
}

/** A value of the file that a restart would put in force. */
export interface RestartReport {
  key: string;
  inForce: string;
  wanted: string;
}

export interface ProviderStatus {
  name: string;
  /** draining: it finishes what it began before a switch */
  state: 'active' | 'draining' | 'closed';
  /** the library's own words about itself, and the file whose functions are called */
  libraryVersion: string;
  libraryFile: string;
  workers: number;
  inFlight: number;
  queued: number;
  /** negotiations since the agent began */
  started: number;
  succeeded: number;
  /** of those: resumed from an earlier session, without certificates */
  resumed: number;
  failed: number;
  /** times that a connection found neither a place nor room in the queue */
  full: number;
  workersLost: number;
}

export interface StatusReport {
  version: string;
  pid: number;
  node: string;
  mode: string;
  /** those that were ever in force, the present one first */
  providers: ProviderStatus[];
  policy: 'strict' | 'permissive';
  /** captured now, each with all below it */
  cgroups: string[];
  /** patterns of capture.cgroup that nothing matches yet */
  cgroupsAwaited: string[];
  configFile: string;
  /** where it comes from, pods and distinct networks in it */
  mapping: { source: string; pods: number; networks: number };
  flows: Record<FlowState, number>;
  /** connections since the agent began; those over before they were secured by nobody's fault are closedUnsecured */
  totals: { secured: number; plaintext: number; refused: number; closedUnsecured: number };
  /** refusals by code */
  failures: Record<string, number>;
  /** events read, by kind, and those that the perf buffer had no room for */
  events: {
    received: Record<string, number>;
    lost: number;
    /**
     * how long they took from the kernel into the ring, microseconds (null: nothing counted, or longer than a minute). `counts`: of each
     * bucket that is not empty its upper bound and how many; the difference of two readings is what came between them
     */
    toRing: { p50Us: number | null; p99Us: number | null; maxUs: number | null; counts: DelayCounts };
  };
  rings: RingReport[];
  /** the gate's counters, by name */
  gate: Record<string, number>;
  /** true: pins of an earlier agent were taken over */
  adopted: boolean;
  lease: { ttlMs: number; guardianPid: number | null };
  uptimeMs: number;
  draining: boolean;
  /** new connections are secured, or would be */
  ready: boolean;
  /** why not, in words; empty if ready */
  notReady: string[];
  /** since the agent began */
  reloads: { succeeded: number; failed: number };
  needsRestart: RestartReport[];
  /** of the last reload that failed, null if the configuration in force is the newest that was tried */
  lastConfigError: ConfigErrorReport | null;
}

export interface PodReport {
  pod: string;
  node: string;
  addresses: string[];
}

export interface MetricsReport {
  /** Prometheus' text format */
  text: string;
  /** the same as objects */
  families: MetricFamily[];
}

export interface ReloadReport {
  /** one line each; empty: everything is as it was */
  changes: string[];
  /** values of the file that wait for a restart, one line each */
  needsRestart: string[];
}

/** Every operation with its arguments and result. New ones are added here first. */
export interface ControlOperations {
  status: { args: NoArgs; result: StatusReport };
  flows: { args: FlowQuery; result: FlowReport[] };
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
