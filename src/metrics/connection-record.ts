// SPDX-License-Identifier: Apache-2.0
/** One connection in the metrics files: docs/PERFORMANCE_METRICS.md defines every figure. */
import type { Exchange } from '../report/flow.js';
import { FlowClass, type Traffic } from '../shared/kernel/abi.js';
import { exchangeOf } from '../supervisor/flow/exchange.js';
import { stateOf, type Flow } from '../supervisor/flow/table.js';

/** One connection. Times in milliseconds, null: not known, or it never came to that. */
export interface ConnectionRecord {
  connection_id: string;
  connection_latency_ms: number | null;
  key_negotiation_ms: number | null;
  bytes_sent: number | null;
  bytes_received: number | null;
  throughput_mbps: number | null;
  state: string;
  role: string;
  provider: string | null;
  cipher: string | null;
  syn_to_established_ms: number | null;
  hold_ms: number | null;
  dispatch_ms: number | null;
  queue_ms: number | null;
  install_ms: number | null;
  open_ms: number | null;
  exchange: Exchange | null;
}

/** How a connection counts; each of them in exactly one way. */
export type Outcome = 'secured' | 'plaintext' | 'failed' | 'closedUnsecured' | 'pending';

/** The socket's cookie, and which of its connections if it had several. */
export function connectionId({ cookie, generation }: Pick<Flow, 'cookie' | 'generation'>): string {
  return generation === 1 ? cookie.toString() : `${cookie}.${generation}`;
}

export function outcomeOf(flow: Flow): Outcome {
  const { verdict, phase } = flow.machine;
  if (verdict?.state === 'refused') return 'failed';
  if (flow.secured) return 'secured';
  if (flow.class === FlowClass.PLAINTEXT) return 'plaintext';
  return phase === 'done' ? 'closedUnsecured' : 'pending';
}

/** From the SYN to the moment the program's first byte could move. */
export function connectionLatencyMs(flow: Flow): number | null {
  if (flow.class === FlowClass.PLAINTEXT) return flow.synMs;
  return flow.holdMs === null ? null : (flow.synMs ?? 0) + flow.holdMs;
}

export function recordOf(flow: Flow, endNs: number): ConnectionRecord {
  const openedNs = flow.class === FlowClass.PLAINTEXT ? flow.establishedNs : flow.openedNs;
  const record: ConnectionRecord = {
    connection_id: connectionId(flow),
    connection_latency_ms: connectionLatencyMs(flow),
    key_negotiation_ms: flow.negotiationMs,
    bytes_sent: null,
    bytes_received: null,
    throughput_mbps: null,
    state: stateOf(flow),
    role: flow.role,
    provider: flow.provider,
    cipher: flow.cipher,
    syn_to_established_ms: flow.synMs,
    hold_ms: flow.holdMs,
    dispatch_ms: flow.dispatchMs,
    queue_ms: flow.queueMs,
    install_ms: flow.installMs,
    open_ms: openedNs > 0 && endNs > openedNs ? (endNs - openedNs) / 1e6 : null,
    exchange: exchangeOf(flow),
  };
  if (flow.traffic !== undefined) setBytes(record, flow.traffic);
  // A gate that was never open let nothing through.
  else if (!flow.secured && flow.class !== FlowClass.PLAINTEXT) setBytes(record, { sent: 0, received: 0 });
  return record;
}

export function setBytes(record: ConnectionRecord, { sent, received }: Omit<Traffic, 'final'>): void {
  record.bytes_sent = sent;
  record.bytes_received = received;
  record.throughput_mbps = record.open_ms === null ? null : ((sent + received) * 8) / 1000 / record.open_ms;
}
