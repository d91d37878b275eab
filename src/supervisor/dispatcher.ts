/**
 * The dispatcher: one flow's events, answers and timers in, system calls and messages out. It lives on the main thread and never blocks:
 * what may block (ending connections, closing descriptors, setting keys) is the installer's, what takes time is a provider's. Decisions
 * are the state machine's (flow-machine.ts); this file carries them out.
 *
 * takeSocket is made here and not on a thread: it is a handful of short system calls, and a message to and fro would cost more than they do.
 */
import { FLOW_STATES, type FlowState } from '../control/index.js';
import { createThrottle, type LogFields, type Logger, type Throttle } from '../logging/index.js';
import { EventKind, FlowClass, type FlowEvent, type OwnerRecord, type Traffic, type Tuple } from '../shared/abi.js';
import { monotonicNs } from '../shared/clock.js';
import { fromWire, toWire } from '../shared/errors.js';
import type { Held, InstallerCommand, InstallerReport } from '../shared/messages.js';
import type { GateFds, KernelAddon, Role, TakenSocket } from '../shared/native.js';
import type { SlotTable } from '../shared/slots.js';
import { Counters } from './counters.js';
import { Deadlines } from './deadlines.js';
import { INITIAL, step, type Action, type Input, type Verdict } from './flow-machine.js';
import {
  FlowTable,
  createFlow,
  reportOf,
  stateOf,
  synMs,
  tupleText,
  type DetailedFlowReport,
  type Flow,
  type FlowSeed,
} from './flow-table.js';
import { gateReason, missingMarker } from './marker.js';
import type { Negotiation, NegotiationOutcome, Provider } from './provider.js';

/** Between two looks for a socket that was gone, in ms. */
const TAKE_PAUSE_MS = 5;
/** The provider's own deadline comes first, since it can say more; ours is for a provider that does not answer. In ms. */
const DEADLINE_GRACE_MS = 250;
/** Lines in a second about refused flows, of each code; a silent peer's flows end by the hundred, and a log is work for this thread. */
const REFUSALS_LOGGED = { intervalMs: 1000, burst: 20 };

export interface PeerNodes {
  /** that the peer may be; none: it has no right to a connection */
  nodes: readonly string[];
  /** the words for it */
  reason: string;
}

/** What the mapping says about a flow. */
export interface Directory {
  /** @param sinceNs when the flow began, CLOCK_MONOTONIC nanoseconds; 0: only just */
  peerNodes(tuple: Tuple, role: Role, sinceNs: number): PeerNodes;
  /** the pod at the peer's address */
  pod(tuple: Tuple): string | null;
}

export interface DispatcherLimits {
  readonly handshakeTimeoutMs: number;
  /** flows that are over and still shown */
  readonly flowsKept: number;
}

/** Told what becomes of flows: for metrics. */
export interface FlowObserver {
  /** the gate is open */
  secured(flow: Flow): void;
  /** policy lets it go in plaintext */
  plaintext(flow: Flow): void;
  /** it was closed or refused. Called once, if at all */
  ended(flow: Flow): void;
  /** what a flow that may have ended has moved */
  traffic(flow: Pick<Flow, 'cookie' | 'generation'>, traffic: Traffic): void;
}

export interface DispatcherOptions {
  kernel: Pick<KernelAddon, 'takeSocket' | 'readFlow' | 'claim' | 'hasSocket'>;
  fds: GateFds;
  slots: SlotTable;
  provider: Provider;
  directory: Directory;
  /** to the installer; false: no room now */
  send(command: InstallerCommand): boolean;
  observer: FlowObserver;
  log: Logger;
  /** those in force */
  limits(): DispatcherLimits;
}

export class Dispatcher {
  readonly counters = new Counters();
  readonly table: FlowTable;
  private readonly deadlines = new Deadlines<Flow>();
  /** flows that wait for room in the pool, oldest first */
  private parked = new Set<Flow>();
  private readonly refusals: Throttle;
  /** commands that found the installer's ring full; sent before any other */
  private readonly backlog: InstallerCommand[] = [];
  /** commands that had to wait for room in the installer's ring */
  commandsDelayed = 0;

