// SPDX-License-Identifier: Apache-2.0
/**
 * The epochs that this node has opened, or is about to: for connections that programs here make (docs/CHANNEL.md, "Life of an epoch"). Nodes without
 * one cost nothing, however many there are.
 */
import { randomInt } from 'node:crypto';
import type { Logger } from '../../logging/logger.js';
import type { Endpoint } from '../../mapping/node-endpoints.js';
import type { ChannelReport } from '../../report/channel.js';
import { ChannelLimit } from '../../shared/kernel/abi.generated.js';
import type { CipherName, SecretHandle, TlsLibrary } from '../../shared/kernel/words.js';
import { toWire } from '../../shared/errors/errors.js';
import { backOffMs } from './back-off.js';
import { epochForFlows, epochPhase, nextEpochId, wantsNextEpoch, type Epoch, type EpochTimes } from './epochs.js';
import type { EpochPlaces } from './epoch-places.js';
import { lastError, type ErrorTold, type LastError } from './last-error.js';
import type { EpochTerms, Sessions } from './sessions.js';

/** An epoch that has lost its worth so soon is not made up for at once. */
const MIN_AGE_MS = 1000;

export interface OpenedEpoch extends Epoch {
  readonly node: string;
  readonly library: TlsLibrary;
  readonly cipher: CipherName;
  readonly group: string;
  /** the kernel names it */
  named: boolean;
  /** its session has ended, or it never had one */
  alone: boolean;
}

interface Opening {
  readonly id: number;
  readonly sinceMs: number;
}

interface Peer {
  readonly node: string;
  /** newest last */
  epochs: OpenedEpoch[];
  opening: Opening | undefined;
  renewals: number;
  failures: number;
  /** until then nothing is tried */
  retryAtMs: number;
  lastError: LastError | null;
}

export interface OpenedOptions {
  ownName: string;
  places: EpochPlaces;
  /** undefined: none can be opened now */
  sessions: () => Sessions | undefined;
  endpointOf: (node: string) => Endpoint | undefined;
  /** of epochs that are opened now */
  times: () => EpochTimes;
  /** for connections within the node */
  ownCipher: () => CipherName;
  /** also for connections within the node: they are accepted here as well */
  ownEpoch: { came(epoch: OpenedEpoch): void; went(epoch: OpenedEpoch): void };
  /** CLOCK_MONOTONIC, ms */
  clock: () => number;
  failed: (error: ErrorTold) => void;
  log: Logger;
  /** where ids begin */
  firstId?: number;
}

export class OpenedEpochs {
  private readonly peers = new Map<string, Peer>();
  /** those with an epoch or one on its way: what a tick costs */
  private readonly busy = new Set<Peer>();
  private readonly byId = new Map<number, OpenedEpoch>();
  private readonly openings = new Map<number, Peer>();
  private lastId: number;
  /** that became usable, since the agent began */
  count = 0;

  constructor(private readonly options: OpenedOptions) {
    this.lastId = options.firstId ?? randomInt(ChannelLimit.EPOCH_IDS);
  }

  get(id: number): OpenedEpoch | undefined {
    return this.byId.get(id);
  }

  /** A connection to the node goes in-band. */
  need(node: string): void {
    const { clock } = this.options;
    const peer = this.peers.get(node);
    if (peer === undefined) {
      if (this.canOpen(node)) this.open(this.newPeer(node));
      return;
    }
    if (peer.opening !== undefined || epochForFlows(peer.epochs, clock()) !== undefined) return;
    if (clock() >= peer.retryAtMs) this.open(peer);
  }

  opened(terms: EpochTerms, secret: SecretHandle, sessions: Sessions): boolean {
    const { clock, places, log } = this.options;
    const peer = this.openings.get(terms.epoch);
    if (peer === undefined) return false;
    const { epoch: id, cipher, group } = terms;
    const openedMs = clock();
    const times = this.options.times();
    try {
      places.enter('opened', { ...terms, untilMs: openedMs + times.takesMs }, secret);
    } catch (error) {
      const { code, message } = toWire(error);
      this.ended(id, { code, reason: message });
      sessions.close({ opened: id }, 'unused');
      return true;
    }
    const { node } = peer;
    this.joined(peer, {
      id,
      node,
      times,
      openedMs,
      given: 0,
      library: sessions.library,
      cipher,
      group,
      named: true,
      alone: false,
    });
    log.debug(`a channel to node ${node} is open`, { node, epoch: id, cipher, group });
    return true;
  }

