// SPDX-License-Identifier: Apache-2.0
/**
 * The thread that has the channels' sessions: begun when `exchange = channel` is in force, and begun anew with another library, or when it has
 * ended; other credentials, groups and addresses are put into the one that runs. Without it all goes in-band, so nothing of this is waited for, and nothing of it ends the agent.
 */
import type { Logger } from '../../logging/logger.js';
import { NO_CHANNELS, type ChannelsView } from '../../report/channel.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import type { SecretHandle, TlsLibrary } from '../../shared/kernel/words.js';
import { toWire } from '../../shared/errors/errors.js';
import { pemCertificates } from '../../shared/text/pem.js';
import { backOffMs } from './back-off.js';
import type { Channels, ChannelSettings } from './channels.js';
import type { SessionNews, Sessions } from './sessions.js';
import { planKey } from './switch.js';

/** What a thread is made from. */
export interface ChannelPlan {
  library: TlsLibrary;
  credentials: HandshakeCredentials;
  groups: string[];
  ownName: string;
  /** undefined: nowhere */
  listen: { host: string; port: number } | undefined;
}

/** A thread that has come up. */
export interface ChannelThreadView {
  /**
   * Sessions by this plan, whose library is the thread's; those of an earlier one end in order, and a listener that stays where it is has no gap.
   * @throws (rejects) what is wrong with credentials or the address to listen at. Then the thread is of no use any more
   */
  begin(plan: ChannelPlan): Promise<Sessions>;
  /** the nodes that may open, and the addresses that they are expected from */
  setNodes(settings: ChannelSettings): void;
  /** Ends its sessions in order. */
  stop(): Promise<void>;
}

export interface ThreadEvents {
  /** of a session of those */
  news(news: SessionNews, from: Sessions): void;
  /** the secret of an epoch that is of an earlier plan */
  stale(secret: SecretHandle): void;
  halfOpen(counts: { now: number; turnedAway: number }): void;
  /** it has ended by itself */
  failed(error: Error): void;
}

export interface ChannelServiceOptions {
  channels: Channels;
  /** @throws (rejects) why it cannot: a library that is not there */
  start: (library: TlsLibrary, events: ThreadEvents) => Promise<ChannelThreadView>;
  /** whether the gate agrees on keys by name */
  setChannel: (on: boolean) => void;
  /** CLOCK_MONOTONIC, ms */
  clock: () => number;
  log: Logger;
}

interface Wanted {
  plan: ChannelPlan;
  key: string;
}

interface Running extends Wanted {
  thread: ChannelThreadView;
}

const TICK_MS = 1000;

