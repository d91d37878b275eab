// SPDX-License-Identifier: Apache-2.0
/** The epochs that other nodes have opened to this one: for connections that programs here accept. */
import type { Logger } from '../../logging/logger.js';
import type { ChannelReport } from '../../report/channel.js';
import { toWire } from '../../shared/errors/errors.js';
import type { CipherName, SecretHandle, TlsLibrary } from '../../shared/kernel/words.js';
import { epochPhase, mostLive, type Epoch, type EpochTimes } from './epochs.js';
import type { EpochPlaces } from './epoch-places.js';
import type { ErrorTold } from './last-error.js';
import type { EpochTerms, RejectReason, Sessions } from './sessions.js';

export interface AcceptedEpoch extends Epoch {
  readonly node: string;
  readonly library: TlsLibrary;
  readonly cipher: CipherName;
  readonly group: string;
  /** undefined: it is this node's own, or its session has ended */
  session: number | undefined;
  named: boolean;
}

export interface AcceptedOptions {
  ownName: string;
  places: EpochPlaces;
  sessions: () => Sessions | undefined;
  /** one of the mesh */
  isKnown: (node: string) => boolean;
  /** no new ones */
  leaving: () => boolean;
  /** of epochs that are opened now */
  times: () => EpochTimes;
  clock: () => number;
  failed: (error: ErrorTold) => void;
  log: Logger;
}

/** Why a proposed epoch is not taken; undefined: it is. */
export function whyRejected(
  { epoch, opener, listener }: Pick<EpochTerms, 'epoch' | 'opener' | 'listener'>,
  known: { ownName: string; isKnown: boolean; leaving: boolean; live: readonly { id: number }[]; mostLive: number },
): { why: RejectReason; text: string } | undefined {
  const { ownName, isKnown, leaving, live } = known;
  if (leaving) return { why: 'leaving', text: 'the agent is shutting down' };
  if (listener !== ownName || opener === ownName) {
    return { why: 'name', text: `this is node ${ownName}, and the epoch is ${opener}'s for ${listener}` };
  }
  if (!isKnown) return { why: 'not-wanted', text: `node ${opener} is not in the mapping of ${ownName}` };
  if (live.some(({ id }) => id === epoch)) return { why: 'epoch', text: `there is an epoch ${epoch} already` };
  if (live.length >= known.mostLive) return { why: 'too-many', text: `${live.length} epochs are live already` };
  return undefined;
}

export class AcceptedEpochs {
  private readonly byNode = new Map<string, AcceptedEpoch[]>();
  private readonly bySession = new Map<number, AcceptedEpoch>();
  private readonly renewals = new Map<string, number>();
  /** taken, and not open yet */
  private readonly promised = new Map<number, { node: string; id: number }>();
  count = 0;

  constructor(private readonly options: AcceptedOptions) {}

  /** Of the node that opened it. */
  get(node: string, id: number): AcceptedEpoch | undefined {
    return this.byNode.get(node)?.find((epoch) => epoch.id === id);
  }

  /** The nodes that have opened one with this id. For a message. */
  openersOf(id: number): string[] {
    return [...this.byNode].filter(([, epochs]) => epochs.some((epoch) => epoch.id === id)).map(([node]) => node);
  }

  proposed(session: number, terms: EpochTerms, sessions: Sessions): void {
    const { ownName, isKnown, leaving, times, log } = this.options;
    const { opener: node, epoch } = terms;
    const promised = [...this.promised.values()].filter((other) => other.node === node);
    const live = [...(this.byNode.get(node) ?? []), ...promised];
    const known = { ownName, isKnown: isKnown(node), leaving: leaving(), live, mostLive: mostLive(times()) };
    const rejected = whyRejected(terms, known);
    if (rejected === undefined) {
      this.promised.set(session, { node, id: epoch });
      sessions.accept(session);
      return;
    }
    log.info(`a channel from node ${node} was not taken: ${rejected.text}`, { node, epoch });
    sessions.reject(session, rejected.why, rejected.text);
  }

  /** False: it was not taken. */
  opened(session: number, terms: EpochTerms, secret: SecretHandle, sessions: Sessions): boolean {
    const { clock, places, log } = this.options;
    const { epoch: id, opener: node, cipher, group } = terms;
    // It may have left the mesh since it was taken.
    if (!this.promised.delete(session) || !this.options.isKnown(node)) return false;
    const openedMs = clock();
    const times = this.options.times();
    try {
      places.enter('accepted', { ...terms, untilMs: openedMs + times.takesMs }, secret);
    } catch (error) {
      const { code, message } = toWire(error);
      this.options.failed({ code, reason: message });
      log.error(`a channel from node ${node} cannot be used`, { node, epoch: id, error });
      sessions.close({ accepted: session }, 'unused');
      return true;
    }
    // The kernel names the newest alone.
    for (const earlier of this.byNode.get(node) ?? []) earlier.named = false;
    this.add({ id, node, times, openedMs, given: 0, library: sessions.library, cipher, group, session, named: true });
    log.debug(`a channel from node ${node} is open`, { node, epoch: id, cipher, group });
    return true;
  }

