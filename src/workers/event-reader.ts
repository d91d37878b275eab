// SPDX-License-Identifier: Apache-2.0
/**
 * The thread that blocks in the perf buffer's poll, so that nothing else has to. The addon writes struct tlshub_event straight into the
 * ring; this loop only wakes the dispatcher. When the ring is full, events stay in the perf buffer, and what the kernel then has no room
 * for is counted by its lost-sample callback: the sweep finds those flows again.
 */
import { parentPort } from 'node:worker_threads';
import { collectGarbage } from '../shared/async/collect-garbage.js';
import { Beat, beat } from '../shared/ipc/beats.js';
import { DELAY_BOUNDS_NS } from '../shared/ipc/delays.js';
import { toWire } from '../shared/errors/errors.js';
import { ReaderStat, type ThreadReport } from '../shared/ipc/messages.js';
import { kernel } from '../shared/kernel/native.js';
import { RingProducer } from '../shared/ipc/ring.js';

export interface EventReaderData {
  eventsFd: number;
  pagesPerCpu: number;
  ring: SharedArrayBuffer;
  /** Int32Array of ReaderStat */
  stats: SharedArrayBuffer;
  /** counts of delays, see src/shared/ipc/delays.ts */
  delays: SharedArrayBuffer;
  beats: Uint32Array<SharedArrayBuffer>;
  /** between two signs of life, in ms: so long a poll may last that nothing ends */
  beatMs: number;
}

function run({ eventsFd, pagesPerCpu, ring, stats, delays, beats, beatMs }: EventReaderData): void {
  const addon = kernel();
  const words = new Int32Array(stats);
  const producer = new RingProducer(ring);
  const reader = addon.openReader(eventsFd, pagesPerCpu, DELAY_BOUNDS_NS);
  report({ type: 'ready', wakeFd: reader.wakeFd });
  try {
    while (Atomics.load(words, ReaderStat.STOP) === 0) {
      beat(beats, Beat.READER);
      if (Atomics.exchange(words, ReaderStat.REST, 0) === 1) collectGarbage();
      const { records, lost, full } = reader.poll(ring, delays, beatMs);
      producer.wakeConsumer();
      Atomics.add(words, ReaderStat.RECORDS, records);
      Atomics.store(words, ReaderStat.LOST, lost | 0);
      if (full) {
        Atomics.add(words, ReaderStat.FULL, 1);
        producer.waitForRoom(1);
      }
    }
  } finally {
    reader.close();
    producer.close();
  }
}

function report(message: ThreadReport): void {
  parentPort?.postMessage(message);
}

// It comes when there is a perf buffer; what this file needs is loaded by then.
parentPort?.once('message', (data: EventReaderData) => {
  try {
    run(data);
  } catch (error) {
    report({ type: 'failed', error: toWire(error) });
    process.exitCode = 1;
  }
});