  /** The peer has had this number of ours before: nobody knows who else gives them. */
  numberTaken(id: number, number: number): void {
    const epoch = this.byId.get(id);
    const peer = epoch && this.peers.get(epoch.node);
    if (epoch === undefined || peer === undefined || epoch.retiredMs !== undefined) return;
    const { node } = epoch;
    this.options.log.warning(
      `node ${node} has had number ${number} of a channel's epoch before: another epoch is made`,
      {
        node,
        epoch: id,
      },
    );
    this.look(epoch);
    this.retire(epoch);
    // Who burns numbers gets no more than a handshake a second out of it; else the next tick does it.
    const now = this.options.clock();
    const isYoung = now - epoch.openedMs < MIN_AGE_MS;
    if (peer.opening === undefined && !isYoung && now >= peer.retryAtMs) this.open(peer);
  }

  /** Its session is over. `error`: not in order, so it is forgotten at once. */
  ended(id: number, error: ErrorTold | undefined): void {
    const opening = this.openings.get(id);
    if (opening !== undefined) {
      this.openings.delete(id);
      opening.opening = undefined;
      this.fail(
        opening,
        error ?? { code: 'TLSHUB_CHANNEL_REJECTED', reason: 'the channel was closed before it was open' },
      );
      this.settle(opening);
      return;
    }
    const epoch = this.byId.get(id);
    const peer = epoch && this.peers.get(epoch.node);
    if (epoch === undefined || peer === undefined) return;
    epoch.alone = true;
    if (error === undefined) {
      this.look(epoch);
      this.retire(epoch);
      return;
    }
    this.drop(peer, epoch);
    this.fail(peer, error);
  }

  /** The node is not there any more, or not where it was, or its session's settings are not in force: no new connection uses its epochs. */
  replace(node: string): void {
    const peer = this.peers.get(node);
    if (peer === undefined) return;
    if (peer.opening !== undefined) {
      this.options.sessions()?.close({ opened: peer.opening.id }, 'changed');
      this.openings.delete(peer.opening.id);
      peer.opening = undefined;
    }
    peer.failures = 0;
    peer.retryAtMs = 0;
    peer.lastError = null;
    for (const epoch of peer.epochs) {
      this.look(epoch);
      this.retire(epoch);
    }
    this.settle(peer);
  }

  replaceAll(): void {
    for (const node of [...this.peers.keys()]) this.replace(node);
  }

  /** The thread that has the sessions is another one. */
  sessionsGone(): void {
    for (const epoch of this.byId.values()) epoch.alone = true;
  }

  /** The node has no right to a connection any more, or all sessions have broken. */
  forget(node: string): void {
    const peer = this.peers.get(node);
    if (peer === undefined) return;
    this.replace(node);
    for (const epoch of [...peer.epochs]) this.drop(peer, epoch);
    this.peers.delete(node);
  }

  forgetAll(): void {
    for (const node of [...this.peers.keys()]) this.forget(node);
  }

  /** To be called each second. */
  tick(): void {
    const now = this.options.clock();
    for (const peer of [...this.busy]) {
      for (const epoch of [...peer.epochs]) {
        this.look(epoch);
        const phase = epochPhase(epoch, now);
        if (phase === 'over') this.drop(peer, epoch);
        else if (phase === 'kept') this.unname(epoch);
      }
      const newest = peer.epochs.at(-1);
      if (newest === undefined || peer.opening !== undefined || now < peer.retryAtMs) continue;
      if (wantsNextEpoch(newest, now) && this.canOpen(peer.node)) this.open(peer);
    }
  }

  /** Nodes that have epochs, or failed ones. */
  nodes(): string[] {
    return [...this.peers.keys()];
  }

  reports(): ChannelReport[] {
    const now = this.options.clock();
    return [...this.peers.values()].flatMap((peer) => {
      const { node, opening, renewals, lastError: error } = peer;
      const common = { node, direction: 'opened' as const, renewals, lastError: error };
      const none = { ...common, library: '', cipher: '', group: '', flows: 0 };
      const reports: ChannelReport[] = peer.epochs.map((epoch) => {
        const { id, library, cipher, group, openedMs, given } = epoch;
        const state = epochPhase(epoch, now) === 'taking' ? 'open' : 'kept';
        const flows = Math.min(given, ChannelLimit.EPOCH_FLOWS);
        return { ...common, state, epoch: id, library, cipher, group, ageMs: Math.round(now - openedMs), flows };
      });
      if (opening !== undefined) {
        reports.push({ ...none, state: 'opening', epoch: opening.id, ageMs: Math.round(now - opening.sinceMs) });
      }
      if (reports.length === 0) reports.push({ ...none, state: 'failed', epoch: 0, ageMs: 0 });
      return reports;
    });
  }

