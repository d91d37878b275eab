// SPDX-License-Identifier: Apache-2.0
/**
 * The dispatcher: one flow's events, answers and timers in, tasks and messages out. It lives on the main thread and never blocks: what may
 * block (every system call on a program's socket) is a helper process's, what takes time is a provider's. Decisions
 * are the state machine's (machine.ts); this file and its parts (sockets, names, negotiations, retry queue, commands) carry them out.
 */
import type { Logger } from '../../logging/logger.js';
import { FLOW_STATES, type FlowState } from '../../report/flow.js';
import { installedReport } from '../../shared/ipc/installation.js';
import type { InstallerCommand, InstallerReport } from '../../shared/ipc/messages.js';
import type { SlotTable } from '../../shared/ipc/slots.js';
import { EventKind, FlowClass, type FlowEvent, type OwnerRecord, type Traffic } from '../../shared/kernel/abi.js';
import type { Helpers } from '../../shared/kernel/helpers-addon.js';
import type { GateFds, KernelAddon } from '../../shared/kernel/kernel-addon.js';
import type { KeysByName } from '../provider/keys-by-name.js';
import type { Provider } from '../provider/provider.js';
import { RetryQueue } from '../provider/retry-queue.js';
import type { Directory } from '../settings/directory.js';
import { Accounts } from './accounts.js';
import { Arrivals } from './arrivals.js';
import { CommandQueue } from './command-queue.js';
import { commandOf } from './commands.js';
import { Counters } from './counters.js';
import { whyRefused } from './gate-refusal.js';
import { newsOfEvent, newsOfReport, openingOf } from './inputs.js';
import { Endings } from './endings.js';
import { OpenRecords } from './open-records.js';
import { Turns } from './turns.js';
import { exchangeOf } from './exchange.js';
import { FlowLog } from './log.js';
import { HELPER_LOST, step, type Action, type Input, type Verdict } from './machine.js';
import { Names } from './names.js';
import { Negotiations } from './negotiations.js';
import type { FlowObserver } from './observer.js';
import { Sockets, type TakeOutcome } from './sockets.js';
import { FlowTable, stateOf, type Flow, type FlowSeed } from './table.js';
import { FlowTimers, type Limits } from './timers.js';
import { UnloadedFlows } from './unloaded.js';

export interface DispatcherOptions {
  kernel: Pick<KernelAddon, 'readFlow' | 'dueRecords' | 'discardSecret'>;
  helpers: Pick<Helpers, 'take' | 'secure' | 'has' | 'pushOut' | 'pushRecord'>;
  fds: GateFds;
  slots: SlotTable;
  provider: Provider;
  keysByName: KeysByName;
  directory: Directory;
  /** to the installer; false: no room now */
  send(command: InstallerCommand): boolean;
  observer: FlowObserver;
  log: Logger;
  /** those in force; flowsKept: flows that are over and still shown */
  limits(): Limits & { readonly flowsKept: number };
}

export class Dispatcher {
  readonly counters = new Counters();
  readonly table: FlowTable;
  readonly unloaded: UnloadedFlows;
  readonly arrivals: Arrivals;
  private readonly timers = new FlowTimers();
  private readonly retries = new RetryQueue<Flow>({
    peerOf: (flow) => `${flow.role} ${flow.peerNodes.join(' ')} ${Buffer.from(flow.tuple.remote).toString('latin1')}`,
    isWaiting: (flow) => flow.machine.phase === 'retrying',
  });
  private readonly commands: CommandQueue;
  private readonly sockets: Sockets;
  private readonly names: Names;
  private readonly negotiations: Negotiations;
  private readonly endings: Endings;
  readonly openRecords: OpenRecords;
  private readonly flowLog: FlowLog;
  private begins: 'all' | 'agreed' | 'none' = 'all';

