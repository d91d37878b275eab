// SPDX-License-Identifier: Apache-2.0
/**
 * The access log: which connections have a line, and when. One that ended well waits for its last bytes, since a program may read what arrived before the end;
 * one that was refused is written at once.
 */
import { LineFile, type LineFileFigures } from '../logging/line-file.js';
import type { Logger } from '../logging/logger.js';
import type { AccessLogReport } from '../report/status.js';
import type { Traffic } from '../shared/kernel/abi.js';
import { monotonicNs } from '../shared/kernel/clock.js';
import type { FlowObserver } from '../supervisor/flow/observer.js';
import type { Flow } from '../supervisor/flow/table.js';
import { accessEntry, jsonLine, textLine, wentWrong, type AccessEntry, type Surroundings } from './access-line.js';
import { CgroupPaths } from './cgroup-paths.js';
import { connectionId, outcomeOf } from './connection-record.js';

export interface AccessLogSettings {
  /** `stdout`, `stderr`, a path; empty: there is none */
  destination: string;
  format: 'json' | 'text';
  /** of connections that went well; of the others each has a line */
  percent: number;
}

export interface AccessLogOptions {
  /** those in force */
  settings: () => AccessLogSettings;
  node: () => string;
  /** the pod at an address of this node */
  podOf: (address: Uint8Array) => string | undefined;
  /** who is given each line's entry too */
  also?: AccessSink;
  log: Logger;
  cgroups?: CgroupPaths;
  /** 0 to 1, for the share */
  random?: () => number;
}

/** Where entries go beside the file. */
export interface AccessSink {
  readonly wantsEntries: boolean;
  entry(entry: AccessEntry): void;
}

/** How long a connection's last bytes are waited for, and how many wait. */
const LAST_BYTES_NS = 5e9;
const MOST_WAITING = 10_000;

export class AccessLog implements FlowObserver {
  private file: LineFile | undefined;
  /** over, without their last bytes, by name, oldest first */
  private readonly waiting = new Map<string, { flow: Flow; sinceNs: number }>();
  /** of files that were there before this one */
  private readonly past = { written: 0, dropped: 0 };
  private droppedTold = 0;
  private readonly cgroups: CgroupPaths;

  constructor(private readonly options: AccessLogOptions) {
    this.cgroups = options.cgroups ?? new CgroupPaths();
    this.follow();
  }

  /** Takes over what the settings say now. */
  follow(): void {
    const { destination } = this.options.settings();
    if (this.file?.destination === destination) return;
    this.settle(Infinity);
    const before = this.file;
    this.file = destination === '' ? undefined : new LineFile(destination);
    if (before !== undefined) void this.leave(before);
  }

  /** What there is to say of it; null: there is none. */
  report(): AccessLogReport | null {
    const { written, dropped } = this.totals();
    const { destination } = this.options.settings();
    return this.file === undefined ? null : { destination, written, dropped, error: this.file.figures.error };
  }

  secured(flow: Flow): void {
    this.noteCgroup(flow);
  }

  plaintext(flow: Flow): void {
    this.noteCgroup(flow);
  }

  adopted(): void {
    // They have lines when they end.
  }

  ended(flow: Flow): void {
    if (!this.wanted) return;
    this.noteCgroup(flow);
    const { settings, random = Math.random } = this.options;
    if (!wentWrong(flow) && random() * 100 >= settings().percent) return;
    if (flow.traffic?.final === true || outcomeOf(flow) === 'failed') {
      this.put(flow, flow.traffic);
      return;
    }
    this.waiting.set(connectionId(flow), { flow, sinceNs: monotonicNs() });
    if (this.waiting.size > MOST_WAITING) this.settleOldest();
  }

  traffic(flow: Pick<Flow, 'cookie' | 'generation'>, traffic: Traffic): void {
    if (!traffic.final || this.waiting.size === 0) return;
    const name = connectionId(flow);
    const found = this.waiting.get(name);
    if (found === undefined) return;
    this.waiting.delete(name);
    this.put(found.flow, traffic);
  }

  /** To be called every few seconds. */
  look(): void {
    this.settle(monotonicNs() - LAST_BYTES_NS);
    this.file?.look();
    this.tellDropped();
  }

  /** Goes on in the file that has the name now. */
  reopen(): void {
    this.file?.reopen();
  }

  async close(): Promise<void> {
    this.settle(Infinity);
    const { file } = this;
    this.file = undefined;
    if (file !== undefined) await this.leave(file);
    this.tellDropped();
  }

  private get wanted(): boolean {
    return this.file !== undefined || this.options.also?.wantsEntries === true;
  }

  private totals(): Pick<LineFileFigures, 'written' | 'dropped'> {
    const { written = 0, dropped = 0 } = this.file?.figures ?? {};
    return { written: this.past.written + written, dropped: this.past.dropped + dropped };
  }

  private async leave(file: LineFile): Promise<void> {
    await file.close();
    const { written, dropped } = file.figures;
    this.past.written += written;
    this.past.dropped += dropped;
  }

  private tellDropped(): void {
    const { dropped } = this.totals();
    const lines = dropped - this.droppedTold;
    if (lines === 0) return;
    this.droppedTold = dropped;
    const code = 'TLSHUB_ACCESS_LOG';
    this.options.log.warning(`${lines} lines of the access log were dropped: it could not be written`, { code });
  }

  private noteCgroup({ cgroup, owner }: Flow): void {
    if (this.wanted && owner !== undefined) this.cgroups.note(cgroup, owner.tgid);
  }

  /** Writes those that have waited since before this, CLOCK_MONOTONIC nanoseconds, with what is known of their bytes. */
  private settle(beforeNs: number): void {
    for (const { sinceNs } of this.waiting.values()) {
      if (sinceNs > beforeNs) return;
      this.settleOldest();
    }
  }

  private settleOldest(): void {
    for (const [name, { flow }] of this.waiting) {
      this.waiting.delete(name);
      this.put(flow, flow.traffic);
      return;
    }
  }

  private put(flow: Flow, traffic: Traffic | undefined): void {
    const { node, podOf, settings, also } = this.options;
    const around: Surroundings = {
      node: node(),
      pod: podOf(flow.tuple.local),
      cgroup: this.cgroups.get(flow.cgroup),
      now: Date.now(),
      nowNs: monotonicNs(),
    };
    const entry = accessEntry(flow, traffic, around);
    also?.entry(entry);
    this.file?.write(settings().format === 'json' ? jsonLine(entry) : textLine(entry));
  }
}