  constructor(private readonly options: DispatcherOptions) {
    this.table = new FlowTable(() => options.limits().flowsKept);
    this.refusals = createThrottle(options.log, REFUSALS_LOGGED);
    options.provider.onRoom(() => this.room());
  }

  /** One event of the gate. */
  onEvent(event: FlowEvent): void {
    this.counters.event(event.kind);
    if (event.kind === EventKind.RELEASED) {
      this.released(event);
      return;
    }
    const flow = this.flowOf(event);
    if (flow === undefined) {
      this.counters.values.staleEvents++;
      return;
    }
    if (flow.establishedNs === 0) {
      flow.createdNs = event.createdNs;
      flow.establishedNs = event.establishedNs;
      flow.synMs = synMs(event);
      flow.iss = event.iss;
      flow.irs = event.irs;
      flow.peerWants = event.peerWants;
    }
    switch (event.kind) {
      case EventKind.ESTABLISHED:
      case EventKind.ACCEPTED: {
        const owner = event.owner ?? flow.holder;
        if (owner !== undefined) this.ownerKnown(flow, owner);
        break;
      }
      case EventKind.HELD:
        // A call can come while the SYN is on its way: then there is nothing yet that keys could be set on.
        if (event.owner !== undefined && flow.establishedNs === 0) flow.holder = event.owner;
        else if (event.owner !== undefined) this.ownerKnown(flow, event.owner);
        if (event.blocking && event.waitMs > 0) this.limitSilence(flow, event.waitMs);
        break;
      case EventKind.CLOSING:
        if (isLastClose(flow, event) || this.wasLastClose(flow, event)) this.feed(flow, { type: 'closing' });
        break;
      case EventKind.REFUSED:
        this.feed(flow, {
          type: 'gate-refused',
          reason: gateReason(event.reason, flow, this.options.provider.name),
        });
        break;
      case EventKind.CLOSED:
        flow.closedNs = event.timeNs;
        this.learnTraffic(flow, event.traffic);
        this.feed(flow, { type: 'closed' });
        break;
    }
  }

  /** An answer of the installer. */
  onReport(report: InstallerReport): void {
    this.flush();
    const flow = this.table.takeTicket(report.ticket);
    if (flow === undefined) {
      this.counters.values.unknownTickets++;
      return;
    }
    if (flow.held?.ticket === report.ticket) {
      this.options.slots.release(flow.held.slot);
      flow.held = undefined;
    }
    if ('error' in report && report.type !== 'install-failed') {
      this.options.log.error(`could not end the connection of ${party(flow)} cleanly`, {
        ...who(flow),
        error: fromWire(report.error),
        step: report.type,
      });
    }
    switch (report.type) {
      case 'installed':
        flow.cipher = report.kernelCipher;
        flow.tlsVersion = report.kernelVersion;
        flow.kernelUlp = report.kernelUlp;
        flow.peerNode = report.summary.peerName;
        flow.negotiationMs = report.summary.negotiationMs;
        flow.installMs = report.installMs;
        flow.secured = true;
        this.counters.values.secured++;
        flow.openedNs = report.openedNs;
        flow.queueMs = (report.summary.startedNs - flow.askedNs) / 1e6;
        if (flow.establishedNs > 0) {
          flow.dispatchMs = (flow.askedNs - flow.establishedNs) / 1e6;
          flow.holdMs = (report.openedNs - flow.establishedNs) / 1e6;
        }
        this.options.observer.secured(flow);
        this.feed(flow, { type: 'installed' });
        break;
      case 'install-failed':
        flow.negotiationMs = report.summary.negotiationMs;
        flow.peerNode = report.summary.peerName;
        this.feed(flow, { type: 'install-failed', code: report.error.code, reason: report.error.message });
        break;
      default:
        this.feed(flow, { type: 'ended' });
    }
  }

