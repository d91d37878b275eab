// SPDX-License-Identifier: Apache-2.0
/** Which flows somebody wants to see: the arguments of the operation `flows`. */
import { ControlError } from '../shared/errors/errors.js';
import { FLOW_STATES, type FlowReport, type FlowState } from '../report/flow.js';

export interface FlowQuery {
  /** any of these; missing: all */
  states?: FlowState[];
  /** the pod at the peer's address: its whole name, or without its namespace */
  pod?: string;
}

export function isFlowState(text: unknown): text is FlowState {
  return FLOW_STATES.some((state) => state === text);
}

/** @throws ControlError TLSHUB_CONTROL_BAD_ARGS */
export function parseFlowQuery(args: Record<string, unknown>): FlowQuery {
  const { states, pod, ...others } = args;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw bad(`takes no argument "${unknown.slice(0, 60)}"`);
  const query: FlowQuery = {};
  if (states !== undefined) {
    if (!Array.isArray(states) || !states.every(isFlowState))
      throw bad(`wants "states", a list of ${FLOW_STATES.join(', ')}`);
    query.states = states;
  }
  if (pod !== undefined) {
    if (typeof pod !== 'string' || pod === '') throw bad('wants "pod", a text');
    query.pod = pod;
  }
  return query;
}

export function matchesFlow(flow: FlowReport, { states, pod }: FlowQuery): boolean {
  if (states !== undefined && !states.includes(flow.state)) return false;
  return pod === undefined || (flow.pod !== null && isPod(flow.pod, pod));
}

/** True if `name` is what people call the pod: `namespace/name`, or the name alone. */
export function isPod(pod: string, name: string): boolean {
  return pod === name || (!name.includes('/') && pod.endsWith(`/${name}`));
}

function bad(detail: string): ControlError {
  return new ControlError('TLSHUB_CONTROL_BAD_ARGS', `the operation ${detail}`);
}
