// SPDX-License-Identifier: Apache-2.0
/** Delays of events as counts: bounds, differences, percentiles. */
import { expect } from 'chai';
import {
  DELAY_BOUNDS_NS,
  createDelays,
  delayPercentile,
  delaysSince,
  readDelays,
  type DelayCounts,
} from '../../src/shared/ipc/delays.js';

describe('delays of events', () => {
  it('have bounds that ascend by no more than a sixteenth, from 1 microsecond to a minute', () => {
    expect(DELAY_BOUNDS_NS[0]).to.equal(1024);
    expect(DELAY_BOUNDS_NS.at(-1)).to.be.above(60e9);
    for (let at = 1; at < DELAY_BOUNDS_NS.length; at++) {
      const growth = DELAY_BOUNDS_NS[at]! / DELAY_BOUNDS_NS[at - 1]!;
      expect(growth, `bucket ${at}`).to.be.within(1 + 1 / 32, 1 + 1 / 16);
    }
  });

  it('are read as the buckets that are not empty; what took longer than all bounds has none', () => {
    const buffer = createDelays();
    const words = new Uint32Array(buffer);
    words[0] = 3;
    words[words.length - 1] = 1;
    expect(readDelays(buffer)).to.deep.equal([
      [1.024, 3],
      [null, 1],
    ]);
  });

  it('have percentiles: the bound of the bucket that the rank falls into', () => {
    const counts: DelayCounts = [
      [10, 98],
      [20, 1],
      [40, 1],
    ];
    expect([50, 98, 99, 100].map((p) => delayPercentile(counts, p))).to.deep.equal([10, 10, 20, 40]);
    expect(delayPercentile([[null, 1]], 50)).to.equal(Infinity);
    expect(delayPercentile([], 50)).to.be.NaN;
  });

  it('of a part of the time are the difference of two readings', () => {
    const earlier: DelayCounts = [
      [10, 5],
      [20, 1],
    ];
    const later: DelayCounts = [
      [10, 5],
      [15, 2],
      [20, 4],
      [null, 1],
    ];
    expect(delaysSince(earlier, later)).to.deep.equal([
      [15, 2],
      [20, 3],
      [null, 1],
    ]);
  });
});
