// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { collectGarbage } from '../../src/shared/async/collect-garbage.js';
import { leaveGarbage, physicalHeap } from './support/heap.js';

describe('collecting garbage', () => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  before(() => process.on('warning', warned));
  after(() => process.off('warning', warned));

  it('gives back what a thread has left behind, though little of it is all over the heap', () => {
    // What tests before this one have in use is not garbage.
    collectGarbage();
    collectGarbage();
    const inUse = physicalHeap();
    const kept = leaveGarbage();
    const left = physicalHeap() - inUse;
    collectGarbage();
    collectGarbage();
    expect(physicalHeap() - inUse).to.be.lessThan(left / 2);
    expect(kept.length).to.be.greaterThan(0);
  });

  it('does so in threads, too, and says nothing about it', async () => {
    const worker = new Worker(new URL('./support/garbage-worker.js', import.meta.url), { stderr: true });
    let said = '';
    worker.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const exited = once(worker, 'exit'); // may come right behind the message
    const [{ before, after }] = (await once(worker, 'message')) as [{ before: number; after: number }];
    await exited;
    expect(after).to.be.lessThan(before / 2);
    expect(said).to.equal('');
    expect(warnings).to.deep.equal([]);
  }).timeout(60_000);
});