  /** An epoch of this node to itself. */
  addOwn(epoch: Epoch & Pick<AcceptedEpoch, 'library' | 'cipher' | 'group'>): void {
    const { ownName } = this.options;
    const { id, times, openedMs, library, cipher, group } = epoch;
    this.add({
      id,
      node: ownName,
      times,
      openedMs,
      given: 0,
      library,
      cipher,
      group,
      session: undefined,
      named: false,
    });
  }

  /** Its places are its opener's to clear. */
  removeOwn(id: number): void {
    const epoch = this.get(this.options.ownName, id);
    if (epoch !== undefined) this.remove(epoch);
  }

  ended(session: number, error: ErrorTold | undefined): void {
    this.promised.delete(session);
    const epoch = this.bySession.get(session);
    if (epoch === undefined) return;
    this.bySession.delete(session);
    epoch.session = undefined;
    if (error === undefined) {
      this.retire(epoch);
      return;
    }
    this.options.failed(error);
    this.options.log.info(`the channel from node ${epoch.node} is lost: ${error.reason}`, {
      ...{ node: epoch.node, epoch: epoch.id, code: error.code },
    });
    this.drop(epoch);
  }

  /** The settings of its sessions are not in force any more. */
  replaceAll(): void {
    this.promised.clear();
    this.bySession.clear();
    for (const epoch of this.all()) {
      epoch.session = undefined;
      if (epoch.node !== this.options.ownName) this.retire(epoch);
    }
  }

  forget(node: string): void {
    if (node === this.options.ownName) return;
    for (const epoch of [...(this.byNode.get(node) ?? [])]) this.drop(epoch);
  }

  forgetAll(): void {
    for (const node of [...this.byNode.keys()]) this.forget(node);
    this.promised.clear();
  }

  tick(): void {
    const now = this.options.clock();
    for (const epoch of this.all()) {
      if (epoch.node === this.options.ownName) continue;
      const phase = epochPhase(epoch, now);
      if (phase === 'over') this.drop(epoch);
      else if (phase === 'kept') this.unname(epoch);
    }
  }

  nodes(): string[] {
    return [...this.byNode.keys()];
  }

  reports(): ChannelReport[] {
    const now = this.options.clock();
    return this.all().map((epoch) => {
      const { id, node, library, cipher, group, openedMs, given } = epoch;
      const state = epochPhase({ ...epoch, given: 0 }, now) === 'taking' ? 'open' : 'kept';
      return {
        ...{ node, direction: 'accepted', state, epoch: id, library, cipher, group },
        ...{ ageMs: Math.round(now - openedMs), flows: given, renewals: this.renewals.get(node) ?? 0, lastError: null },
      };
    });
  }

  private all(): AcceptedEpoch[] {
    return [...this.byNode.values()].flat();
  }

  private add(epoch: AcceptedEpoch): void {
    const { node, session } = epoch;
    const others = this.byNode.get(node);
    if (others === undefined) {
      this.byNode.set(node, [epoch]);
    } else {
      others.push(epoch);
      this.renewals.set(node, (this.renewals.get(node) ?? 0) + 1);
    }
    if (session !== undefined) this.bySession.set(session, epoch);
    this.count++;
  }

  private retire(epoch: AcceptedEpoch): void {
    epoch.retiredMs ??= this.options.clock();
    this.unname(epoch);
  }

  private unname(epoch: AcceptedEpoch): void {
    if (!epoch.named) return;
    epoch.named = false;
    this.options.places.withdraw('accepted', epoch.node, epoch.id);
  }

  private drop(epoch: AcceptedEpoch): void {
    this.unname(epoch);
    this.options.places.forget('accepted', epoch.node, epoch.id);
    const { session } = epoch;
    const why = epoch.retiredMs === undefined ? 'over' : 'replaced';
    if (session !== undefined) this.options.sessions()?.close({ accepted: session }, why);
    this.remove(epoch);
  }

  private remove(epoch: AcceptedEpoch): void {
    const { node, session } = epoch;
    if (session !== undefined) this.bySession.delete(session);
    const left = (this.byNode.get(node) ?? []).filter((other) => other !== epoch);
    if (left.length > 0) {
      this.byNode.set(node, left);
      return;
    }
    this.byNode.delete(node);
    this.renewals.delete(node);
  }
}
