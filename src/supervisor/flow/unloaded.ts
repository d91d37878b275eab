/**
 * Secured flows that the agent has let go, or never knew: their sockets remember how they were secured (struct tlshub_secured), through the
 * end of any agent, and the last event of each brings it back.
 */
import {
  FlowClass,
  TcpState,
  type OwnerRecord,
  type SecuredRecord,
  type SweepRecord,
  type Traffic,
} from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Directory } from '../settings/directory.js';
import { ADOPTED_SECURED } from './machine.js';
import { createFlow, type Flow, type FlowSeed, type FlowTable } from './table.js';

export interface Recollection extends FlowSeed {
  owner: OwnerRecord | undefined;
  traffic: Traffic | undefined;
}

/** The flow as it was when it was secured, but for what the mapping says, which is that of now. */
export function recall(seed: Recollection, how: SecuredRecord, directory: Directory): Flow {
  const flow = createFlow(seed, monotonicNs());
  setTimes(flow, how);
  flow.owner = seed.owner;
  flow.machine = ADOPTED_SECURED;
  flow.traffic = seed.traffic;
  flow.peerNodes = [how.peerNode];
  flow.pod = directory.pod(flow.tuple);
  flow.provider = how.provider;
  flow.peerNode = how.peerNode;
  flow.cipher = how.cipher;
  flow.tlsVersion = how.tlsVersion;
  flow.kernelUlp = 'tls';
  flow.secured = true;
  return flow;
}

/** When what happened to a flow that is secured, and how long its parts took. */
export function setTimes(
  flow: Flow,
  how: Pick<SecuredRecord, 'askedNs' | 'startedNs' | 'negotiationNs' | 'openedNs'>,
): void {
  flow.askedNs = how.askedNs;
  flow.openedNs = how.openedNs;
  flow.queueMs = (how.startedNs - how.askedNs) / 1e6;
  flow.negotiationMs = how.negotiationNs / 1e6;
  flow.installMs = (how.openedNs - how.startedNs - how.negotiationNs) / 1e6;
  if (flow.establishedNs === 0) return;
  flow.dispatchMs = (how.askedNs - flow.establishedNs) / 1e6;
  flow.holdMs = (how.openedNs - flow.establishedNs) / 1e6;
}

/** True for a connection that runs, secured, and that the table does not have. Of one that is closed the last event has come. */
export function isForgotten(table: FlowTable, record: SweepRecord): boolean {
  if (!record.remembers || record.class !== FlowClass.MESH || record.skState === TcpState.CLOSE) return false;
  const flow = table.get(record.cookie);
  return flow === undefined || flow.generation < record.generation;
}
