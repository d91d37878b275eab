// SPDX-License-Identifier: Apache-2.0
/** The sessions of the channel thread: what it tells, in the words of those who decide, and the other way round. */
import { fromWire } from '../../shared/errors/errors.js';
import type { ChannelNews } from '../../shared/ipc/messages.js';
import type { ChannelEvent } from '../../shared/kernel/channel-addon.js';
import type { TlsLibrary } from '../../shared/kernel/words.js';
import { parseAddress } from '../../shared/net/address.js';
import type { ChannelPlan, ChannelThreadView, ThreadEvents } from './channel-service.js';
import { startChannelThread, type ChannelThread } from './channel-thread.js';
import type { ChannelSettings } from './channels.js';
import type { EpochTerms, SessionName, SessionNews, Sessions } from './sessions.js';

/** How often the thread is asked for its counts. */
const STATS_MS = 5000;

class ThreadSessions implements Sessions {
  /** of sessions that this node opened, as far as the thread has told */
  private readonly ids = new Map<number, number>();

  constructor(
    readonly library: TlsLibrary,
    private readonly thread: ChannelThread,
  ) {}

  open(target: Parameters<Sessions['open']>[0]): void {
    this.thread.send({ type: 'open', ...target });
  }

  accept(id: number): void {
    this.thread.send({ type: 'accept', id });
  }

  reject(id: number, ...[why, text]: [Parameters<Sessions['reject']>[1], string]): void {
    this.thread.send({ type: 'reject', id, why, text });
  }

  numberTaken(id: number, number: number): void {
    this.thread.send({ type: 'number-taken', id, number });
  }

  /** Of one whose number is not known yet nothing is said: it is closed when it is open. */
  close(name: SessionName, why: Parameters<Sessions['close']>[1]): void {
    const id = 'accepted' in name ? name.accepted : this.ids.get(name.opened);
    if (id !== undefined) this.thread.send({ type: 'close', id, why });
  }

  /** Whose event it is. */
  nameOf({ type, side, id, epoch }: ChannelEvent): SessionName {
    if (side === 'accepted') return { accepted: id };
    if (type === 'ended') this.ids.delete(epoch);
    else this.ids.set(epoch, id);
    return { opened: epoch };
  }
}

/** @throws (rejects) what is wrong with credentials or the address to listen at, or that the library is not there */
export async function startSessions(plan: ChannelPlan, events: ThreadEvents): Promise<ChannelThreadView> {
  let begun: (news: ChannelNews & { type: 'begun' }) => void = () => undefined;
  const first = new Promise<ChannelNews & { type: 'begun' }>((resolve) => (begun = resolve));
  const holder: { sessions?: ThreadSessions } = {};
  let failedEarly: (error: Error) => void = () => undefined;
  const early = new Promise<never>((_, reject) => (failedEarly = reject));
  early.catch(() => undefined);
  const { library, credentials, groups, ownName, listen } = plan;
  const thread = await startChannelThread({
    library,
    onNews: (news) => {
      if (news.type === 'begun') begun(news);
      else if (news.type === 'stats') events.halfOpen({ now: news.halfOpen, turnedAway: news.turnedAway });
      else if (holder.sessions !== undefined) tell(news, holder.sessions, events);
    },
    onFailure: (error) => {
      failedEarly(error);
      events.failed(error);
    },
  });
  const sessions = new ThreadSessions(library, thread);
  holder.sessions = sessions;
  thread.send({ type: 'begin', credentials, groups, ownName, listen });
  const { error } = await Promise.race([first, early]);
  if (error !== undefined) {
    await thread.stop();
    throw fromWire(error);
  }
  const asking = setInterval(() => thread.send({ type: 'stats' }), STATS_MS);
  return {
    sessions,
    setNodes: (settings) =>
      thread.send({ type: 'nodes', names: [...settings.nodes], addresses: addressesOf(settings) }),
    stop: async () => {
      clearInterval(asking);
      await thread.stop();
    },
  };
}

function addressesOf({ endpoints }: ChannelSettings): Uint8Array[] {
  const addresses = new Set<string>();
  for (const node of endpoints.nodes()) {
    const endpoint = endpoints.of(node);
    if (endpoint !== undefined) addresses.add(endpoint.address);
  }
  return [...addresses].map((address) => parseAddress(address));
}

function tell(event: ChannelEvent, sessions: ThreadSessions, events: ThreadEvents): void {
  const news = newsOf(event, sessions.nameOf(event));
  if (news !== undefined) events.news(news);
}

function newsOf(event: ChannelEvent, name: SessionName): SessionNews | undefined {
  const { epoch, opener, listener, cipher, group } = event;
  if (event.type === 'number-taken') return { type: 'number-taken', name, number: event.number };
  if (event.type === 'ended') {
    const { code, reason } = event;
    return { type: 'ended', name, error: code === '' ? undefined : { code, reason } };
  }
  // It is over already: `ended` says how.
  if (event.type === 'closing') return { type: 'ended', name, error: undefined };
  // Proposed or open: it has a cipher.
  if (cipher === '') return undefined;
  const terms: EpochTerms = { epoch, opener, listener, cipher, group };
  if (event.type === 'open') return { type: 'open', name, secret: event.secret, ...terms };
  return 'accepted' in name ? { type: 'proposed', session: name.accepted, ...terms } : undefined;
}
