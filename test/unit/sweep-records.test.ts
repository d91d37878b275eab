// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { STRUCTS } from '../../src/shared/kernel/abi.generated.js';
import { readSweep } from '../../src/shared/kernel/sweep-records.js';
import { FakeSweep, sweepBytes, unknownRecord, type SweepSeed } from '../fakes/fake-kernel.js';
import { OWNER, TUPLE } from '../fakes/dispatcher-world.js';

/** With the zero that ends a name. */
const NODE_BYTES = STRUCTS.tlshub_secured.fields.peer_node.bytes;

const SEEDS: SweepSeed[] = [
  { cookie: 1n, tuple: TUPLE, skState: 8, agentTx: 17 },
  {
    cookie: 2n,
    tuple: TUPLE,
    owner: OWNER,
    encrypts: 3,
    traffic: { sent: 5, received: 7 },
    secured: { peerNode: 'b' },
  },
  {
    cookie: 3n,
    tuple: { ...TUPLE, lport: 9 },
    generation: 4,
    role: 'passive',
    agreed: { what: 5, epoch: 0x8a0b0c, number: 65535 },
    secured: { peerNode: 'c'.repeat(NODE_BYTES - 1) },
  },
  { cookie: 4n, tuple: TUPLE, class: 2, establishedNs: 2 ** 50, refused: 3 },
];

describe('records of a sweep', () => {
  it('come out of pieces of any size, each field from its own place', () => {
    for (const piece of [1, 7, 100, 304, 305, 4096, 100_000]) {
      const sweep = new FakeSweep(sweepBytes(SEEDS), piece);
      const records = Array.from(readSweep(sweep, 0), (record) => record.copy());
      expect(records.map((record) => record.cookie)).to.deep.equal([1n, 2n, 3n, 4n]);
      expect(records.map((record) => record.skState)).to.deep.equal([8, 1, 1, 1]);
      expect(records.map((record) => record.agentTx)).to.deep.equal([17, 0, 0, 0]);
      expect(records.map((record) => record.owner)).to.deep.equal([undefined, OWNER, undefined, undefined]);
      expect(records.map((record) => record.encrypts)).to.deep.equal([0, 3, 0, 0]);
      expect(records.map((record) => record.traffic?.received)).to.deep.equal([undefined, 7, undefined, undefined]);
      expect(records.map((record) => record.generation)).to.deep.equal([1, 1, 4, 1]);
      expect(records.map((record) => record.role)).to.deep.equal(['active', 'active', 'passive', 'active']);
      expect(records.map((record) => record.agreed)).to.deep.equal([
        undefined,
        undefined,
        { what: 'direct', epoch: 0x8a0b0c, number: 65535 },
        undefined,
      ]);
      expect(records.map((record) => record.class)).to.deep.equal([1, 1, 1, 2]);
      expect(records.map((record) => record.refused)).to.deep.equal([0, 0, 0, 3]);
      expect(records.map((record) => record.establishedNs)).to.deep.equal([1, 1, 1, 2 ** 50]);
      expect(records.map((record) => record.tuple.lport)).to.deep.equal([4711, 4711, 9, 4711]);
      expect(records.map((record) => record.secured?.peerNode)).to.deep.equal([
        undefined,
        'b',
        'c'.repeat(NODE_BYTES - 1),
        undefined,
      ]);
      expect(sweep.open, 'descriptors').to.equal(0);
    }
  });

  it('are as many as the kernel has, in memory for a few', () => {
    const many = Array.from({ length: 1000 }, (_, i): SweepSeed => ({ cookie: BigInt(i), tuple: TUPLE, secured: {} }));
    let next = 0n;
    for (const record of readSweep(new FakeSweep(sweepBytes(many), 32768), 0)) expect(record.cookie).to.equal(next++);
    expect(next).to.equal(1000n);
  });

  it('are refused when the list ends within one, and the descriptor is closed', () => {
    for (const cut of [1, 300, 700]) {
      const bytes = sweepBytes([SEEDS[0]!, SEEDS[1]!]);
      const sweep = new FakeSweep(bytes.subarray(0, bytes.length - cut));
      expect(() => [...readSweep(sweep, 0)]).to.throw(RangeError, 'ends within a record');
      expect(sweep.open).to.equal(0);
    }
  });

  it('are skipped by their length where this version does not know them, however long they are', () => {
    const known = SEEDS.map((seed) => sweepBytes([seed]));
    for (const length of [8, 13, 264, 40_000, 65_535]) {
      for (const piece of [7, 1000, 100_000]) {
        const bytes = Buffer.concat(known.flatMap((record) => [unknownRecord(length), record]));
        const cookies = Array.from(readSweep(new FakeSweep(bytes, piece), 0), (record) => record.cookie);
        expect(cookies, `${length} bytes, in pieces of ${piece}`).to.deep.equal([1n, 2n, 3n, 4n]);
      }
    }
    const cut = new FakeSweep(Buffer.concat([known[0]!, unknownRecord(5000).subarray(0, 4000)]));
    expect(() => [...readSweep(cut, 0)]).to.throw(RangeError, 'ends within a record');
  });

  it('end where a length leads nowhere', () => {
    for (const length of [0, 1, 7]) {
      const bytes = sweepBytes(SEEDS);
      bytes.writeUInt16LE(length, 2);
      const sweep = new FakeSweep(bytes);
      expect(() => [...readSweep(sweep, 0)]).to.throw(RangeError, `a record of ${length} bytes`);
      expect(sweep.open).to.equal(0);
    }
  });

  it('may be left before the end', () => {
    const sweep = new FakeSweep(sweepBytes(SEEDS));
    for (const record of readSweep(sweep, 0)) if (record.cookie === 2n) break;
    expect(sweep.open).to.equal(0);
  });
});