  /** Takes in what events did not say. Used by the sweep. */
  learn(seed: FlowSeed): Flow {
    const flow = createFlow(seed, monotonicNs());
    const { directory } = this.options;
    const { nodes, reason } = directory.peerNodes(flow.tuple, flow.role, flow.establishedNs);
    flow.peerReason = reason;
    if (flow.class === FlowClass.MESH) flow.peerNodes = nodes;
    flow.pod = directory.pod(flow.tuple);
    this.table.add(flow);
    if (flow.class === FlowClass.PLAINTEXT) {
      this.counters.values.plaintext++;
      this.options.observer.plaintext(flow);
    }
    return flow;
  }

  /** Takes over what the kernel counted. Final counts stay. */
  learnTraffic(flow: Flow, traffic: Traffic | undefined): void {
    if (traffic === undefined || flow.traffic?.final === true) return;
    flow.traffic = traffic;
    this.options.observer.traffic(flow, traffic);
  }

  /** Somebody has the socket: go and take it. Does nothing for flows that are under way or over. */
  ownerKnown(flow: Flow, owner: OwnerRecord): void {
    flow.owner ??= owner;
    flow.holder = owner;
    if (flow.class !== FlowClass.MESH) return;
    const timeout = this.options.limits().handshakeTimeoutMs;
    if (flow.dueNs === 0 && this.table.isLive(flow)) {
      flow.dueNs = monotonicNs() + timeout * 1e6;
      this.deadlines.set(flow, 'due', timeout + DEADLINE_GRACE_MS, () =>
        this.feed(flow, { type: 'deadline', reason: `not secured within ${timeout} ms` }),
      );
    }
    this.feed(flow, { type: 'owner' });
  }

  /** Gives the machine an input and does what it says. */
  feed(flow: Flow, input: Input): void {
    const before = flow.machine;
    const { next, actions } = step(before, input);
    flow.machine = next;
    if (next.phase !== before.phase) this.entered(flow, before.phase);
    for (const action of actions) this.act(flow, action);
  }

  reports(): DetailedFlowReport[] {
    return [...this.table.all()].map(reportOf);
  }

  /** Flows for which something is still to be done: neither secured nor over, nor waiting for a program to accept them. */
  pending(): Flow[] {
    return [...this.table.all()].filter((flow) => {
      const { phase } = flow.machine;
      if (phase === 'waiting') return flow.class === FlowClass.MESH && flow.dueNs > 0;
      return phase !== 'secured' && phase !== 'done';
    });
  }

  /** Flows that have not ended. */
  live(): Flow[] {
    return [...this.table.all()].filter((flow) => flow.machine.phase !== 'done');
  }

  /** Ends every flow of the mesh that is neither secured nor about to be. Returns how many it gave up now. */
  giveUpAll(verdict: Verdict): number {
    let count = 0;
    for (const flow of [...this.table.all()]) {
      const { phase, verdict: earlier } = flow.machine;
      if (flow.class !== FlowClass.MESH || phase === 'secured' || phase === 'done' || phase === 'installing') continue;
      if (earlier !== undefined) continue;
      count++;
      this.feed(flow, { type: 'give-up', verdict });
    }
    return count;
  }

  /** Ends every flow that `judge` has a word against. Returns how many. */
  revoke(judge: (flow: Flow) => string | undefined): number {
    let count = 0;
    for (const flow of [...this.table.all()]) {
      const { phase } = flow.machine;
      if (!this.table.isLive(flow) || phase === 'ending' || phase === 'done') continue;
      const reason = judge(flow);
      if (reason === undefined) continue;
      count++;
      const open = flow.class === FlowClass.PLAINTEXT || flow.secured;
      this.feed(flow, { type: 'revoke', code: 'TLSHUB_REVOKED', reason, open });
    }
    return count;
  }

  /** Flows by state, live ones and those still kept. */
  byState(): Record<FlowState, number> {
    const counts = Object.fromEntries(FLOW_STATES.map((state) => [state, 0])) as Record<FlowState, number>;
    for (const flow of this.table.all()) counts[stateOf(flow)]++;
    return counts;
  }

