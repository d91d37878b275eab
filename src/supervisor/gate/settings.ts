// SPDX-License-Identifier: Apache-2.0
/** What the gate in the kernel is told of the settings in force: at start, and again after a swap. */
import type { Config } from '../../config/schema.js';
import { policyOf } from '../../policy/decide.js';
import { meshEntryOf, policyForGate } from '../../policy/for-gate.js';
import type { GateFds, GateSettings, KernelAddon, MeshEntry } from '../../shared/kernel/kernel-addon.js';
import type { MappedNetwork, PodNodeMapping } from '../../mapping/pod-node-mapping.js';

/** What the gate is told comes from these two. */
export interface GateInputs {
  readonly config: Config;
  readonly mapping: PodNodeMapping;
}

export function gateSettings(config: Config): GateSettings {
  return {
    // What waits for this node's processor is the agent's to refuse.
    holdMs: config.holdTimeoutMs + config.overloadTimeoutMs,
    silentPeerMs: config.silentPeerTimeoutMs,
    nonblockingMs: config.holdNonblockingMs,
    ...policyForGate(policyOf(config)),
    // No provider begins before the connection is established.
    emitConnect: false,
    keyNetlink: config.netlinkProtocol + 1,
  };
}

/** The number of the node that has an address, 0 if several have: NodeNumbers.ofOne. */
export type NumberOf = (nodes: readonly string[]) => number;

/** The mesh as the gate sees it under some settings. */
export function* meshEntries({ mapping, config }: GateInputs, numberOf: NumberOf): Generator<MeshEntry> {
  for (const network of mapping.entries()) yield entryOf(network, config, numberOf);
}

function entryOf(network: MappedNetwork, { nodeName }: Config, numberOf: NumberOf): MeshEntry {
  // A service has no agent of its own that could open a channel.
  const node = network.services.length > 0 ? 0 : numberOf(network.nodes);
  return { ...meshEntryOf(network, nodeName), node };
}

/** Entries that `after` has and `before` has not, or with another value. Undefined for each of the others. */
function* meshAdditions(before: GateInputs, after: GateInputs, numberOf: NumberOf): Generator<MeshEntry | undefined> {
  for (const network of after.mapping.entries()) {
    const entry = entryOf(network, after.config, numberOf);
    const old = before.mapping.networkAt(network);
    const was = old && entryOf(old, before.config, numberOf);
    yield was !== undefined && was.local === entry.local && was.node === entry.node ? undefined : entry;
  }
}

/** Entries that `before` has and `after` has not. Undefined for each of the others. */
function* meshRemovals(before: GateInputs, after: GateInputs, numberOf: NumberOf): Generator<MeshEntry | undefined> {
  for (const network of before.mapping.entries()) {
    const gone = after.mapping.networkAt(network) === undefined;
    yield gone ? entryOf(network, before.config, numberOf) : undefined;
  }
}

/** Entries in one go: some milliseconds of this thread, under emulation as well. */
const ENTRIES_AT_ONCE = 1000;

/** Hands slices of what it is given to `write`, and lets the event loop turn between them. */
async function inSlices(entries: Iterable<MeshEntry | undefined>, write: (slice: MeshEntry[]) => void): Promise<void> {
  let slice: MeshEntry[] = [];
  let seen = 0;
  for (const entry of entries) {
    if (entry !== undefined) slice.push(entry);
    if (++seen % ENTRIES_AT_ONCE !== 0) continue;
    if (slice.length > 0) write(slice);
    slice = [];
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (slice.length > 0) write(slice);
}

/**
 * Brings the gate from one set of settings to another. What is new comes in first and what is old goes out last, with the swap in between,
 * so that there is no moment in which an address that stays is missing, nor one in which the kernel holds a flow that the agent would not know
 * what to do with.
 */
export class GateUpdate {
  private closed = false;

  constructor(
    private readonly addon: Pick<KernelAddon, 'putMesh' | 'dropMesh' | 'updateSettings'>,
    private readonly fds: GateFds,
    private readonly numberOf: NumberOf,
  ) {}

  /** @throws (rejects) what the kernel refuses, such as more addresses than the mesh has room for; `undo` repairs */
  async widen(before: GateInputs, after: GateInputs): Promise<void> {
    await inSlices(meshAdditions(before, after, this.numberOf), (slice) => {
      if (!this.closed) this.addon.putMesh(this.fds.mesh, slice);
    });
  }

  /** The moment from which new flows are decided by the new settings. */
  apply({ config }: GateInputs): void {
    this.addon.updateSettings(this.fds, gateSettings(config));
  }

  async narrow(before: GateInputs, after: GateInputs): Promise<void> {
    await inSlices(meshRemovals(before, after, this.numberOf), (slice) => {
      if (!this.closed) this.addon.dropMesh(this.fds.mesh, slice);
    });
  }

  /** The gate is going, and its descriptors with it: what is under way comes to nothing. */
  close(): void {
    this.closed = true;
  }

  /** Takes back what `widen` did, or a part of it. */
  async undo(before: GateInputs, after: GateInputs): Promise<void> {
    await this.widen(after, before);
    await this.narrow(after, before);
  }
}
