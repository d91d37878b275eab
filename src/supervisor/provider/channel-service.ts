// SPDX-License-Identifier: Apache-2.0
/**
 * The thread that has the channels' sessions: begun when `exchange = channel` is in force, begun anew when what it was made from has changed, or
 * when it has ended. Without it all goes in-band, so nothing of this is waited for, and nothing of it ends the agent.
 */
import type { Logger } from '../../logging/logger.js';
import { NO_CHANNELS, type ChannelsView } from '../../report/channel.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import type { TlsLibrary } from '../../shared/kernel/words.js';
import { toWire } from '../../shared/errors/errors.js';
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

/** A thread that has come up, and listens where it is to. */
export interface ChannelThreadView {
  readonly sessions: Sessions;
  /** the nodes that may open, and the addresses that they are expected from */
  setNodes(settings: ChannelSettings): void;
  /** Ends its sessions in order. */
  stop(): Promise<void>;
}

export interface ThreadEvents {
  news(news: SessionNews): void;
  halfOpen(counts: { now: number; turnedAway: number }): void;
  /** it has ended by itself */
  failed(error: Error): void;
}

export interface ChannelServiceOptions {
  channels: Channels;
  /** @throws (rejects) why it cannot: a library that is not there, a port that somebody else has */
  start: (plan: ChannelPlan, events: ThreadEvents) => Promise<ChannelThreadView>;
  /** whether the gate agrees on keys by name */
  setChannel: (on: boolean) => void;
  /** CLOCK_MONOTONIC, ms */
  clock: () => number;
  log: Logger;
}

interface Running {
  thread: ChannelThreadView;
  plan: ChannelPlan;
  key: string;
}

const TICK_MS = 1000;

export class ChannelService {
  private wanted: { plan: ChannelPlan; key: string } | undefined;
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
      if (this.running !== undefined) await this.end(this.running);
      else if (this.wanted === undefined || !(await this.start(this.wanted))) return;
    }
  }

  private async end(running: Running): Promise<void> {
    const { channels, setChannel, log } = this.options;
    const { plan } = running;
    const next = this.wanted?.plan;
    this.running = undefined;
    setChannel(false);
    // Whom the old credentials let in, the new ones may not.
    channels.use(undefined, next === undefined || samePeers(plan, next));
    try {
      await running.thread.stop();
    } catch (error) {
      log.error('the thread of the channels did not end in order', { error });
    }
    if (next === undefined) log.info('there are no channels any more: connections are secured one by one');
  }

  private async start({ plan, key }: { plan: ChannelPlan; key: string }): Promise<boolean> {
    const { channels, setChannel, clock, log } = this.options;
    if (clock() < this.retryAtMs) return false;
    const from: { sessions?: Sessions } = {};
    try {
      const thread = await this.options.start(plan, {
        news: (news) => {
          const { sessions } = from;
          if (sessions !== undefined) this.safely(() => channels.hear(news, sessions));
        },
        halfOpen: (counts) => (channels.halfOpen = counts),
        failed: (error) => this.lost(from.sessions, error),
      });
      from.sessions = thread.sessions;
      if (this.stopped) {
        await thread.stop();
        return false;
      }
      this.running = { thread, plan, key };
      this.failures = 0;
      if (this.settings !== undefined) thread.setNodes(this.settings);
      channels.use(thread.sessions, true);
      setChannel(true);
      const where = plan.listen === undefined ? '' : `, ${plan.listen.host} port ${plan.listen.port}`;
      log.info(`channels to other nodes are made by ${plan.library}${where}`);
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** What the kernel does not do for an epoch is no reason to end: whatever is missing leads in-band. */
  private safely(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.options.log.error('an epoch of a channel could not be entered or taken out', { error });
    }
  }

  private lost(sessions: Sessions | undefined, error: Error): void {
    if (this.stopped || sessions === undefined || this.running?.thread.sessions !== sessions) return;
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

/** By the same certificates they are the same peers. */
function samePeers(before: ChannelPlan, after: ChannelPlan): boolean {
  const { caPem, certPem, keyPem } = before.credentials;
  const { credentials } = after;
  return caPem === credentials.caPem && certPem === credentials.certPem && keyPem === credentials.keyPem;
}
