/**
 * The dispatcher: one flow's events, answers and timers in, system calls and messages out. It lives on the main thread and never blocks:
 * what may block (ending connections, closing descriptors, setting keys) is the installer's, what takes time is a provider's. Decisions
 * are the state machine's (machine.ts); this file and its parts (sockets, negotiations, retry queue, commands) carry them out.
 */
import { FLOW_STATES, type FlowState } from '../../report/flow.js';
import type { Logger } from '../../logging/logger.js';
import {
  EventKind,
  FlowClass,
  type FlowEvent,
  type OwnerRecord,
  type SecuredRecord,
  type SweepRecord,
  type Traffic,
} from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import { fromWire } from '../../shared/errors/errors.js';
import type { InstallerCommand, InstallerReport } from '../../shared/ipc/messages.js';
import type { GateFds, KernelAddon } from '../../shared/kernel/native.js';
import type { SlotTable } from '../../shared/ipc/slots.js';
import { CommandQueue } from './command-queue.js';
import { Counters } from './counters.js';
import { Deadlines } from '../../shared/async/deadlines.js';
import type { Directory } from '../settings/directory.js';
import { FlowLog, party, who } from './log.js';
import { step, type Action, type Input, type Verdict } from './machine.js';
import {
  FlowTable,
  createFlow,
  reportOf,
  stateOf,
  synMs,
  type DetailedFlowReport,
  type Flow,
  type FlowSeed,
} from './table.js';
import { gateReason } from './marker.js';
import { Negotiations } from './negotiations.js';
import { RetryQueue } from '../provider/retry-queue.js';
import type { Provider } from '../provider/provider.js';
import { isForgotten, recall, setTimes } from './unloaded.js';
import { Sockets } from './sockets.js';

/** Between two looks for a socket that was gone, in ms. */
const TAKE_PAUSE_MS = 5;
/** The provider's own deadline comes first, since it can say more; ours is for a provider that does not answer. In ms. */
const DEADLINE_GRACE_MS = 250;

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
  /** so many secured connections of an earlier agent were found */
  adopted(count: number): void;
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
  /** the kernel's list; each record is good until the next one is asked for. Throws when it cannot be read */
  sweep(): Iterable<SweepRecord>;
  log: Logger;
  /** those in force */
  limits(): DispatcherLimits;
}

export class Dispatcher {
  readonly counters = new Counters();
  readonly table: FlowTable;
  private readonly deadlines = new Deadlines<Flow>();
  private readonly retries = new RetryQueue<Flow>({
    peerOf: (flow) => `${flow.role} ${flow.peerNodes.join(' ')} ${Buffer.from(flow.tuple.remote).toString('latin1')}`,
    isWaiting: (flow) => flow.machine.phase === 'retrying',
  });
  private readonly commands: CommandQueue;
  private readonly sockets: Sockets;
  private readonly negotiations: Negotiations;
  private readonly flowLog: FlowLog;
  /** secured flows that are not in the table, by the last sweep and what came after it */
  private forgotten = 0;

  constructor(private readonly options: DispatcherOptions) {
    const { counters } = this;
    this.table = new FlowTable(
      () => options.limits().flowsKept,
      () => this.forgotten++,
    );
    this.commands = new CommandQueue((command) => options.send(command));
    this.sockets = new Sockets({ ...options, table: this.table, counters });
    this.negotiations = new Negotiations({
      provider: options.provider,
      counters,
      isUntouched: (flow) => this.sockets.isUntouched(flow),
      answer: (flow, input) => this.feed(flow, input),
    });
    this.flowLog = new FlowLog(options.log, counters);
    options.provider.onRoom(() => this.retries.room((flow) => this.feed(flow, { type: 'room' })));
  }