  private canOpen(node: string): boolean {
    const { sessions, endpointOf, ownName } = this.options;
    return sessions() !== undefined && (node === ownName || endpointOf(node) !== undefined);
  }

  private newPeer(node: string): Peer {
    const peer: Peer = {
      ...{ node, epochs: [], opening: undefined, renewals: 0, failures: 0, retryAtMs: 0, lastError: null },
    };
    this.peers.set(node, peer);
    return peer;
  }

  private open(peer: Peer): void {
    const { sessions, endpointOf, clock, ownName } = this.options;
    const { node } = peer;
    const running = sessions();
    const endpoint = endpointOf(node);
    if (running === undefined) return;
    if (node !== ownName && endpoint === undefined) return;
    const id = nextEpochId(this.lastId, { has: (taken) => this.byId.has(taken) || this.openings.has(taken) });
    this.lastId = id;
    if (node === ownName) {
      this.openOwn(peer, id, running.library);
      return;
    }
    peer.opening = { id, sinceMs: clock() };
    this.openings.set(id, peer);
    this.busy.add(peer);
    if (endpoint !== undefined) running.open({ ...endpoint, node, epoch: id });
  }

  private openOwn(peer: Peer, id: number, library: TlsLibrary): void {
    const { places, ownName, ownCipher, clock } = this.options;
    const openedMs = clock();
    const times = this.options.times();
    const cipher = ownCipher();
    const names = { epoch: id, opener: ownName, listener: ownName };
    try {
      places.enterOwn({ ...names, cipher, untilMs: openedMs + times.takesMs });
    } catch (error) {
      const { code, message } = toWire(error);
      this.fail(peer, { code, reason: message });
      return;
    }
    const epoch = {
      id,
      node: ownName,
      times,
      openedMs,
      given: 0,
      library,
      cipher,
      group: '',
      named: true,
      alone: true,
    };
    this.joined(peer, epoch);
    this.options.ownEpoch.came(epoch);
  }

  private joined(peer: Peer, epoch: OpenedEpoch): void {
    this.openings.delete(epoch.id);
    peer.opening = undefined;
    if (peer.epochs.length > 0) peer.renewals++;
    peer.epochs.push(epoch);
    peer.failures = 0;
    peer.retryAtMs = 0;
    peer.lastError = null;
    this.byId.set(epoch.id, epoch);
    this.busy.add(peer);
    this.count++;
  }

  private look(epoch: OpenedEpoch): void {
    if (epoch.named) epoch.given = Math.max(epoch.given, this.options.places.numbersGiven(epoch.id));
  }

  private retire(epoch: OpenedEpoch): void {
    epoch.retiredMs ??= this.options.clock();
    this.unname(epoch);
  }

  private unname(epoch: OpenedEpoch): void {
    if (!epoch.named) return;
    epoch.named = false;
    this.options.places.withdraw('opened', epoch.node, epoch.id);
    if (epoch.node === this.options.ownName) this.options.places.withdraw('accepted', epoch.node, epoch.id);
  }

  private drop(peer: Peer, epoch: OpenedEpoch): void {
    const { places, sessions, ownEpoch, ownName } = this.options;
    this.unname(epoch);
    places.forget('opened', epoch.node, epoch.id);
    if (epoch.node === ownName) {
      places.forget('accepted', epoch.node, epoch.id);
      ownEpoch.went(epoch);
    }
    if (!epoch.alone) sessions()?.close({ opened: epoch.id }, epoch.retiredMs === undefined ? 'over' : 'replaced');
    this.byId.delete(epoch.id);
    peer.epochs = peer.epochs.filter((other) => other !== epoch);
    this.settle(peer);
  }

  private fail(peer: Peer, error: ErrorTold): void {
    const { clock, failed, log } = this.options;
    peer.failures++;
    peer.retryAtMs = clock() + backOffMs(peer.failures);
    peer.lastError = lastError(error);
    failed(error);
    const say = peer.failures === 1 ? 'warning' : 'debug';
    log[say](`no channel to node ${peer.node}, its connections are secured in-band: ${error.reason}`, {
      node: peer.node,
      code: error.code,
    });
  }

  /** Nothing is left of it but what went wrong. */
  private settle(peer: Peer): void {
    if (peer.epochs.length > 0 || peer.opening !== undefined) return;
    this.busy.delete(peer);
    if (peer.lastError === null) this.peers.delete(peer.node);
  }
}
