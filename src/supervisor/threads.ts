// SPDX-License-Identifier: Apache-2.0
/**
 * The two threads that are not a pool's: the event reader and the installer. Neither can be replaced while flows are held (the reader has
 * the perf buffer, the installer the last word on descriptors), so if one fails the agent ends and leaves the gate shut.
 */
import { Worker } from 'node:worker_threads';
import { pump } from '../shared/async/pump.js';
import { MessageReceiver, MessageSender } from '../shared/ipc/message-ring.js';
import { createDelays, readDelays, type DelayCounts } from '../shared/ipc/delays.js';
import { type Doorbell } from '../shared/ipc/doorbell.js';
import { TlshubError } from '../shared/errors/errors.js';
import {
  ReaderStat,
  type InstallerCommand,
  type InstallerControl,
  type InstallerReport,
} from '../shared/ipc/messages.js';
import { untilReady, type Thread } from '../shared/ipc/thread.js';
import { decodeEvent } from '../shared/kernel/records.js';
import type { GateFds } from '../shared/kernel/kernel-addon.js';
import type { CipherName } from '../shared/kernel/words.js';
import { RingConsumer, type RingProducer, createRing } from '../shared/ipc/ring.js';
import type { Dispatcher } from './flow/dispatcher.js';
import type { EventReaderData } from '../workers/event-reader.js';
import { workerFile, type WorkerName } from '../workers/files.js';
import type { InstallerData } from '../workers/installer.js';

/**
 * A thread that has begun to load its program, and waits there for its data. What it needs of the gate is known late, and loading takes
 * long: so threads come first.
 */
export class ThreadStart {
  readonly worker: Worker;
  /** why it ended before it was given its data */
  #failure: Error | undefined;

