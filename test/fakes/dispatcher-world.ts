// SPDX-License-Identifier: Apache-2.0
/** The dispatcher with a real installer's work behind it, on sockets in memory. */
import { expect } from 'chai';
import {
  EventKind,
  FlowClass,
  Intent,
  type FlowEvent,
  type OwnerRecord,
  type SweepRecord,
} from '../../src/shared/kernel/abi.js';
import { monotonicNs } from '../../src/shared/kernel/clock.js';
import type { Held, InstallerCommand, InstallerReport, Negotiated } from '../../src/shared/ipc/messages.js';
import { FlowMetrics, type FlowMetricsReport } from '../../src/metrics/flow-metrics.js';
import { RunningConnections } from '../../src/metrics/running-connections.js';
import type { Role } from '../../src/shared/kernel/words.js';
import { SlotTable, createSlots } from '../../src/shared/ipc/slots.js';
import { Dispatcher } from '../../src/supervisor/flow/dispatcher.js';
import { Gathering } from '../../src/supervisor/flow/gathering.js';
import { ListPass, type ListVisitor } from '../../src/supervisor/flow/list-reader.js';
import { tellAll, type FlowObserver } from '../../src/supervisor/flow/observer.js';
import { FlowListing } from '../../src/supervisor/flow/listing.js';
import type { SweepResult } from '../../src/supervisor/flow/sweep.js';
import type { DetailedFlowReport } from '../../src/supervisor/flow/table.js';
import { InstallerWork } from '../../src/workers/installer-work.js';
import { FakeHelpers } from './fake-helpers.js';
import { FDS, FakeKernel, sweepRecords, type SweepSeed } from './fake-kernel.js';
import { FakeNames } from './fake-names.js';
import { FakeProvider, type Pending } from './fake-provider.js';
import { memoryLogger, type LogLine } from './memory-logger.js';

const LOCAL = Uint8Array.from([...Array<number>(10).fill(0), 255, 255, 10, 0, 0, 1]);
export const REMOTE = Uint8Array.from([...Array<number>(10).fill(0), 255, 255, 10, 0, 0, 2]);
export const TUPLE = { local: LOCAL, remote: REMOTE, lport: 4711, rport: 80 };
export const OWNER: OwnerRecord = { tgid: 4242, fd: 5, inode: 9n, startBoottime: 1n, comm: 'curl' };
const SUMMARY = {
  provider: 'openssl',
  cipher: 'TLS_AES_128_GCM_SHA256',
  tlsVersion: 'TLSv1.3',
  peerName: 'b',
  negotiationMs: 3,
} as const;

/** `pass()` lets threads' answers arrive. */
export class World {
  readonly kernel = new FakeKernel();
  readonly helpers = new FakeHelpers(this.kernel);
  readonly provider = new FakeProvider();
  readonly names = new FakeNames();
  readonly slots = new SlotTable(createSlots());
  readonly lines: LogLine[];
  readonly metrics: FlowMetrics;
  readonly dispatcher: Dispatcher;
  peerNodes: string[] = ['b'];
  ringFull = false;
  /** what the kernel's list has */
  sockets: SweepSeed[] = [];
  private readonly commands: InstallerCommand[] = [];
  private readonly answers: InstallerReport[] = [];
  readonly work: InstallerWork;

  constructor(
    options: {
      handshakeTimeoutMs?: number;
      overloadTimeoutMs?: number;
      flowsKept?: number;
      metrics?: FlowMetrics;
      observer?: FlowObserver;
    } = {},
  ) {
    this.metrics = options.metrics ?? new FlowMetrics(100);
    const { log, lines } = memoryLogger();
    this.lines = lines;
    const words = new Int32Array(this.slots.buffer);
    this.work = new InstallerWork({
      ...{ kernel: this.kernel, helpers: this.helpers, fds: FDS, slots: words },
      report: (report) => this.answers.push(report),
    });
    this.dispatcher = new Dispatcher({
      kernel: this.kernel,
      helpers: this.helpers,
      fds: FDS,
      slots: this.slots,
      provider: this.provider,
      keysByName: this.names,
      directory: {
        peerNodes: () => ({ nodes: this.peerNodes, reason: 'not in the mapping' }),
        pod: () => 'pod-b',
      },
      send: (command) => {
        if (this.ringFull) return false;
        this.commands.push(command);
        return true;
      },
      observer: options.observer === undefined ? this.metrics : tellAll(this.metrics, options.observer),
      log,
      limits: () => ({
        handshakeTimeoutMs: options.handshakeTimeoutMs ?? 5000,
        overloadTimeoutMs: options.overloadTimeoutMs ?? 0,
        flowsKept: options.flowsKept ?? 100,
      }),
    });
  }

