// SPDX-License-Identifier: Apache-2.0
/**
 * Events from the kernel to the dispatcher's thread: perf buffer, native reader on its own thread, ring, decoder; all as the agent has
 * them. A BPF program run by the kernel in a loop emits them (bench/programs/event_source.bpf.c). Runs on the host, as root.
 *   stream  the source never has more than a thousand events under way: what the whole path can bear for long. None may be lost
 *   burst   as many at once as the perf buffer of a CPU (perf_pages = 64, its default) takes in without losing one
 */
import { createBeats } from '../src/shared/ipc/beats.js';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { kernel } from '../src/shared/kernel/native.js';
import { decodeEvent } from '../src/shared/kernel/records.js';
import { ThreadStart, startEventReader, type EventReader } from '../src/supervisor/threads.js';
import { median, tableOf, writeResult } from './support.js';

const PROGRAMS = resolve('build/bench-programs');
const COUNT = Number(process.env.TLSHUB_BENCH_EVENTS ?? 300_000);
const ROUNDS = 5;
const UNDER_WAY = 1000;
const PAGES = 64;
const RING_BYTES = 1 << 20;
/** Without an event for so long, a burst is over. */
const IDLE_MS = 100;

interface Source {
  open(object: string): number;
  burst(count: number): void;
}

const source = createRequire(import.meta.url)(`${PROGRAMS}/event_source.node`) as Source;

interface Stream {
  arrived: Int32Array;
  /** events that had arrived before this one began */
  before: number;
  count: number;
}

/** In a worker: emits until `count` were emitted, as fast as `arrived` lets it. */
function stream({ arrived, before, count }: Stream): void {
  for (let sent = 0; sent < count;) {
    const room = UNDER_WAY - (before + sent - Atomics.load(arrived, 0));
    if (room < UNDER_WAY / 4) continue;
    const now = Math.min(room, count - sent);
    source.burst(now);
    sent += now;
  }
}

class Sink {
  received = 0;
  /** of their numbers, which the source counts from 1 */
  private sum = 0;
  private readonly arrived = new Int32Array(new SharedArrayBuffer(4));

  constructor(private readonly reader: EventReader) {}

  async run(): Promise<void> {
    const { ring } = this.reader;
    while (await ring.wait()) {
      ring.drain((_tag, at) => {
        this.sum += Number(decodeEvent(ring.view, at).cookie);
        this.received++;
      }, 256);
      Atomics.store(this.arrived, 0, this.received);
    }
  }

  /** Events a second. @throws Error unless each of them arrived, once */
  async stream(count: number): Promise<number> {
    const before = this.received;
    this.sum = 0;
    const begun = performance.now();
    const worker = new Worker(new URL(import.meta.url), { workerData: { arrived: this.arrived, before, count } });
    while (this.received - before < count && this.reader.counts().lost === 0)
      await new Promise((tick) => setTimeout(tick, 1));
    const seconds = (performance.now() - begun) / 1000;
    await worker.terminate();
    if (this.received - before !== count) throw new Error(`${this.received - before} of ${count} events arrived`);
    if (this.sum !== count * before + (count * (count + 1)) / 2) throw new Error('not the events that were sent');
    return count / seconds;
  }

  /** The largest burst, in steps of a tenth, of which nothing is lost. The kernel reports a loss only with the next event, so what came counts. */
  async burst(): Promise<number> {
    for (let size = 100, best = 0; size < 1_000_000; size = Math.ceil(size * 1.1)) {
      const before = this.received;
      source.burst(size);
      for (let seen = -1; seen !== this.received;) {
        seen = this.received;
        await new Promise((tick) => setTimeout(tick, IDLE_MS));
      }
      if (this.received - before < size) return best;
      best = size;
    }
    throw new Error('no burst is large enough to lose something of it');
  }
}

async function main(): Promise<void> {
  const eventsFd = source.open(`${PROGRAMS}/event_source.bpf.o`);
  const reader = await startEventReader({
    thread: new ThreadStart('event-reader'),
    eventsFd,
    pagesPerCpu: PAGES,
    ringBytes: RING_BYTES,
    beats: createBeats(),
    beatMs: 1000,
    wake: (fd) => kernel().wake(fd),
    onFailure: (error) => {
      throw error;
    },
  });
  const sink = new Sink(reader);
  const done = sink.run();
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const rate = await sink.stream(COUNT);
    // The first round is the compiler's.
    if (round > 0) rates.push(rate);
  }
  const { lost } = reader.counts();
  const burst = await sink.burst();
  await reader.stop();
  await done;
  const perSecond = Math.round(median(rates));
  process.stdout.write(
    `${tableOf(
      ['', 'events', 'lost'],
      [
        ['stream, a second', `${perSecond}`, `${lost}`],
        [`burst into ${PAGES} pages`, `${burst}`, '0'],
      ],
    )}\n`,
  );
  writeResult('events', { perSecond, rates, lost, burst, perfPages: PAGES, count: COUNT });
  if (lost > 0) throw new Error(`${lost} events were lost in the stream`);
}

if (isMainThread) await main();
else {
  source.open(`${PROGRAMS}/event_source.bpf.o`);
  stream(workerData as Stream);
}
