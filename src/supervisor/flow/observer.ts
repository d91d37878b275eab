// SPDX-License-Identifier: Apache-2.0
import type { Traffic } from '../../shared/kernel/abi.js';
import type { Flow } from './table.js';

/** Told what becomes of flows: for metrics. */
export interface FlowObserver {
  /** the gate is open */
  secured(flow: Flow): void;
  /** policy lets it go in plaintext */
  plaintext(flow: Flow): void;
  /** so many secured connections of an earlier agent were found */
  adopted(count: number): void;
  /** it was closed or refused. Called once, if at all */
  ended(flow: Flow): void;
  /** what a flow that may have ended has moved */
  traffic(flow: Pick<Flow, 'cookie' | 'generation'>, traffic: Traffic): void;
}

/** Tells each of them, in this order. */
export function tellAll(...observers: readonly FlowObserver[]): FlowObserver {
  return {
    secured: (flow) => observers.forEach((one) => one.secured(flow)),
    plaintext: (flow) => observers.forEach((one) => one.plaintext(flow)),
    adopted: (count) => observers.forEach((one) => one.adopted(count)),
    ended: (flow) => observers.forEach((one) => one.ended(flow)),
    traffic: (flow, traffic) => observers.forEach((one) => one.traffic(flow, traffic)),
  };
}
