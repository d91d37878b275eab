// SPDX-License-Identifier: Apache-2.0
/** In which order flows are shown: `tlshubctl flows --sort KEY`. */
import type { FlowReport, FlowState } from '../report/flow.js';

/** What needs a look comes first. */
const STATES: readonly FlowState[] = ['held', 'negotiating', 'refused', 'secured', 'plaintext', 'closed'];

type Compare = (a: FlowReport, b: FlowReport) => number;

const text =
  (of: (flow: FlowReport) => string | null): Compare =>
  (a, b) =>
    (of(a) ?? '\uffff').localeCompare(of(b) ?? '\uffff');

const newest: Compare = (a, b) => a.ageMs - b.ageMs;

const ORDERS = {
  state: (a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state),
  age: newest,
  hold: (a, b) => (b.holdMs ?? -1) - (a.holdMs ?? -1),
  bytes: (a, b) => moved(b) - moved(a),
  program: text(({ comm }) => comm),
  node: text(({ peerNode }) => peerNode),
  destination: (a, b) => a.dst.localeCompare(b.dst) || a.dport - b.dport,
  code: text(({ code }) => code || null),
} satisfies Record<string, Compare>;

export type FlowOrder = keyof typeof ORDERS;

export const FLOW_ORDERS = Object.keys(ORDERS) as FlowOrder[];

/** A sorted copy; those that are alike newest first. */
export function sortFlows(flows: readonly FlowReport[], order: FlowOrder): FlowReport[] {
  const compare: Compare = ORDERS[order];
  return [...flows].sort((a, b) => compare(a, b) || newest(a, b));
}

function moved({ bytesSent, bytesReceived }: FlowReport): number {
  return (bytesSent ?? 0) + (bytesReceived ?? 0);
}