  /** Sends what found the installer's ring full. Called with every answer and by the sweep, so a full ring cannot stick. */
  flush(): void {
    while (this.backlog.length > 0) {
      const command = this.backlog[0];
      if (command === undefined || !this.options.send(command)) return;
      this.backlog.shift();
    }
  }

  /** Stops all timers. Nothing may be fed afterwards. */
  close(): void {
    this.deadlines.clearAll();
    this.refusals.flush();
    this.parked.clear();
  }

  /** The last bytes of a connection that was over before; it may have left the table. */
  private released(event: FlowEvent): void {
    const flow = this.table.get(event.cookie);
    if (flow?.generation === event.generation) this.learnTraffic(flow, event.traffic);
    else if (event.traffic !== undefined) this.options.observer.traffic(event, event.traffic);
  }

  private flowOf(event: FlowEvent): Flow | undefined {
    const flow = this.table.get(event.cookie);
    if (flow === undefined || event.generation > flow.generation) {
      if (flow !== undefined) this.supersede(flow);
      return this.learn(event);
    }
    return event.generation === flow.generation ? flow : undefined;
  }

  /** The socket was disconnected and connected again: what was, is over, and refusing it would hit the new connection. */
  supersede(flow: Flow): void {
    const reason = 'the program connected the socket again';
    const verdict: Verdict = { state: 'closed', code: '', reason, final: true, leave: true };
    this.feed(flow, flow.machine.phase === 'secured' ? { type: 'closed' } : { type: 'give-up', verdict });
    this.table.retire(flow);
  }

  /** A stopped program whose peer has said nothing: when its time is up, let it ask the gate again, which then decides. */
  private limitSilence(flow: Flow, waitMs: number): void {
    this.deadlines.set(flow, 'silence', waitMs, () => this.act(flow, 'continue'));
  }

  private entered(flow: Flow, from: string): void {
    const { phase, verdict } = flow.machine;
    if (from === 'parked') this.parked.delete(flow);
    if (phase === 'parked') {
      this.parked.add(flow);
      this.counters.values.poolFull++;
    }
    const ends = phase === 'ending' || phase === 'done';
    if (ends && from !== 'ending' && verdict !== undefined) this.announceEnd(flow, verdict);
    if (phase === 'secured') {
      this.options.log.debug(`secured ${party(flow)}`, { ...who(flow), cipher: flow.cipher, holdMs: flow.holdMs });
    }
    if (phase === 'secured' || phase === 'done') this.deadlines.clear(flow);
    if (phase === 'done') {
      this.options.observer.ended(flow);
      this.table.retire(flow);
    }
  }

  private announceEnd(flow: Flow, verdict: Verdict): void {
    if (verdict.state === 'refused') {
      this.counters.values.refused++;
      this.counters.failure(verdict.code);
      const fields = { ...who(flow), code: verdict.code };
      this.refusals.log('warning', verdict.code, `refused ${party(flow)}: ${verdict.reason}`, fields);
    } else if (verdict.revoked === true) {
      this.counters.failure(verdict.code);
      const fields = { ...who(flow), code: verdict.code };
      this.refusals.log('warning', verdict.code, `closed ${party(flow)}: ${verdict.reason}`, fields);
    } else if (!flow.secured) {
      if (flow.class === FlowClass.MESH) this.counters.values.closedUnsecured++;
      this.options.log.debug(`closed ${party(flow)}: ${verdict.reason}`, who(flow));
    }
  }

