// SPDX-License-Identifier: Apache-2.0
/**
 * Which epochs there are, and the keys of connections that were agreed on by name (docs/CHANNEL.md). It lives on the main thread and waits for nobody:
 * sessions are another thread's (channel-service.ts), an epoch's secret is native.
 */
import type { Logger } from '../../logging/logger.js';
import { NodeEndpoints, type Endpoint } from '../../mapping/node-endpoints.js';
import type { ChannelReport, ChannelTotals, ChannelsView } from '../../report/channel.js';
import type { EpochKeys, GateFds } from '../../shared/kernel/kernel-addon.js';
import type { CipherName, SecretHandle } from '../../shared/kernel/words.js';
import { toWire } from '../../shared/errors/errors.js';
import { AcceptedEpochs } from './accepted-epochs.js';
import { epochTimes, type EpochTimes } from './epochs.js';
import { EpochPlaces, type EpochKernel } from './epoch-places.js';
import type { KeysByName, NamedFlow, NamedKeys, NoKeys } from './keys-by-name.js';
import type { ErrorTold } from './last-error.js';
import { OpenedEpochs } from './opened-epochs.js';
import type { EpochTerms, SessionName, SessionNews, Sessions } from './sessions.js';

/** What channels go by, of the settings in force. */
export interface ChannelSettings {
  /** of the mapping */
  readonly nodes: ReadonlySet<string>;
  readonly endpoints: NodeEndpoints;
  /** for connections within the node */
  readonly ownCipher: CipherName;
  /** for so long an epoch takes new flows */
  readonly epochMs: number;
}

export const NO_CHANNEL_SETTINGS: ChannelSettings = {
  nodes: new Set(),
  endpoints: NodeEndpoints.none,
  ownCipher: 'TLS_AES_128_GCM_SHA256',
  epochMs: 120_000,
};

export interface ChannelsOptions {
  ownName: string;
  kernel: EpochKernel;
  fds: Pick<GateFds, 'epochs' | 'nodeEpochs'>;
  keys: EpochKeys;
  /** the gate's number of a node */
  numberOf: (node: string) => number;
  /** CLOCK_MONOTONIC, ms */
  clock: () => number;
  log: Logger;
  /** where ids begin */
  firstId?: number;
}

export class Channels implements KeysByName, ChannelsView {
  private readonly places: EpochPlaces;
  private readonly opened: OpenedEpochs;
  private readonly accepted: AcceptedEpochs;
  private readonly failures: Record<string, number> = {};
  private sessions: Sessions | undefined;
  private settings = NO_CHANNEL_SETTINGS;
  private leaving = false;
  private numbersTaken = 0;
  /** of others' handshakes with the listener, as its thread said last */
  halfOpen = { now: 0, turnedAway: 0 };

  constructor(private readonly options: ChannelsOptions) {
    const { ownName, kernel, fds, keys, numberOf, clock, log, firstId } = options;
    const places = (this.places = new EpochPlaces(kernel, fds, keys, numberOf));
    const sessions = (): Sessions | undefined => (this.leaving ? undefined : this.sessions);
    const failed = ({ code }: ErrorTold): void => void (this.failures[code] = (this.failures[code] ?? 0) + 1);
    const times = (): EpochTimes => epochTimes(this.settings.epochMs);
    const common = { ownName, places, sessions, times, clock, failed, log };
    this.accepted = new AcceptedEpochs({
      ...common,
      isKnown: (node) => this.settings.nodes.has(node),
      leaving: () => this.leaving,
    });
    this.opened = new OpenedEpochs({
      ...common,
      endpointOf: (node) => this.endpointOf(node),
      ownCipher: () => this.settings.ownCipher,
      ownEpoch: { came: (epoch) => this.accepted.addOwn(epoch), went: ({ id }) => this.accepted.removeOwn(id) },
      ...(firstId !== undefined && { firstId }),
    });
  }

  /**
   * Other sessions make epochs from now on; undefined: none do, and connections go in-band.
   * @param trusted the ones before ended in order: their epochs stay for connections under way. Else they are forgotten
   */
  use(sessions: Sessions | undefined, trusted: boolean): void {
    this.opened.replaceAll();
    this.opened.sessionsGone();
    this.accepted.replaceAll();
    this.sessions = sessions;
    if (trusted) return;
    this.opened.forgetAll();
    this.accepted.forgetAll();
  }

  /** A node that is not in the mapping has no epochs, one that is not where it was has others. */
  change(settings: ChannelSettings): void {
    const before = this.settings;
    this.settings = settings;
    for (const node of this.opened.nodes()) {
      if (!settings.nodes.has(node)) this.opened.forget(node);
      else if (!sameEndpoint(before.endpoints.of(node), settings.endpoints.of(node))) this.opened.replace(node);
    }
    for (const node of this.accepted.nodes()) {
      const lost = before.endpoints.of(node) !== undefined && settings.endpoints.of(node) === undefined;
      if (lost || !settings.nodes.has(node)) this.accepted.forget(node);
    }
  }

  /** Nobody is to have it. */
  discard(secret: SecretHandle): void {
    this.options.kernel.discardSecret(secret);
  }

  /** What a thread has to say; `from` are the sessions that it has. */
  hear(news: SessionNews, from: Sessions): void {
    if (from !== this.sessions) {
      if (news.type === 'open') this.discard(news.secret);
      return;
    }
    switch (news.type) {
      case 'proposed':
        this.accepted.proposed(news.session, news, from);
        return;
      case 'open':
        this.open(news, from);
        return;
      case 'number-taken': {
        if (!('opened' in news.name)) return;
        this.numbersTaken++;
        this.opened.numberTaken(news.name.opened, news.number);
        return;
      }
      case 'ended':
        if ('opened' in news.name) this.opened.ended(news.name.opened, news.error);
        else this.accepted.ended(news.name.accepted, news.error);
    }
  }

