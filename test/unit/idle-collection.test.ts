// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { IdleCollection } from '../../src/supervisor/idle-collection.js';

describe('rest', () => {
  let done: string[] = [];
  let rest: IdleCollection;
  let records = 0;

  /** Looks every five seconds, as the supervisor does. Returns when, in seconds, what was done. */
  function pass(fromS: number, toS: number, busy = false): string[] {
    done = [];
    const log: string[] = [];
    for (let s = fromS; s < toS; s += 5) {
      if (busy) records++;
      rest.look(records >>> 0, s * 1000);
      log.push(...done.splice(0).map((what) => `${what} ${s}`));
    }
    return log;
  }

  beforeEach(() => {
    records = 0;
    rest = new IdleCollection({
      collect: () => {
        done.push('collect');
        return Promise.resolve();
      },
      trim: () => done.push('trim'),
    });
  });

  it('collects twice when connections have come and then none did for ten seconds, and trims from then on', () => {
    expect(pass(0, 30, true)).to.deep.equal([]);
    expect(pass(30, 60)).to.deep.equal(['collect 35', 'trim 40', 'collect 45', 'trim 50', 'trim 55']);
  });

  it('leaves out the second time when a connection comes in between', () => {
    expect(pass(0, 5, true)).to.deep.equal([]);
    expect(pass(5, 15)).to.deep.equal(['collect 10']);
    expect(pass(15, 20, true)).to.deep.equal([]);
    expect(pass(20, 60).filter((what) => what.startsWith('collect'))).to.deep.equal([]);
  });

  it('leaves an agent alone that has had no connection yet, but for the allocator', () => {
    expect(pass(0, 1000).filter((what) => what.startsWith('collect'))).to.deep.equal([]);
  });

  it('never collects while connections come and go', () => {
    expect(pass(0, 1000, true)).to.deep.equal([]);
  });

  it('does not begin again within a minute, and then only if there was a connection', () => {
    expect(pass(0, 5, true)).to.deep.equal([]);
    expect(pass(5, 25)).to.deep.equal(['collect 10', 'trim 15', 'collect 20']);
    expect(pass(25, 30, true)).to.deep.equal([]);
    const collections = pass(30, 600).filter((what) => what.startsWith('collect'));
    expect(collections).to.deep.equal(['collect 80', 'collect 90']);
  });

  it('takes a count that has wrapped for an event', () => {
    records = 2 ** 32 - 1;
    expect(pass(0, 5)).to.deep.equal([]);
    expect(pass(5, 15)).to.deep.equal(['collect 10']);
    records++;
    expect(pass(100, 105)).to.deep.equal([]);
    expect(pass(105, 115)).to.deep.equal(['collect 110']);
  });
});