  private act(flow: Flow, action: Action): void {
    switch (action) {
      case 'take': {
        this.take(flow);
        return;
      }
      case 'pause': {
        this.deadlines.set(flow, 'pause', TAKE_PAUSE_MS, () => this.feed(flow, { type: 'retry' }));
        return;
      }
      case 'negotiate': {
        this.negotiate(flow);
        return;
      }
      case 'cancel': {
        this.cancel(flow);
        return;
      }
      case 'refuse':
        if (flow.held !== undefined) this.send({ ...flow.held, type: 'refuse', tgid: flow.holder?.tgid ?? 0 });
        return;
      case 'forbid':
      case 'close':
        if (flow.held !== undefined) this.send({ ...flow.held, type: action });
        return;
      case 'destroy':
        flow.ticket = this.options.slots.nextTicket();
        this.table.bindTicket(flow.ticket, flow);
        {
          this.send({
            type: 'destroy',
            ticket: flow.ticket,
            cookie: flow.cookie,
            tuple: flow.tuple,
            tgid: flow.holder?.tgid ?? flow.owner?.tgid ?? 0,
          });
          return;
        }
      case 'continue':
        // A flow of another class is never held, so nobody stands still for it.
        if (flow.class === FlowClass.MESH) this.send({ type: 'continue', cookie: flow.cookie });
        return;
    }
  }

  private send(command: InstallerCommand): void {
    if (this.backlog.length === 0 && this.options.send(command)) return;
    this.commandsDelayed++;
    this.backlog.push(command);
  }

  private take(flow: Flow): void {
    const { holder } = flow;
    if (holder === undefined) return;
    if (flow.predecessor?.held !== undefined) {
      this.feed(flow, { type: 'take-busy' });
      return;
    }
    flow.predecessor = undefined;
    const place = this.options.slots.acquire();
    if (place === undefined) {
      this.feed(flow, {
        type: 'take-failed',
        code: 'TLSHUB_TOO_MANY_HELD',
        reason: 'too many connections are held at once',
      });
      return;
    }
    this.counters.values.takes++;
    let taken: TakenSocket;
    flow.takeBegunNs = monotonicNs();
    try {
      taken = this.options.kernel.takeSocket(this.options.fds, { ...holder, cookie: flow.cookie });
    } catch (error) {
      this.options.slots.release(place.slot);
      this.feed(flow, this.takeFailure(error));
      return;
    }
    flow.held = { ...place, fd: taken.fd, cookie: flow.cookie, generation: flow.generation } satisfies Held;
    flow.takenNs = monotonicNs();
    this.table.bindTicket(place.ticket, flow);
    this.feed(flow, { type: 'taken', live: taken.live && this.claim(flow, taken.fd) });
  }

  /** Closed while we were taking it: whether our descriptor was counted cannot be told, but whether anybody has another one can. */
  private wasLastClose(flow: Flow, { refs, timeNs }: FlowEvent): boolean {
    const { held, holder } = flow;
    if (held === undefined || holder === undefined) return false;
    if (refs !== 2 || timeNs < flow.takeBegunNs || timeNs >= flow.takenNs) return false;
    return !this.options.kernel.hasSocket({ ...holder, cookie: flow.cookie });
  }

  private claim(flow: Flow, fd: number): boolean {
    try {
      return this.options.kernel.claim(this.options.fds, fd, flow.cookie, flow.generation);
    } catch (error) {
      this.options.log.error(`could not begin with the connection of ${party(flow)}`, { ...who(flow), error });
      return false;
    }
  }

  private takeFailure(thrown: unknown): Input {
    const { code, message } = toWire(thrown);
    if (code === 'TLSHUB_SOCKET_GONE') {
      this.counters.values.takesGone++;
      return { type: 'take-gone' };
    }
    return { type: 'take-failed', code, reason: message };
  }

  private negotiate(flow: Flow): void {
    const { provider } = this.options;
    const nodes = flow.peerNodes;
    if (nodes.length === 0) {
      this.feed(flow, {
        type: 'negotiation-failed',
        code: 'TLSHUB_PEER_UNKNOWN',
        reason: flow.peerReason,
        untouched: false,
        silent: false,
      });
      return;
    }
    if (flow.spoilt) {
      const reason = 'an earlier agent died in the middle of its handshake';
      this.feed(flow, { type: 'negotiation-failed', code: 'TLSHUB_SPOILT', reason, untouched: false, silent: false });
      return;
    }
    if (flow.machine.attempts > 1) this.counters.values.retries++;
    if (flow.askedNs === 0) flow.askedNs = monotonicNs();
    const negotiation = provider.negotiate({
      names: { role: flow.role, tuple: flow.tuple, iss: flow.iss, irs: flow.irs, peerNames: [...nodes] },
      socket: flow.held,
      timeoutMs: Math.max(1, Math.round((flow.dueNs - monotonicNs()) / 1e6)),
    });
    if (negotiation === undefined) {
      this.feed(flow, { type: 'pool-full' });
      return;
    }
    flow.provider = provider.name;
    flow.negotiation = negotiation;
    void negotiation.outcome.then((outcome) => this.settled(flow, negotiation, outcome));
  }

