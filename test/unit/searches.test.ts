// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { Searches } from '../../src/supervisor/flow/searches.js';

describe('searches', () => {
  let now = 1000;
  const searches = new Searches(() => now);

  it('are allowed until one was long: then the cgroup rests twenty times as long, and no other', () => {
    expect(searches.allowed(1)).to.equal(true);
    searches.spent(1, 100);
    expect([searches.allowed(1), searches.allowed(2)]).to.deep.equal([false, true]);
    now += 1999;
    expect(searches.allowed(1)).to.equal(false);
    now += 1;
    expect(searches.allowed(1)).to.equal(true);
  });

  it('cost nothing where they are short', () => {
    for (let i = 0; i < 100; i++) searches.spent(3, 5);
    expect(searches.allowed(3)).to.equal(true);
  });
});
