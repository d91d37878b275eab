// SPDX-License-Identifier: Apache-2.0
/** A thread that writes `count` records of known length and content, waiting when the ring is full, then closes the ring. */
import { workerData } from 'node:worker_threads';
import { RingProducer } from '../../src/shared/ipc/ring.js';

const { buffer, count } = workerData as { buffer: SharedArrayBuffer; count: number };
const producer = new RingProducer(buffer);
for (let i = 0; i < count; i++) {
  if (!producer.pushWaiting(i, new Uint8Array(i % 50).fill(i & 0xff))) throw new Error('closed');
}
producer.close();
