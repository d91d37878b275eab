// SPDX-License-Identifier: Apache-2.0
/**
 * One connection that is over as a line of the access log. Fields have the names of ztunnel's access log (Istio, src/proxy/metrics.rs) where they mean the same;
 * docs/PERFORMANCE_METRICS.md defines them all.
 */
import { describeErrno } from '../shared/errors/errno.js';
import type { Traffic } from '../shared/kernel/abi.js';
import { formatAddress } from '../shared/net/address.js';
import { formatListenAddress } from '../shared/net/listen-address.js';
import { epochOf, exchangeOf } from '../supervisor/flow/exchange.js';
import type { Flow } from '../supervisor/flow/table.js';
import { connectionId, outcomeOf } from './connection-record.js';

/** What the flow itself does not know. */
export interface Surroundings {
  /** this node's name */
  node: string;
  /** the pod at the address on this side, by the mapping */
  pod: string | undefined;
  /** of the program's socket, below the mount of cgroup version 2 */
  cgroup: string | undefined;
  /** milliseconds since 1970 */
  now: number;
  /** CLOCK_MONOTONIC nanoseconds */
  nowNs: number;
}

/** In the order in which they are written; undefined: not known, or there is no such thing, and left out. */
export type AccessEntry = Readonly<Record<string, string | number | undefined>>;

/** Has anything gone wrong with it? */
export function wentWrong(flow: Flow): boolean {
  return errorOf(flow) !== undefined;
}

/** @param traffic what it has moved, by the last that is known */
export function accessEntry(flow: Flow, traffic: Traffic | undefined, around: Surroundings): AccessEntry {
  const { tuple, machine, secured } = flow;
  const here = {
    addr: endpoint(tuple.local, tuple.lport),
    workload: around.pod,
    node: around.node,
    identity: secured ? around.node : undefined,
  };
  const there = {
    addr: endpoint(tuple.remote, tuple.rport),
    workload: flow.pod ?? undefined,
    node: (flow.peerNode ?? flow.peerNodes.join(' ')) || undefined,
    identity: secured ? (flow.peerNode ?? undefined) : undefined,
  };
  const outbound = flow.role === 'active';
  const outcome = outcomeOf(flow);
  const unopened = outcome === 'failed' || outcome === 'closedUnsecured';
  const endNs = flow.closedNs || around.nowNs;
  const error = errorOf(flow);
  return {
    time: new Date(around.now).toISOString(),
    level: error === undefined ? 'info' : 'error',
    scope: 'access',
    message: outcome === 'failed' ? 'connection failed' : 'connection complete',
    ...prefixed('src', outbound ? here : there),
    ...prefixed('dst', outbound ? there : here),
    direction: outbound ? 'outbound' : 'inbound',
    bytes_sent: traffic?.sent ?? (unopened ? 0 : undefined),
    bytes_recv: traffic?.received ?? (unopened ? 0 : undefined),
    duration: `${Math.max(0, Math.round((endNs - (flow.createdNs || flow.seenNs)) / 1e6))}ms`,
    error,
    outcome: OUTCOMES[outcome],
    reason: machine.verdict?.reason || flow.peerReason || undefined,
    code: machine.verdict?.code || undefined,
    provider: flow.provider ?? undefined,
    exchange: exchangeOf(flow) ?? undefined,
    epoch: epochOf(flow) ?? undefined,
    tls_version: flow.tlsVersion ?? undefined,
    cipher: flow.cipher ?? undefined,
    hold: flow.hold,
    hold_ms: milliseconds(flow.holdMs),
    negotiation_ms: milliseconds(flow.negotiationMs),
    pid: flow.owner?.tgid,
    comm: flow.owner?.comm,
    cgroup: around.cgroup,
    connection_id: connectionId(flow),
  };
}

const OUTCOMES = {
  secured: 'secured',
  plaintext: 'plaintext',
  failed: 'refused',
  closedUnsecured: 'closed',
  pending: 'closed',
} as const;

/** One line of JSON. */
export function jsonLine(entry: AccessEntry): string {
  return JSON.stringify(entry);
}

/** `time level scope message name=value ...`; texts are quoted as JSON has them, so no program's name can begin a line or a field. */
export function textLine({ time, level, scope, message, ...fields }: AccessEntry): string {
  const head = [time, level, scope, message].join('\t');
  const rest = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${typeof value === 'number' ? value : textOf(value)}`],
  );
  return `${head}\t${rest.join(' ')}`;
}

/** Addresses and durations bare, as ztunnel has them. */
function textOf(value: string): string {
  return /^[\d.:a-f[\]]+(?:ms)?$/.test(value) ? value : JSON.stringify(value);
}

function endpoint(address: Uint8Array, port: number): string {
  return formatListenAddress({ host: formatAddress(address), port });
}

function prefixed(side: 'src' | 'dst', fields: AccessEntry): AccessEntry {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [`${side}.${name}`, value]));
}

function milliseconds(value: number | null): number | undefined {
  return value === null ? undefined : Math.round(value * 1000) / 1000;
}

/** What went wrong, in words; undefined: the two programs ended it. */
function errorOf({ machine: { verdict }, closedErrno }: Flow): string | undefined {
  if (verdict !== undefined && (verdict.state === 'refused' || verdict.code !== '')) {
    return verdict.code === '' ? verdict.reason : `${verdict.code}: ${verdict.reason}`;
  }
  if (closedErrno === 0) return undefined;
  const [name, words] = describeErrno(closedErrno);
  // A peer that resets what it has ended before is EPIPE here (tcp_reset(), net/ipv4/tcp_input.c).
  return name === 'ECONNRESET' || name === 'EPIPE' ? `connection reset by peer (${name})` : `${words} (${name})`;
}
