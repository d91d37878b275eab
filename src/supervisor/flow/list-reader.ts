/**
 * The kernel's list of flows, read for all who want to know of it.
 *
 * One reading brings the table up to date (sweep.ts) and tells each visitor of the unloaded flows (gathering.ts). Who asks while a reading
 * goes on gets the next one, together with all others who ask until then: what was so before the question is in the answer, and there are
 * never two readings at once.
 *
 * It is read in pieces, each by a thread of libuv: the kernel walks through the list anew for each piece, which takes longer the longer the
 * list is, and no thread of ours need wait for that. The event loop gets its turn between two pieces; here is done what only the main thread
 * can do, since the table is its own, and that for the records of one piece at a time.
 */
import type { SweepRecord } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Dispatcher } from './dispatcher.js';
import { Gathering, type Gatherer } from './gathering.js';
import { Sweep, type SweepResult } from './sweep.js';

export interface ListVisitor<T> extends Gatherer {
  /** Each record of another flow, when the table is up to date with it; good until this returns. */
  other?(record: SweepRecord): void;
  /** The table and what was found are as of now. */
  done(): T;
}

export interface ListReaderOptions {
  dispatcher: Dispatcher;
  /** the kernel's list; the records of each piece are good until the next one is asked for */
  pieces(): AsyncIterable<Iterable<SweepRecord>>;
  /** told of each reading: what it came to, or what it failed by */
  after(result: SweepResult | undefined, error?: unknown): void;
}

export class ListReader {
  private readonly waiting: ListPassVisitor[] = [];
  private next: Promise<SweepResult> | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private stopped = false;

  constructor(private readonly options: ListReaderOptions) {}

  /**
   * Brings the table up to date, by a reading that begins after this call.
   * @throws (rejects) NativeError, RangeError when the list cannot be read
   */
  sweep(): Promise<SweepResult> {
    this.next ??= this.inTurn();
    return this.next;
  }

  /** The same, with a visitor. @throws (rejects) as `sweep` */
  async read<T>(visitor: ListVisitor<T>): Promise<T> {
    const answer: { value?: T } = {};
    this.waiting.push({
      found: (flow) => visitor.found(flow),
      lost: (cookie) => visitor.lost(cookie),
      other: (record) => visitor.other?.(record),
      done: () => (answer.value = visitor.done()),
    });
    await this.sweep();
    return answer.value as T;
  }

  /** Ends a reading that is under way, with its next piece. All who wait are told that there will be none. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.last;
  }

  private inTurn(): Promise<SweepResult> {
    const reading = this.last.then(() => {
      this.next = undefined;
      return this.readAll(this.waiting.splice(0));
    });
    this.last = reading.catch(() => undefined);
    return reading;
  }

  private async readAll(visitors: ListPassVisitor[]): Promise<SweepResult> {
    const { options } = this;
    const pass = new ListPass(options.dispatcher, visitors, monotonicNs());
    let result: SweepResult;
    try {
      let count = 0;
      this.mayGoOn();
      for await (const records of options.pieces()) {
        this.mayGoOn();
        count++;
        for (const record of records) pass.record(record);
      }
      result = pass.finish(count > 1);
    } catch (error) {
      pass.abandon();
      options.after(undefined, error);
      throw error;
    }
    options.after(result);
    return result;
  }

  private mayGoOn(): void {
    if (this.stopped) throw new Error('the agent is shutting down: connections are not listed any more');
  }
}

type ListPassVisitor = ListVisitor<unknown>;

/** One reading, record by record. */
export class ListPass {
  private readonly gathering: Gathering;
  private readonly sweep: Sweep;

  /** @param startedNs before the list was opened, CLOCK_MONOTONIC nanoseconds */
  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly visitors: readonly ListPassVisitor[],
    startedNs: number,
  ) {
    this.gathering = new Gathering(dispatcher.table, dispatcher.unloaded, visitors);
    this.sweep = new Sweep(dispatcher, startedNs);
    dispatcher.unloaded.tell(this.gathering);
  }

  record(record: SweepRecord): void {
    const kind = this.gathering.take(record);
    this.sweep.record(record, kind);
    if (kind !== 'other') return;
    for (const visitor of this.visitors) visitor.other?.(record);
  }

  /** @param inPieces sockets can have been skipped between them */
  finish(inPieces = false): SweepResult {
    const result = this.sweep.finish(this.gathering, inPieces);
    this.abandon();
    for (const visitor of this.visitors) visitor.done();
    return result;
  }

  /** The list cannot be read to its end: what was learned of it stays, nothing is concluded from what is missing. */
  abandon(): void {
    this.dispatcher.unloaded.tell(undefined);
  }
}