  constructor(readonly file: WorkerName) {
    this.worker = new Worker(workerFile(file));
    this.worker.on('error', (error: Error) => (this.#failure ??= error));
    this.worker.on('exit', (code) => {
      this.#failure ??= new TlshubError('TLSHUB_INTERNAL', `the ${file} thread ended (status ${code})`);
    });
  }

  /** Gives it its data and waits until it is ready, see untilReady(). @throws why it cannot */
  with(data: unknown, onFailure: (error: Error) => void): Promise<Thread> {
    const give = (): void => {
      if (this.#failure !== undefined) throw this.#failure;
      this.worker.postMessage(data);
    };
    return untilReady({ worker: this.worker, file: this.file, give }, onFailure);
  }
}

export interface ReaderCounts {
  records: number;
  /** samples that the kernel had no room for */
  lost: number;
  /** times that the ring was full */
  full: number;
}

export interface EventReader {
  readonly ring: RingConsumer;
  counts(): ReaderCounts;
  /** how long events took from the kernel into the ring */
  delays(): DelayCounts;
  /** Has the thread collect its garbage. */
  rest(): void;
  stop(): Promise<void>;
}

export interface EventReaderOptions {
  /** of the file event-reader */
  thread: ThreadStart;
  eventsFd: number;
  pagesPerCpu: number;
  ringBytes: number;
  beats: Uint32Array<SharedArrayBuffer>;
  beatMs: number;
  /** kernel().wake */
  wake(fd: number): void;
  onFailure: (error: Error) => void;
}

export async function startEventReader(options: EventReaderOptions): Promise<EventReader> {
  const ring = createRing(options.ringBytes);
  const stats = new SharedArrayBuffer(4 * ReaderStat.WORDS);
  const words = new Int32Array(stats);
  const delays = createDelays();
  const { eventsFd, pagesPerCpu, beats, beatMs } = options;
  const data: EventReaderData = { eventsFd, pagesPerCpu, ring, stats, delays, beats, beatMs };
  const thread = await options.thread.with(data, options.onFailure);
  const read = (word: number): number => Atomics.load(words, word) >>> 0;
  const tell = (word: number): void => {
    Atomics.store(words, word, 1);
    if (thread.ready.wakeFd !== undefined) options.wake(thread.ready.wakeFd);
  };
  return {
    ring: new RingConsumer(ring),
    delays: () => readDelays(delays),
    counts: () => ({ records: read(ReaderStat.RECORDS), lost: read(ReaderStat.LOST), full: read(ReaderStat.FULL) }),
    rest: () => tell(ReaderStat.REST),
    stop: async () => {
      const ended = thread.expectEnd();
      tell(ReaderStat.STOP);
      await ended;
    },
  };
}

export interface Installer {
  readonly doorbell: Doorbell;
  readonly reports: MessageReceiver<InstallerReport>;
  /** false: no room in the ring now */
  send(command: InstallerCommand): boolean;
  addRing(id: number, ring: SharedArrayBuffer): void;
  dropRing(id: number): void;
  commandRing(): RingProducer;
  /** Has the thread collect its garbage. */
  rest(): void;
  stop(): Promise<void>;
}

export interface InstallerOptions {
  /** of the file installer */
  thread: ThreadStart;
  doorbell: Doorbell;
  slots: SharedArrayBuffer;
  fds: GateFds;
  helperParentFd: number;
  ciphers: CipherName[];
  beats: Uint32Array<SharedArrayBuffer>;
  beatMs: number;
  ringBytes: number;
  onFailure: (error: Error) => void;
}

export async function startInstaller(options: InstallerOptions): Promise<Installer> {
  const { doorbell, slots, fds, helperParentFd, ciphers, beats, beatMs, ringBytes } = options;
  const commands = createRing(ringBytes);
  const reports = createRing(ringBytes);
  const data: InstallerData = {
    ...{ commands, reports, doorbell: doorbell.buffer, slots, fds, helperParentFd, ciphers, beats, beatMs },
  };
  const thread = await options.thread.with(data, options.onFailure);
  const sender = new MessageSender<InstallerCommand>(commands);
  const tell = (message: InstallerControl): void => {
    thread.worker.postMessage(message);
    doorbell.ring();
  };
  return {
    doorbell,
    reports: new MessageReceiver<InstallerReport>(reports),
    send: (command) => {
      const sent = sender.trySend(command);
      if (sent) doorbell.ring();
      return sent;
    },
    addRing: (id, ring) => tell({ type: 'add-ring', id, ring }),
    dropRing: (id) => tell({ type: 'drop-ring', id }),
    commandRing: () => sender.ring,
    rest: () => tell({ type: 'rest' }),
    stop: async () => {
      const ended = thread.expectEnd();
      tell({ type: 'stop' });
      await ended;
    },
  };
}

export type ThreadsOptions = Omit<InstallerOptions, 'thread'> & Omit<EventReaderOptions, 'thread' | 'eventsFd'>;

/** Both begin to load their programs; the function gives them their work, once there is a gate. */
export function beginThreads(): (options: ThreadsOptions) => Promise<{ installer: Installer; reader: EventReader }> {
  const begun = { installer: new ThreadStart('installer'), reader: new ThreadStart('event-reader') };
  return async (options) => {
    const [installer, reader] = await Promise.all([
      startInstaller({ ...options, thread: begun.installer }),
      startEventReader({ ...options, thread: begun.reader, eventsFd: options.fds.events }),
    ]);
    return { installer, reader };
  };
}

/** Feeds the gate's events to the dispatcher until the ring is closed. `afterBatch` is called after each batch. */
export function pumpEvents(
  { ring }: Pick<EventReader, 'ring'>,
  dispatcher: Pick<Dispatcher, 'onEvent'>,
  afterBatch: () => void,
): Promise<void> {
  return pump({
    wait: () => ring.wait(),
    drain: (max) => {
      ring.drain((_tag, at) => dispatcher.onEvent(decodeEvent(ring.view, at)), max);
      afterBatch();
    },
  });
}

/** Feeds the installer's answers to the dispatcher until the ring is closed. */
export function pumpReports(
  { reports }: Pick<Installer, 'reports'>,
  dispatcher: Pick<Dispatcher, 'onReport'>,
): Promise<void> {
  return pump({
    wait: () => reports.ring.wait(),
    drain: (max) => {
      reports.receive((report) => dispatcher.onReport(report), max);
    },
  });
}
