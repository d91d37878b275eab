// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { NodeNumbers } from '../../src/supervisor/gate/node-numbers.js';

describe("nodes' numbers", () => {
  it('are from 1 on, and stay', () => {
    const numbers = new NodeNumbers();
    expect([numbers.of('b'), numbers.of('a'), numbers.of('b')]).to.deep.equal([1, 2, 1]);
    expect([0, 1, 2, 3].map((number) => numbers.nameOf(number))).to.deep.equal([undefined, 'b', 'a', undefined]);
  });

  it('an address of several nodes has none, nor has one of no node', () => {
    const numbers = new NodeNumbers();
    expect([numbers.ofOne(['a']), numbers.ofOne(['a', 'b']), numbers.ofOne([])]).to.deep.equal([1, 0, 0]);
    expect(numbers.nameOf(2), 'named by the way').to.equal(undefined);
  });
});
