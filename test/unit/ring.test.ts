// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { Worker } from 'node:worker_threads';
import { MessageReceiver, MessageSender } from '../../src/shared/ipc/message-ring.js';
import { RingConsumer, RingProducer, createRing } from '../../src/shared/ipc/ring.js';

function bytes(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

function drainAll(consumer: RingConsumer): { tag: number; payload: number[] }[] {
  const records: { tag: number; payload: number[] }[] = [];
  consumer.drain((tag, offset, length) => {
    records.push({ tag, payload: [...consumer.data.subarray(offset, offset + length)] });
  });
  return records;
}

describe('ring', () => {
  it('has the layout that the native producer writes', () => {
    const buffer = createRing(64);
    const words = new Int32Array(buffer, 0, 64);
    expect(buffer.byteLength).to.equal(256 + 64);
    expect(words[0]).to.equal(0x544c5352);
    expect(words[1]).to.equal(64);
    new RingProducer(buffer).tryPush(7, Uint8Array.of(1, 2, 3));
    expect(words[16]).to.equal(16);
    expect(words[32]).to.equal(0);
    expect(words[51]).to.equal(16);
    expect([...new Uint8Array(buffer, 256, 11)]).to.deep.equal([3, 0, 0, 0, 7, 0, 0, 0, 1, 2, 3]);
  });

  it('refuses capacities that are no power of two, and buffers that are no ring', () => {
    expect(() => createRing(100)).to.throw(RangeError);
    expect(() => createRing(32)).to.throw(RangeError);
    expect(() => new RingProducer(new SharedArrayBuffer(256 + 64))).to.throw(TypeError);
  });

  it('says no when it is full, and takes more when it has been read', () => {
    const buffer = createRing(64);
    const producer = new RingProducer(buffer);
    const consumer = new RingConsumer(buffer);
    for (let i = 0; i < 4; i++) expect(producer.tryPush(i, bytes(8, i))).to.equal(true);
    expect(producer.tryPush(4, bytes(8, 4))).to.equal(false);
    expect(producer.tryPush(4, bytes(0, 0))).to.equal(false);
    expect(producer.stats()).to.deep.equal({ capacity: 64, used: 64, highWater: 64, dropped: 0 });
    expect(consumer.drain(() => undefined, 1)).to.equal(1);
    expect(producer.tryPush(4, bytes(8, 4))).to.equal(true);
    expect(drainAll(consumer).map((record) => record.tag)).to.deep.equal([1, 2, 3, 4]);
    expect(consumer.empty).to.equal(true);
  });

  it('keeps records whole across the end: the rest is skipped', () => {
    const buffer = createRing(64);
    const producer = new RingProducer(buffer);
    const consumer = new RingConsumer(buffer);
    producer.tryPush(1, bytes(24, 1));
    producer.tryPush(2, bytes(8, 2));
    drainAll(consumer);
    // 16 bytes are left before the end; this one needs 24.
    expect(producer.tryPush(3, bytes(16, 3))).to.equal(true);
    expect(new DataView(buffer, 256).getUint32(48, true)).to.equal(0xffffffff);
    expect(drainAll(consumer)).to.deep.equal([{ tag: 3, payload: Array(16).fill(3) }]);
  });

  it('goes on when positions pass 2^31 and 2^32', () => {
    for (const start of [0x7fffffe0, 0xffffffe0]) {
      const buffer = createRing(64);
      const words = new Int32Array(buffer, 0, 64);
      words[16] = words[32] = start | 0;
      const producer = new RingProducer(buffer);
      const consumer = new RingConsumer(buffer);
      for (let i = 0; i < 20; i++) {
        expect(producer.tryPush(i, bytes(i % 20, i))).to.equal(true);
        expect(drainAll(consumer)).to.deep.equal([{ tag: i, payload: Array(i % 20).fill(i) }]);
      }
      expect(producer.stats().used).to.equal(0);
    }
  });

  it('refuses a record that could never fit', () => {
    const producer = new RingProducer(createRing(64));
    expect(producer.maxPayload).to.equal(24);
    expect(() => producer.tryPush(1, bytes(25, 0))).to.throw(RangeError);
  });

  it('counts a record as read when its handler throws, and goes on behind it', () => {
    const buffer = createRing(64);
    const producer = new RingProducer(buffer);
    const consumer = new RingConsumer(buffer);
    producer.tryPush(1, bytes(1, 1));
    producer.tryPush(2, bytes(1, 2));
    expect(() =>
      consumer.drain(() => {
        throw new Error('handler');
      }),
    ).to.throw('handler');
    expect(drainAll(consumer).map((record) => record.tag)).to.deep.equal([2]);
  });

  it('throws on contents that cannot be', () => {
    const buffer = createRing(64);
    const consumer = new RingConsumer(buffer);
    new RingProducer(buffer).tryPush(1, bytes(8, 1));
    new DataView(buffer, 256).setUint32(0, 4000, true);
    expect(() => drainAll(consumer)).to.throw('corrupt');
  });

  it('carries bigints, bytes and nested objects', () => {
    const buffer = createRing(1024);
    const message = {
      type: 'x',
      cookie: 2n ** 63n + 5n,
      small: 7n,
      bytes: Uint8Array.of(1, 2),
      nested: { list: ['a', 'b'] },
    };
    new MessageSender<typeof message>(buffer).trySend(message);
    const got: (typeof message)[] = [];
    new MessageReceiver<typeof message>(buffer).receive((received) => got.push(received));
    expect(got).to.have.length(1);
    expect(got[0]?.cookie).to.equal(message.cookie);
    expect(got[0]?.small).to.equal(7n);
    expect([...(got[0]?.bytes ?? [])]).to.deep.equal([1, 2]);
    expect(got[0]?.nested).to.deep.equal(message.nested);
  });

  it('refuses messages of another version', () => {
    const buffer = createRing(256);
    new RingProducer(buffer).tryPush(99, bytes(4, 0));
    expect(() => new MessageReceiver(buffer).receive(() => undefined)).to.throw('version 99');
  });

  it('wakes an asynchronous waiter by a record and by closing', async () => {
    const buffer = createRing(64);
    const producer = new RingProducer(buffer);
    const consumer = new RingConsumer(buffer);
    const waiting = consumer.wait();
    setTimeout(() => producer.tryPush(1, bytes(1, 1)), 5);
    expect(await waiting).to.equal(true);
    drainAll(consumer);
    const ending = consumer.wait();
    setTimeout(() => producer.close(), 5);
    expect(await ending).to.equal(false);
  });

  it('a blocking wait ends by its timeout', () => {
    const consumer = new RingConsumer(createRing(64));
    const begun = performance.now();
    expect(consumer.blockingWait(20)).to.equal(false);
    expect(performance.now() - begun).to.be.within(15, 500);
  });

  for (const how of ['asynchronously', 'blocking'] as const) {
    it(`loses and reorders nothing between threads (${how} waiting consumer)`, async function () {
      this.timeout(20_000);
      const count = 20_000;
      const buffer = createRing(1024);
      const worker = new Worker(new URL('../fakes/ring-producer.js', import.meta.url), {
        workerData: { buffer, count },
      });
      const consumer = new RingConsumer(buffer);
      let next = 0;
      const check = (tag: number, offset: number, length: number): void => {
        if (tag !== next || length !== next % 50)
          throw new Error(`record ${tag} of ${length} bytes instead of ${next}`);
        for (let i = 0; i < length; i++)
          if (consumer.data[offset + i] !== (next & 0xff)) throw new Error(`bytes of ${next}`);
        next++;
      };
      while (how === 'blocking' ? consumer.blockingWait(5000) : await consumer.wait()) consumer.drain(check, 64);
      expect(next).to.equal(count);
      await worker.terminate();
    });
  }
});
