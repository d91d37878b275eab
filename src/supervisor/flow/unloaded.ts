// SPDX-License-Identifier: Apache-2.0
/**
 * Unloaded flows: secured ones that the agent has let go, or never knew. Their sockets remember how they were secured (struct
 * tlshub_secured), through the end of any agent, and the last event of each brings it back.
 */
import {
  FlowClass,
  type Hold,
  TcpState,
  type OwnerRecord,
  type SecuredRecord,
  type SweepRecord,
  type Traffic,
} from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Directory } from '../settings/directory.js';
import { timesOf } from './inputs.js';
import { ADOPTED_SECURED } from './machine.js';
import { createFlow, type Flow, type FlowSeed, type FlowTable, type TableWatcher } from './table.js';

export interface RestoreSeed extends FlowSeed {
  owner: OwnerRecord | undefined;
  traffic: Traffic | undefined;
  hold: Hold;
}

/** The flow as it was when it was secured, but for what the mapping says, which is that of now. */
function restore(seed: RestoreSeed, how: SecuredRecord, directory: Pick<Directory, 'pod'>): Flow {
  const flow = createFlow(seed, monotonicNs());
  return Object.assign<Flow, Partial<Flow>>(flow, {
    ...timesOf(flow, how),
    owner: seed.owner,
    machine: ADOPTED_SECURED,
    traffic: seed.traffic,
    peerNodes: [how.peerNode],
    pod: directory.pod(flow.tuple),
    provider: how.provider,
    peerNode: how.peerNode,
    cipher: how.cipher,
    tlsVersion: how.tlsVersion,
    kernelUlp: 'tls',
    hold: seed.hold,
    secured: true,
  });
}

/** True for a connection that runs, secured, and that the table does not have. Of one that is closed the last event has come. */
export function isUnloaded(table: Pick<FlowTable, 'get'>, record: SweepRecord): boolean {
  if (!record.remembers || record.class !== FlowClass.MESH || record.skState === TcpState.CLOSE) return false;
  const flow = table.get(record.cookie);
  return flow === undefined || flow.generation < record.generation;
}

/** How many there are, and who is told of those that come and go. */
export class UnloadedFlows implements TableWatcher {
  /** by the last reading of the kernel's list, and by what came after it */
  count = 0;
  private watcher: TableWatcher | undefined;

  constructor(private readonly directory: Pick<Directory, 'pod'>) {}

  /** The flow of a record or of a last event; it is not in the table by that. */
  restore(seed: RestoreSeed, how: SecuredRecord): Flow {
    return restore(seed, how, this.directory);
  }

  /** Whom the table's news is passed on to from now on. */
  tell(watcher: TableWatcher | undefined): void {
    this.watcher = watcher;
  }

  left(flow: Flow): void {
    this.count++;
    this.watcher?.left(flow);
  }

  entered(flow: Flow): void {
    // Nothing comes into the table as secured but what was unloaded.
    if (flow.secured) this.count = Math.max(0, this.count - 1);
    this.watcher?.entered(flow);
  }

  over(flow: Flow): void {
    this.watcher?.over(flow);
  }
}