  event(kind: keyof typeof EventKind, more: Partial<FlowEvent> = {}): void {
    const now = monotonicNs();
    this.dispatcher.onEvent({
      kind: EventKind[kind],
      generation: 1,
      timeNs: now,
      cookie: 1n,
      createdNs: now - 3e6,
      establishedNs: now - 1e6,
      role: 'active',
      class: FlowClass.MESH,
      reason: 0,
      iss: 1,
      irs: 2,
      cgroup: 1n,
      waitMs: 0,
      refs: 0,
      hold: 'none',
      peerIntent: Intent.IN_BAND,
      traffic: undefined,
      tuple: TUPLE,
      owner: kind === 'CLOSED' ? undefined : OWNER,
      secured: undefined,
      ...more,
    });
    this.helpers.flush();
  }

  /** The installer works off what it has, and its answers and settled promises arrive. */
  async pass(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) {
      for (const command of this.commands.splice(0)) this.work.execute(command);
      for (const report of this.answers.splice(0)) this.dispatcher.onReport(report);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What a negotiator's ring would bring to the installer. */
  handOver(held: Held | undefined, role: Role, askedNs = monotonicNs()): void {
    if (held === undefined) throw new Error('nothing was lent');
    const startedNs = monotonicNs() - SUMMARY.negotiationMs * 1e6;
    const negotiated: Negotiated = {
      type: 'negotiated',
      ...held,
      role,
      summary: { ...SUMMARY, askedNs, startedNs },
      secrets: held.ticket + 1000,
      txSequence: 0n,
      rxSequence: 0n,
      bytesSent: 10,
      bytesReceived: 20,
    };
    this.work.install(negotiated);
  }

  async succeed(pending: Pending): Promise<void> {
    const { socket, names, askedNs } = pending.request;
    this.handOver(socket, names.role, askedNs);
    pending.settle({ ok: true, resumed: false });
    await this.pass();
  }

  async fail(pending: Pending, code: string, bytesReceived = 0): Promise<void> {
    const nothing = { peerNames: [], handshakeOnly: true, bytesSent: 0, negotiationMs: 1 };
    pending.settle({ ok: false, code, reason: `because of ${code}`, bytesReceived, ...nothing });
    await this.pass();
  }

  /** What one reading of the kernel's list makes known to a visitor, without bringing the table up to date. */
  visit<T>(visitor: ListVisitor<T>): T {
    const { table, unloaded } = this.dispatcher;
    const gathering = new Gathering(table, unloaded, [visitor]);
    for (const record of sweepRecords(this.sockets)) if (gathering.take(record) === 'other') visitor.other?.(record);
    return visitor.done();
  }

  reports(): DetailedFlowReport[] {
    return this.visit(new FlowListing(this.dispatcher.table));
  }

  report(): FlowMetricsReport {
    return this.visit(new RunningConnections(this.metrics, this.dispatcher.table));
  }

  /** Brings the table up to date with a list that was opened then. */
  sweep(records: Iterable<SweepRecord> = sweepRecords(this.sockets), startedNs = monotonicNs()): SweepResult {
    const pass = new ListPass(this.dispatcher, [], startedNs);
    for (const record of records) pass.record(record);
    const result = pass.finish();
    this.helpers.flush();
    return result;
  }

  get flow(): DetailedFlowReport {
    const [first] = this.reports();
    if (first === undefined) throw new Error('no flow');
    return first;
  }

  /** Nothing may be left over. */
  expectClean(): void {
    expect([...this.kernel.open.values()], 'descriptors left open').to.deep.equal([]);
    expect(this.slots.inUse, 'slots').to.equal(0);
    expect(this.dispatcher.table.pendingTickets, 'tickets').to.equal(0);
  }
}
