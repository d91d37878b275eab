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
    readonly round: number,
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

class SessionsThread implements ChannelThreadView {
  /** of the last `begin` */
  private current: ThreadSessions | undefined;
  private round = 0;
  private begun: (news: ChannelNews & { type: 'begun' }) => void = () => undefined;
  private readonly asking = setInterval(() => this.thread.send({ type: 'stats' }), STATS_MS);

  constructor(
    private readonly library: TlsLibrary,
    private readonly thread: ChannelThread,
    private readonly events: ThreadEvents,
    /** rejects when the thread has ended */
    private readonly lost: Promise<never>,
  ) {}

  async begin({ credentials, groups, ownName, listen }: ChannelPlan): Promise<Sessions> {
    const round = ++this.round;
    const sessions = new ThreadSessions(this.library, this.thread, round);
    const answer = new Promise<ChannelNews & { type: 'begun' }>((resolve) => (this.begun = resolve));
    this.thread.send({ type: 'begin', credentials, groups, ownName, listen });
    this.current = sessions;
    const { error } = await Promise.race([answer, this.lost]);
    if (error !== undefined) throw fromWire(error);
    return sessions;
  }

  hear(news: ChannelNews): void {
    const { current, events } = this;
    if (news.type === 'begun') this.begun(news);
    else if (news.type === 'stats') events.halfOpen({ now: news.halfOpen, turnedAway: news.turnedAway });
    else if (news.round === current?.round) tell(news, current, events);
    else if (news.type === 'open') events.stale(news.secret);
  }

  setNodes(settings: ChannelSettings): void {
    this.thread.send({ type: 'nodes', names: [...settings.nodes], addresses: addressesOf(settings) });
  }

  stop(): Promise<void> {
    clearInterval(this.asking);
    return this.thread.stop();
  }
}

/** @throws (rejects) that the library is not there */
export async function startSessions(library: TlsLibrary, events: ThreadEvents): Promise<ChannelThreadView> {
  const made: { view?: SessionsThread } = {};
  let end: (error: Error) => void = () => undefined;
  const lost = new Promise<never>((_, reject) => (end = reject));
  lost.catch(() => undefined);
  const thread = await startChannelThread({
    library,
    onNews: (news) => made.view?.hear(news),
    onFailure: (error) => {
      end(error);
      events.failed(error);
    },
  });
  made.view = new SessionsThread(library, thread, events, lost);
  return made.view;
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
  if (news !== undefined) events.news(news, sessions);
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
