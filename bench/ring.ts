// SPDX-License-Identifier: Apache-2.0
/**
 * The ring against postMessage: the same messages from one thread to another, in one run, with the same msgpack bytes. Two comparisons:
 *   transport  the bytes as they are, packed once: what the ring itself costs
 *   messages   packed by the sender and unpacked by the receiver for each message: what a message costs altogether
 * Rounds alternate, so that a slow moment of the host hits both alike, and the median of the rounds' ratios counts.
 */
import { Packr, Unpackr } from 'msgpackr';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { MessageReceiver, MessageSender, codecOptions } from '../src/shared/ipc/message-ring.js';
import { RingConsumer, RingProducer, createRing } from '../src/shared/ipc/ring.js';
import { median, tableOf, writeResult } from './support.js';

/** What a negotiator sends to the installer. */
const MESSAGE = {
  type: 'negotiated',
  ticket: 123456,
  slot: 42,
  fd: 77,
  cookie: 123456789n,
  generation: 1,
  role: 'active',
  summary: {
    cipher: 'TLS_AES_128_GCM_SHA256',
    tlsVersion: 'TLSv1.3',
    peerName: 'node-b',
    startedNs: 1e12,
    negotiationMs: 1.5,
  },
  clientSecret: new Uint8Array(32).fill(1),
  serverSecret: new Uint8Array(32).fill(2),
  txSequence: 0n,
  rxSequence: 0n,
  bytesSent: 1234,
  bytesReceived: 2345,
};
const COUNT = Number(process.env.TLSHUB_BENCH_MESSAGES ?? 100_000);
const ROUNDS = 5;

interface Round {
  way: 'ring' | 'postMessage';
  what: 'transport' | 'messages';
  count: number;
  ring: SharedArrayBuffer;
}

function produce({ way, what, count, ring }: Round): void {
  const packr = new Packr(codecOptions());
  // A view's clone copies the whole buffer behind it; msgpackr's is 8 KB. Exactly its bytes is fair to postMessage.
  const exact = (): Uint8Array => Uint8Array.prototype.slice.call(packr.pack(MESSAGE));
  const packed = exact();
  if (way === 'postMessage') {
    for (let i = 0; i < count; i++) parentPort?.postMessage(what === 'transport' ? packed : exact());
    return;
  }
  const sender = new MessageSender<typeof MESSAGE>(ring);
  const producer = new RingProducer(ring);
  for (let i = 0; i < count; i++) {
    if (what === 'transport') producer.pushWaiting(1, packed);
    else sender.sendWaiting(MESSAGE);
  }
  producer.close();
}

/** Messages per second from the first to the last one received. */
async function measure(way: Round['way'], what: Round['what'], count: number): Promise<number> {
  const round: Round = { way, what, count, ring: createRing(1 << 20) };
  const worker = new Worker(new URL(import.meta.url), { workerData: round });
  const size = new Packr(codecOptions()).pack(MESSAGE).length;
  let received = 0;
  let begun = 0;
  const arrived = (ok: boolean): void => {
    if (received++ === 0) begun = performance.now();
    if (!ok) throw new Error('another message than was sent');
  };
  const message = ({ ticket }: typeof MESSAGE): void => arrived(ticket === MESSAGE.ticket);
  if (way === 'postMessage') {
    const unpackr = new Unpackr({ ...codecOptions(), copyBuffers: true });
    await new Promise<void>((resolve) => {
      worker.on('message', (bytes: Uint8Array) => {
        if (what === 'transport') arrived(bytes.length === size);
        else message(unpackr.unpack(bytes) as typeof MESSAGE);
        if (received === count) resolve();
      });
    });
  } else if (what === 'transport') {
    const consumer = new RingConsumer(round.ring);
    while (await consumer.wait()) consumer.drain((_tag, _offset, length) => arrived(length === size), 256);
  } else {
    const receiver = new MessageReceiver<typeof MESSAGE>(round.ring);
    while (await receiver.ring.wait()) receiver.receive(message, 256);
  }
  const seconds = (performance.now() - begun) / 1000;
  await worker.terminate();
  if (received !== count) throw new Error(`${received} of ${count} messages arrived`);
  return (received - 1) / seconds;
}

interface Comparison {
  ringPerSecond: number;
  postMessagePerSecond: number;
  ratio: number;
}

async function compare(what: Round['what']): Promise<Comparison> {
  const rings: number[] = [];
  const posts: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const ring = await measure('ring', what, COUNT);
    const post = await measure('postMessage', what, COUNT);
    // The first round is the compiler's.
    if (round === 0) continue;
    rings.push(ring);
    posts.push(post);
  }
  const ratio = median(rings.map((ring, i) => ring / (posts[i] ?? NaN)));
  return {
    ringPerSecond: Math.round(median(rings)),
    postMessagePerSecond: Math.round(median(posts)),
    ratio: Math.round(ratio * 100) / 100,
  };
}

async function main(): Promise<void> {
  const result = { transport: await compare('transport'), messages: await compare('messages') };
  const rows = Object.entries(result).map(([what, { ringPerSecond, postMessagePerSecond, ratio }]) => [
    what,
    `${ringPerSecond}`,
    `${postMessagePerSecond}`,
    `${ratio}`,
  ]);
  process.stdout.write(
    `messages a second, medians of ${ROUNDS} rounds of ${COUNT}\n${tableOf(['', 'ring', 'postMessage', 'ratio'], rows)}\n`,
  );
  writeResult('ring', { rounds: ROUNDS, count: COUNT, ...result });
}

if (isMainThread) await main();
else produce(workerData as Round);