  private cancel(flow: Flow): void {
    flow.negotiation?.cancel();
  }

  private settled(flow: Flow, negotiation: Negotiation, outcome: NegotiationOutcome): void {
    if (flow.negotiation === negotiation) flow.negotiation = undefined;
    if (outcome.ok) {
      this.feed(flow, { type: 'negotiated' });
      return;
    }
    const { code, reason } = outcome;
    if ('lost' in outcome) {
      const untouched = this.untouched(flow);
      this.feed(flow, { type: 'negotiation-failed', code, reason, untouched, silent: false });
      return;
    }
    flow.negotiationMs = outcome.negotiationMs;
    const gone = code === 'TLSHUB_PEER_CLOSED' || code === 'TLSHUB_PEER_RESET';
    const silent = flow.role === 'passive' && gone && outcome.bytesReceived === 0;
    const hint = outcome.bytesReceived === 0 ? missingMarker(flow) : '';
    this.feed(flow, { type: 'negotiation-failed', code, reason: reason + hint, untouched: false, silent });
  }

  /**
   * True if a dead worker can have left no trace on the connection. An active side that has not written has not read either, since the
   * peer waits for its ClientHello; of a passive side nobody can say.
   */
  private untouched(flow: Flow): boolean {
    if (flow.role !== 'active' || flow.held === undefined) return false;
    try {
      return this.options.kernel.readFlow(this.options.fds.flows, flow.held.fd).agentTx === 0;
    } catch {
      return false;
    }
  }

  /** Those that are turned away again keep their turn, and stand for all others of their peer's: the provider gives shares, not one queue. */
  private room(): void {
    const parked = [...this.parked];
    const turnedAway = new Set<string>();
    for (const flow of parked) {
      const peer = `${flow.role} ${flow.peerNodes.join(' ')} ${Buffer.from(flow.tuple.remote).toString('latin1')}`;
      if (turnedAway.has(peer)) continue;
      this.feed(flow, { type: 'room' });
      if (flow.machine.phase === 'parked') turnedAway.add(peer);
    }
    this.parked = new Set(parked.filter((flow) => flow.machine.phase === 'parked'));
  }
}

/**
 * True if nobody has the file any more but the closing descriptor and our dup. The dup counts only if it was there already: a server that
 * forks closes its own descriptor right after, when the child has the other one, and the news of it may come after we have taken that.
 * References 0: the kernel could not say.
 */
function isLastClose(flow: Flow, { refs, timeNs }: FlowEvent): boolean {
  const ours = flow.held !== undefined && timeNs >= flow.takenNs ? 1 : 0;
  return refs <= 1 + ours;
}

/** Who is on this side and who on the other, in words. */
function party(flow: Flow): string {
  const program = flow.owner === undefined ? 'a connection' : `${flow.owner.comm}[${flow.owner.tgid}]`;
  const node = flow.peerNode ?? flow.peerNodes.join(' or ');
  const peer = node === '' ? 'an unknown node' : `node ${node}`;
  return `${program} ${flow.role === 'active' ? 'to' : 'from'} ${peer}`;
}

/** The same as fields of a log line. */
function who(flow: Flow): LogFields {
  return {
    flow: tupleText(flow),
    role: flow.role,
    cookie: flow.cookie,
    pid: flow.owner?.tgid,
    comm: flow.owner?.comm,
    peerNodes: flow.peerNodes,
  };
}

/** A machine for a flow that was secured before we came. */
export const ADOPTED_SECURED = { ...INITIAL, phase: 'secured' } as const;