  /** commands that had to wait for room in the installer's ring */
  get commandsDelayed(): number {
    return this.commands.delayed;
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
        if (this.sockets.isLastClose(flow, event)) this.feed(flow, { type: 'closing' });
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
    if (flow.held?.ticket === report.ticket) this.sockets.release(flow);
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
        setTimes(flow, {
          askedNs: report.summary.askedNs,
          startedNs: report.summary.startedNs,
          negotiationNs: Math.round(report.summary.negotiationMs * 1e6),
          openedNs: report.openedNs,
        });
        flow.secured = true;
        this.counters.values.secured++;
        this.options.observer.secured(flow);
        this.feed(flow, { type: 'installed' });
        if (report.remembered && flow.machine.phase === 'secured') this.table.settle(flow);
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

  /**
   * Flows that have not ended, also those that only the kernel knows of: these are made for the occasion.
   * @throws NativeError when the kernel's list cannot be read
   */
  *live(): Generator<Flow> {
    yield* this.forgottenFlows();
    for (const flow of this.table.all()) if (flow.machine.phase !== 'done') yield flow;
  }

  /** What they have moved, as the kernel says now of secured ones that the table does not have, and as the last sweep did of the others. */
  *traffic(): Generator<Traffic | undefined> {
    for (const flow of this.table.all()) if (flow.machine.phase !== 'done') yield flow.traffic;
    for (const record of this.forgottenNow()) yield record.traffic;
  }

  /** Live flows, and those that are over and still kept. @throws as `live` */
  *reports(): Generator<DetailedFlowReport> {
    for (const flow of this.forgottenFlows()) yield reportOf(flow);
    for (const flow of this.table.all()) yield reportOf(flow);
  }

  /** The flow that only the kernel knows of; undefined: the table has it, or it is none that was secured. */
  recall(record: SweepRecord): Flow | undefined {
    const { secured } = record;
    if (secured === undefined || !isForgotten(this.table, record)) return undefined;
    return recall(record, secured, this.options.directory);
  }

  /** So many secured flows of an earlier agent were found. */
  adopted(count: number): void {
    if (count === 0) return;
    this.counters.values.adopted += count;
    this.options.observer.adopted(count);
  }

  /** The sweep has counted those that are not in the table. */
  countForgotten(count: number): void {
    this.forgotten = count;
  }

  /** Flows for which something is still to be done: neither secured nor over, nor waiting for a program to accept them. */
  pending(): Flow[] {
    return [...this.table.all()].filter((flow) => {
      const { phase } = flow.machine;
      if (phase === 'waiting') return flow.class === FlowClass.MESH && flow.dueNs > 0;
      return phase !== 'secured' && phase !== 'done';
    });
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
    counts.secured += this.forgotten;
    return counts;
  }

  /** Sends what found the installer's ring full. Called with every answer and by the sweep, so a full ring cannot stick. */
  flush(): void {
    this.commands.flush();
  }

  /** Stops all timers. Nothing may be fed afterwards. */
  close(): void {
    this.deadlines.clearAll();
    this.flowLog.flush();
    this.retries.clear();
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
      return event.secured === undefined ? this.learn(event) : this.recallEnded(event, event.secured);
    }
    return event.generation === flow.generation ? flow : undefined;
  }

  private *forgottenFlows(): Generator<Flow> {
    for (const record of this.forgottenNow()) {
      const flow = this.recall(record);
      if (flow !== undefined) yield flow;
    }
  }

  /** Each once: where sockets begin and end while the kernel goes through its list, it may come to one a second time. */
  private *forgottenNow(): Generator<SweepRecord> {
    const seen = new Set<bigint>();
    for (const record of this.options.sweep()) {
      if (!isForgotten(this.table, record) || seen.has(record.cookie)) continue;
      seen.add(record.cookie);
      yield record;
    }
  }

  /** The last event of a secured flow that had been let go. */
  private recallEnded(event: FlowEvent, how: SecuredRecord): Flow {
    this.forgotten = Math.max(0, this.forgotten - 1);
    const flow = recall(event, how, this.options.directory);
    this.table.add(flow);
    return flow;
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
    if (from === 'retrying') this.retries.delete(flow);
    if (phase === 'retrying') {
      this.retries.add(flow);
      this.counters.values.poolFull++;
    }
    const ends = phase === 'ending' || phase === 'done';
    if (ends && from !== 'ending' && verdict !== undefined) this.flowLog.ended(flow, verdict);
    if (phase === 'secured') this.flowLog.secured(flow);
    if (phase === 'secured' || phase === 'done') this.deadlines.clear(flow);
    if (phase === 'done') {
      this.options.observer.ended(flow);
      this.table.retire(flow);
    }
  }

  private act(flow: Flow, action: Action): void {
    switch (action) {
      case 'take': {
        const taken = this.sockets.take(flow);
        if (taken === 'secured') this.mistaken(flow);
        else this.feedIf(flow, taken);
        return;
      }
      case 'pause': {
        this.deadlines.set(flow, 'pause', TAKE_PAUSE_MS, () => this.feed(flow, { type: 'retry' }));
        return;
      }
      case 'negotiate': {
        this.feedIf(flow, this.negotiations.begin(flow));
        return;
      }
      case 'cancel': {
        flow.negotiation?.cancel();
        return;
      }
      case 'refuse':
        if (flow.held !== undefined) this.commands.send({ ...flow.held, type: 'refuse', tgid: flow.holder?.tgid ?? 0 });
        return;
      case 'forbid':
      case 'close':
        if (flow.held !== undefined) this.commands.send({ ...flow.held, type: action });
        return;
      case 'destroy':
        flow.ticket = this.options.slots.nextTicket();
        this.table.bindTicket(flow.ticket, flow);
        this.commands.send({
          type: 'destroy',
          ticket: flow.ticket,
          cookie: flow.cookie,
          tuple: flow.tuple,
          tgid: flow.holder?.tgid ?? flow.owner?.tgid ?? 0,
        });
        return;
      case 'continue':
        // A flow of another class is never held, so nobody stands still for it.
        if (flow.class === FlowClass.MESH) this.commands.send({ type: 'continue', cookie: flow.cookie });
        return;
    }
  }

  /** An event of a flow that was let go as secured came so late that it was taken for a new one. */
  private mistaken(flow: Flow): void {
    this.counters.values.staleEvents++;
    this.deadlines.clear(flow);
    this.table.remove(flow);
  }

  private feedIf(flow: Flow, input: Input | undefined): void {
    if (input !== undefined) this.feed(flow, input);
  }
}