export class ChannelService {
  private wanted: Wanted | undefined;
  private settings: ChannelSettings | undefined;
  private running: Running | undefined;
  private turning: Promise<void> | undefined;
  private failures = 0;
  private retryAtMs = 0;
  private stopped = false;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: ChannelServiceOptions) {}

  /** What is told of channels, and nothing where there are none. */
  readonly view: ChannelsView = {
    reports: () => this.seen().reports(),
    totals: () => this.options.channels.totals(),
  };

  /** From now on epochs are looked after. */
  begin(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** These settings are in force. Undefined: no channels. Resolves when the thread is up, or cannot come up now. Never rejects. */
  apply(plan: ChannelPlan | undefined, settings: ChannelSettings): Promise<void> {
    const key = plan && planKey(plan);
    if (key !== this.wanted?.key) {
      this.failures = 0;
      this.retryAtMs = 0;
    }
    this.wanted = plan && key !== undefined ? { plan, key } : undefined;
    this.settings = settings;
    this.safely(() => this.options.channels.change(settings));
    if (this.running !== undefined && this.running.key === key) this.running.thread.setNodes(settings);
    return this.turn();
  }

  /** To be called each second. */
  tick(): void {
    this.safely(() => this.options.channels.tick());
    if (this.wanted !== undefined && this.running === undefined) void this.turn();
  }

  /** The gate is about to go. */
  leave(): void {
    this.stopped = true;
    clearInterval(this.timer);
    if (this.running !== undefined) this.options.setChannel(false);
    this.options.channels.leave();
  }

  /** The gate stays, and is the next agent's. */
  handOver(): void {
    this.stopped = true;
    clearInterval(this.timer);
    this.safely(() => this.options.channels.retire());
  }

  /** Ends the thread and wipes what is left. */
  async close(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.turning;
    const { running } = this;
    this.running = undefined;
    if (!this.closed) this.options.channels.close();
    this.closed = true;
    await running?.thread.stop();
  }

  private seen(): Pick<ChannelsView, 'reports'> {
    return this.wanted === undefined ? NO_CHANNELS : this.options.channels;
  }

  /** One after the other, until what runs is what is wanted. */
  private turn(): Promise<void> {
    this.turning ??= this.work().finally(() => (this.turning = undefined));
    return this.turning;
  }

  private async work(): Promise<void> {
    while (!this.stopped && this.running?.key !== this.wanted?.key) {
      const { running, wanted } = this;
      if (running !== undefined && wanted?.plan.library === running.plan.library) await this.change(running, wanted);
      else if (running !== undefined) await this.end(running);
      else if (wanted === undefined || !(await this.start(wanted))) return;
    }
  }

  private async end(running: Running): Promise<void> {
    const { channels, setChannel, log } = this.options;
    const next = this.wanted?.plan;
    this.running = undefined;
    setChannel(false);
    channels.use(undefined, staysTrusted(running.plan, next));
    await this.stop(running.thread);
    if (next === undefined) log.info('there are no channels any more: connections are secured one by one');
  }

  /** By another plan, in the same thread. */
  private async change(running: Running, wanted: Wanted): Promise<void> {
    const { channels, setChannel } = this.options;
    const { thread } = running;
    channels.use(undefined, staysTrusted(running.plan, wanted.plan));
    try {
      const sessions = await thread.begin(wanted.plan);
      if (this.running !== running) return;
      this.running = { thread, ...wanted };
      channels.use(sessions, true);
      this.tellBegun(wanted.plan);
    } catch (error) {
      // Of one that was lost it has been told.
      if (this.running !== running) return;
      this.running = undefined;
      setChannel(false);
      this.failed(error);
      await this.stop(thread);
    }
  }

  private async start(wanted: Wanted): Promise<boolean> {
    const { channels, setChannel, clock } = this.options;
    if (clock() < this.retryAtMs) return false;
    let thread: ChannelThreadView | undefined;
    let lost: Error | undefined;
    try {
      const begun = await this.options.start(wanted.plan.library, {
        news: (news, from) => this.safely(() => channels.hear(news, from)),
        stale: (secret) => channels.discard(secret),
        halfOpen: (counts) => (channels.halfOpen = counts),
        failed: (error) => {
          lost = error;
          this.lost(thread, error);
        },
      });
      thread = begun;
      if (this.settings !== undefined) thread.setNodes(this.settings);
      const sessions = await thread.begin(wanted.plan);
      if (this.stopped) {
        await thread.stop();
        return false;
      }
      if (lost !== undefined) throw lost;
      this.running = { thread, ...wanted };
      this.failures = 0;
      channels.use(sessions, true);
      setChannel(true);
      this.tellBegun(wanted.plan);
      return true;
    } catch (error) {
      this.failed(error);
      if (thread !== undefined && lost === undefined) await this.stop(thread);
      return false;
    }
  }

  private async stop(thread: ChannelThreadView): Promise<void> {
    try {
      await thread.stop();
    } catch (error) {
      this.options.log.error('the thread of the channels did not end in order', { error });
    }
  }

  private tellBegun({ library, listen }: ChannelPlan): void {
    const where = listen === undefined ? '' : `, ${listen.host} port ${listen.port}`;
    this.options.log.info(`channels to other nodes are made by ${library}${where}`);
  }

  /** What the kernel does not do for an epoch is no reason to end: whatever is missing leads in-band. */
  private safely(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.options.log.error('an epoch of a channel could not be entered or taken out', { error });
    }
  }

  private lost(thread: ChannelThreadView | undefined, error: Error): void {
    if (this.stopped || thread === undefined || this.running?.thread !== thread) return;
    this.running = undefined;
    this.options.setChannel(false);
    this.options.channels.use(undefined, false);
    this.failed(error);
  }

  private failed(error: unknown): void {
    this.failures++;
    this.retryAtMs = this.options.clock() + backOffMs(this.failures);
    const { message } = toWire(error);
    this.options.log.error(`there are no channels for now, connections are secured one by one: ${message}`, { error });
  }
}

/**
 * Whom the earlier CAs let in is let in by these too, so connections under way may have their keys. This node's own certificate and key are for its
 * peers to judge, and no key of a connection comes from them.
 */
function staysTrusted(before: ChannelPlan, after: ChannelPlan | undefined): boolean {
  if (after === undefined) return true;
  const now = new Set(pemCertificates(after.credentials.caPem));
  return pemCertificates(before.credentials.caPem).every((ca) => now.has(ca));
}
