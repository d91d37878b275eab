// SPDX-License-Identifier: Apache-2.0
/** Which flow news is about: one of the table, a new one, or an unloaded one that comes back. */
import { FlowClass, type FlowEvent } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import { isLoopback } from '../../shared/net/address.js';
import type { Directory } from '../settings/directory.js';
import type { Counters } from './counters.js';
import type { FlowObserver } from './observer.js';
import { createFlow, type Flow, type FlowSeed, type FlowTable } from './table.js';
import type { UnloadedFlows } from './unloaded.js';

export interface ArrivalsOptions {
  table: FlowTable;
  unloaded: UnloadedFlows;
  directory: Directory;
  counters: Counters;
  observer: FlowObserver;
  /** the socket has another connection than this one now */
  supersede(flow: Flow): void;
}

export class Arrivals {
  constructor(private readonly options: ArrivalsOptions) {}

  /** Undefined: the event is of a connection that the socket had before. */
  flowOf(event: FlowEvent): Flow | undefined {
    const { table, unloaded } = this.options;
    const flow = table.get(event.cookie);
    if (flow !== undefined && event.generation <= flow.generation) {
      return event.generation === flow.generation ? flow : undefined;
    }
    if (flow !== undefined) this.options.supersede(flow);
    if (event.secured === undefined) return this.learn(event);
    // The last event of an unloaded flow.
    const restored = unloaded.restore(event, event.secured);
    table.add(restored);
    return restored;
  }

  /** A new flow: an event tells of it, or the sweep where that was lost. */
  learn(seed: FlowSeed): Flow {
    const { table, directory, counters, observer } = this.options;
    const flow = createFlow(seed, monotonicNs());
    const { nodes, reason } = directory.peerNodes(flow.tuple, flow.role, flow.establishedNs);
    flow.peerReason = reason;
    if (flow.class === FlowClass.MESH) flow.peerNodes = nodes;
    flow.pod = directory.pod(flow.tuple);
    table.add(flow);
    if (flow.class === FlowClass.PLAINTEXT) {
      counters.values.plaintext++;
      if (isLoopback(flow.tuple.remote) || isLoopback(flow.tuple.local)) counters.values.plaintextLoopback++;
      observer.plaintext(flow);
    }
    return flow;
  }
}
