// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { runSteps } from '../../src/supervisor/shutdown.js';

describe('shutdown', () => {
  it('takes its steps one after the other, each when the one before has ended', async () => {
    const done: string[] = [];
    const late = (name: string): { name: string; run: () => Promise<void> } => ({
      name,
      run: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        done.push(name);
      },
    });
    await runSteps([late('one'), { name: 'two', run: () => done.push('two') }, late('three')]);
    expect(done).to.deep.equal(['one', 'two', 'three']);
  });

  it('ends at the first that fails, and names it', async () => {
    const done: string[] = [];
    const cause = new Error('the kernel said no');
    const failed = await runSteps([
      { name: 'drain', run: () => done.push('drain') },
      { name: 'gate', run: () => Promise.reject(cause) },
      { name: 'guardian', run: () => done.push('guardian') },
    ]).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(failed?.message).to.equal('shutdown: gate: the kernel said no');
    expect(failed?.cause).to.equal(cause);
    expect(done).to.deep.equal(['drain']);
  });
});