  /** To be called each second. */
  tick(): void {
    this.opened.tick();
    this.accepted.tick();
  }

  need(node: string): void {
    if (this.sessions !== undefined && !this.leaving) this.opened.need(node);
  }

  derive(flow: NamedFlow): NamedKeys | NoKeys {
    try {
      return flow.role === 'active' ? this.ofActive(flow) : this.ofPassive(flow);
    } catch (error) {
      const { code, message } = toWire(error);
      return { code, reason: message };
    }
  }

  reports(): ChannelReport[] {
    return [...this.opened.reports(), ...this.accepted.reports()];
  }

  totals(): ChannelTotals {
    const { now: halfOpen, turnedAway } = this.halfOpen;
    return {
      opened: { opened: this.opened.count, accepted: this.accepted.count },
      failed: { ...this.failures },
      ...{ numbersTaken: this.numbersTaken, halfOpen, turnedAway },
    };
  }

  /** The gate is going: nothing is agreed on by name any more, and no epoch is made. Connections under way still have their keys. */
  leave(): void {
    this.leaving = true;
    this.places.gateGoes();
  }

  /**
   * The gate stays, and is the next agent's: no epoch is named or made from now on. What is being agreed on in this moment still is, since the other end may have
   * said the last word already, and has its keys.
   */
  retire(): void {
    this.leaving = true;
    this.opened.replaceAll();
    this.accepted.replaceAll();
  }

  /** Wipes all. */
  close(): void {
    this.leave();
    this.sessions = undefined;
    this.options.keys.close();
  }

  private open(news: SessionNews & { type: 'open' }, from: Sessions): void {
    const { name, secret } = news;
    if (!this.isMine(name, news, secret, from)) {
      this.discard(secret);
      from.close(name, 'changed');
    }
  }

  private isMine(name: SessionName, terms: EpochTerms, secret: SecretHandle, from: Sessions): boolean {
    const { ownName } = this.options;
    if ('opened' in name) return terms.opener === ownName && this.opened.opened(terms, secret, from);
    return terms.listener === ownName && this.accepted.opened(name.accepted, terms, secret, from);
  }

  private ofActive(flow: NamedFlow): NamedKeys | NoKeys {
    const { agreed, peerNodes } = flow;
    const epoch = this.opened.get(agreed.epoch);
    if (epoch === undefined) return gone(flow);
    if (!peerNodes.includes(epoch.node)) return stranger(flow, [epoch.node]);
    return this.make('opened', epoch, flow) ?? gone(flow);
  }

  private ofPassive(flow: NamedFlow): NamedKeys | NoKeys {
    const { agreed, peerNodes } = flow;
    const epochs = peerNodes.flatMap((node) => this.accepted.get(node, agreed.epoch) ?? []);
    const [epoch, other] = epochs;
    if (epoch === undefined) {
      const openers = this.accepted.openersOf(agreed.epoch);
      return openers.length === 0 ? gone(flow) : stranger(flow, openers);
    }
    // Its opener is known by its address alone, and an address that several have names none.
    if (other !== undefined) return stranger(flow, [epoch.node, other.node]);
    const keys = this.make('accepted', epoch, flow);
    if (keys !== undefined) {
      if ('secrets' in keys) epoch.given++;
      return keys;
    }
    return gone(flow);
  }

  /** Undefined: there is no secret any more. */
  private make(
    side: 'opened' | 'accepted',
    epoch: { node: string; library: NamedKeys['provider']; session?: number | undefined },
    { agreed, tuple, iss, irs }: NamedFlow,
  ): NamedKeys | NoKeys | undefined {
    const begun = performance.now();
    const made = this.options.keys.derive(side, epoch.node, agreed, tuple, iss, irs);
    if (made === 'unknown') return undefined;
    if (made !== 'taken') return { ...made, provider: epoch.library, tookMs: performance.now() - begun };
    const refused = (): void => {
      this.numbersTaken++;
      if (epoch.session !== undefined) this.sessions?.numberTaken(epoch.session, agreed.number);
    };
    const reason = `number ${agreed.number} of epoch ${agreed.epoch} has made keys for another connection from node ${epoch.node}`;
    return { code: 'TLSHUB_CHANNEL_NUMBER_TAKEN', reason, refused };
  }

  private endpointOf(node: string): Endpoint | undefined {
    return this.settings.nodes.has(node) ? this.settings.endpoints.of(node) : undefined;
  }
}

function gone({ agreed, peerNodes }: NamedFlow): NoKeys {
  const reason = `both ends agreed on epoch ${agreed.epoch} of the channel with node ${peerNodes.join(' or ')}, which this agent does not have any more`;
  return { code: 'TLSHUB_CHANNEL_EPOCH_GONE', reason };
}

function stranger({ agreed, peerNodes }: NamedFlow, nodes: readonly string[]): NoKeys {
  const reason = `epoch ${agreed.epoch} is of the channel with node ${nodes.join(' and ')}, and the mapping has node ${peerNodes.join(' or ')} at the address`;
  return { code: 'TLSHUB_CHANNEL_STRANGER', reason };
}

function sameEndpoint(before: Endpoint | undefined, after: Endpoint | undefined): boolean {
  return before?.address === after?.address && before?.port === after?.port;
}
