// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { pump } from '../../src/shared/async/pump.js';

describe('a pump', () => {
  it('lets timers have their turn while there is always another record', async () => {
    let read = 0;
    let closed = false;
    const timer = setTimeout(() => (closed = true), 1);
    const most = 100_000;
    await pump({
      wait: () => Promise.resolve(!closed && read < most),
      drain: () => {
        read++;
      },
    });
    clearTimeout(timer);
    expect(closed, `the timer, before ${read} records`).to.equal(true);
  });
});