  constructor(private readonly options: DispatcherOptions) {
    const { counters } = this;
    this.unloaded = new UnloadedFlows(options.directory);
    this.table = new FlowTable(() => options.limits().flowsKept, this.unloaded);
    const { table, unloaded } = this;
    this.arrivals = new Arrivals({ ...options, table, unloaded, counters, supersede: (flow) => this.supersede(flow) });
    this.commands = new CommandQueue((command) => options.send(command));
    const accounts = new Accounts();
    this.sockets = new Sockets({ ...options, accounts, table, counters });
    const turns = new Turns();
    this.endings = new Endings({ ...options, accounts, turns, counters });
    this.openRecords = new OpenRecords({ ...options, accounts, turns, counters });
    this.names = new Names(options);
    this.negotiations = new Negotiations({
      provider: options.provider,
      counters,
      limits: () => options.limits(),
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
    if (event.kind === EventKind.ENDING) {
      this.endings.flush(event);
      return;
    }
    if (event.kind === EventKind.OPEN_RECORD) {
      this.openRecords.told(event);
      return;
    }
    if (event.kind === EventKind.SOCKET_REFUSED) {
      this.flowLog.socketRefused(event);
      return;
    }
    const flow = this.arrivals.flowOf(event);
    if (flow === undefined) {
      this.counters.values.staleEvents++;
      return;
    }
    const { facts, owner, silenceMs, input } = newsOfEvent(flow, event, this.options.provider.name);
    Object.assign(flow, facts);
    this.names.established(flow);
    this.learnTraffic(flow, event.traffic);
    if (owner !== undefined) this.ownerKnown(flow, owner);
    // When its time is up, let the program ask the gate again, which then decides.
    if (silenceMs !== undefined) this.timers.silence(flow, silenceMs, () => this.act(flow, 'continue'));
    if (input?.type === 'closing' && !this.sockets.isLastClose(flow, event, () => this.feed(flow, input))) return;
    this.feedIf(flow, input);
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
    this.flowLog.reported(flow, report);
    if (report.type !== 'installed' && report.error?.code === HELPER_LOST) this.counters.values.helpersLostElsewhere++;
    if (report.type !== 'installed' && report.type !== 'install-failed' && report.error !== undefined) {
      this.sockets.tellLost(flow, { code: report.error.code, reason: report.error.message });
    }
    this.reported(flow, report);
  }

  /** Takes over what the kernel counted. Final counts stay. */
  learnTraffic(flow: Flow, traffic: Traffic | undefined): void {
    if (traffic === undefined || flow.traffic?.final === true) return;
    flow.traffic = traffic;
    this.options.observer.traffic(flow, traffic);
  }

  /** News of a flow says so that is no event. */
  established(flow: Flow, seed: FlowSeed): void {
    if (flow.establishedNs === 0 && seed.establishedNs !== 0) Object.assign(flow, openingOf(seed));
    this.names.established(flow);
  }

  /** Somebody has the socket: go and take it. Does nothing for flows that are under way or over. */
  ownerKnown(flow: Flow, owner: OwnerRecord): void {
    flow.owner ??= owner;
    flow.holder = owner;
    if (flow.class !== FlowClass.MESH || !this.mayBegin(flow)) return;
    if (flow.dueNs === 0 && this.table.isLive(flow)) {
      this.timers.due(flow, this.options.limits(), (late) => this.feed(flow, late));
    }
    this.feed(flow, { type: 'owner' });
  }

  /** The gate has refused it, for a reason of enum tlshub_reason; the event of it was lost. */
  refusedByGate(flow: Flow, reason: number): void {
    this.feed(flow, { type: 'gate-refused', ...whyRefused(reason, flow, this.options.provider.name) });
  }

  /** Gives the machine an input and does what it says. */
  feed(flow: Flow, input: Input): void {
    const before = flow.machine;
    if ('code' in input) this.sockets.tellLost(flow, input);
    const { next, actions } = step(before, input);
    flow.machine = next;
    if (next.phase !== before.phase) this.entered(flow, before.phase);
    for (const action of actions) this.act(flow, action);
  }

  /** So many secured flows of an earlier agent were found. */
  adopted(count: number): void {
    if (count === 0) return;
    this.counters.values.adopted += count;
    this.options.observer.adopted(count);
  }

  /** Flows by state, live ones and those still kept. */
  byState(): Record<FlowState, number> {
    const counts = Object.fromEntries(FLOW_STATES.map((state) => [state, 0])) as Record<FlowState, number>;
    for (const flow of this.table.all()) counts[stateOf(flow)]++;
    counts.secured += this.unloaded.count;
    return counts;
  }

  /** Sends what found the installer's ring full. Called with every answer and by the sweep, so a full ring cannot stick. */
  flush(): void {
    this.commands.flush();
  }

  /**
   * From now on no connection is begun with. Events are still on their way of connections that came just before the gate goes: their programs send in
   * plaintext then, and not one byte of a handshake may come before that.
   */
  beginNothing(): void {
    this.begins = 'none';
  }

  /** The same, but for those whose keys both ends have agreed on by name: nobody who comes after us could make them. The others are the next agent's. */
  beginAgreedOnly(): void {
    this.begins = 'agreed';
  }

  /** Stops all timers. Nothing may be fed afterwards. */
  close(): void {
    this.timers.clearAll();
    for (const flow of this.table.all()) this.names.discard(flow);
    this.openRecords.close();
    this.flowLog.flush();
    this.retries.clear();
  }

  /** The last bytes of a connection that was over before; it may have left the table. */
  private released(event: FlowEvent): void {
    const flow = this.table.get(event.cookie);
    if (flow?.generation === event.generation) this.learnTraffic(flow, event.traffic);
    else if (event.traffic !== undefined) this.options.observer.traffic(event, event.traffic);
  }

  /** The socket was disconnected and connected again: what was, is over, and refusing it would hit the new connection. */
  supersede(flow: Flow): void {
    const reason = 'the program connected the socket again';
    const verdict: Verdict = { state: 'closed', code: '', reason, final: true, leave: true };
    this.feed(flow, flow.machine.phase === 'secured' ? { type: 'closed' } : { type: 'give-up', verdict });
    this.table.retire(flow);
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
    if (ends) this.names.discard(flow);
    if (phase === 'secured') this.flowLog.secured(flow);
    if (phase === 'secured' || phase === 'done') this.timers.clear(flow);
    if (phase === 'done') {
      this.options.observer.ended(flow);
      this.table.retire(flow);
    }
  }

  private act(flow: Flow, action: Action): void {
    switch (action) {
      case 'take':
        this.take(flow);
        return;
      case 'pause':
        this.timers.pause(flow, () => this.feed(flow, { type: 'retry' }));
        return;
      case 'negotiate':
        this.feedIf(flow, this.names.refusal(flow) ?? this.negotiations.begin(flow));
        return;
      case 'cancel':
        flow.negotiation?.cancel();
        return;
      case 'destroy':
        flow.ticket = this.options.slots.nextTicket();
        this.table.bindTicket(flow.ticket, flow);
    }
    const command = commandOf(flow, action);
    if (command !== undefined) this.commands.send(command);
  }

  private take(flow: Flow): void {
    const ready = this.names.keysOf(flow);
    if (ready === undefined) {
      this.sockets.take(flow, (taken) => this.taken(flow, taken));
      return;
    }
    const { keys, summary } = ready;
    const ticket = 0;
    this.sockets.secure(flow, keys, (outcome) => {
      if (outcome.type === 'not-secured') {
        this.names.cameBack(flow, outcome.secrets);
        this.taken(flow, outcome.outcome);
        return;
      }
      this.names.used(flow);
      if (outcome.type === 'installed') this.reported(flow, installedReport(ticket, summary, outcome.result));
      else this.reported(flow, { type: 'install-failed', ticket, summary, error: outcome.error });
    });
  }

  private taken(flow: Flow, outcome: TakeOutcome): void {
    if (outcome === 'secured') this.mistaken(flow);
    else this.feed(flow, outcome);
    this.sockets.lookAgain(flow, () => this.feed(flow, { type: 'closing' }));
  }

  private reported(flow: Flow, report: InstallerReport): void {
    const { facts, input } = newsOfReport(flow, report);
    Object.assign(flow, facts);
    if (report.type === 'installed') {
      this.counters.secured(exchangeOf(flow));
      this.options.observer.secured(flow);
      this.names.secured(flow);
    }
    this.feed(flow, input);
    if (report.type === 'installed' && report.remembered && flow.machine.phase === 'secured') this.table.settle(flow);
  }

  /** An event of an unloaded flow came so late that it was taken for a new one. */
  private mistaken(flow: Flow): void {
    this.counters.values.staleEvents++;
    this.timers.clear(flow);
    this.names.discard(flow);
    this.table.remove(flow);
  }

  private mayBegin({ agreed }: Flow): boolean {
    return this.begins === 'all' || (this.begins === 'agreed' && agreed !== undefined);
  }

  private feedIf(flow: Flow, input: Input | undefined): void {
    if (input !== undefined) this.feed(flow, input);
  }
}
