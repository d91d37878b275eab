import { expect } from 'chai';
import { SharedAnswer } from '../../src/shared/async/shared-answer.js';

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('an answer that is shared', () => {
  let now: number;
  let asked: number;
  let settle: { resolve(): void; reject(error: Error): void };
  let shared: SharedAnswer<number>;
  beforeEach(() => {
    now = 1000;
    asked = 0;
    const find = (): Promise<number> => {
      const number = ++asked;
      return new Promise((resolve, reject) => (settle = { resolve: () => resolve(number), reject }));
    };
    shared = new SharedAnswer(find, 100, () => now);
  });

  it('is the same for all who ask while it is under way, however long that takes', async () => {
    const first = shared.get();
    now += 60_000;
    const second = shared.get();
    settle.resolve();
    expect([await first, await second]).to.deep.equal([1, 1]);
  });

  it('is given again for a while, and then anew', async () => {
    const first = shared.get();
    settle.resolve();
    await first;
    now += 99;
    expect(await shared.get()).to.equal(1);
    now += 1;
    const second = shared.get();
    settle.resolve();
    expect(await second).to.equal(2);
  });

  it('that took long is given again for longer: most of the time nobody looks for one', async () => {
    const first = shared.get();
    now += 1000;
    settle.resolve();
    await first;
    now += 3999;
    expect(await shared.get()).to.equal(1);
    now += 1;
    void shared.get();
    expect(asked).to.equal(2);
  });

  it('is also shared when it is an error, and looked for again later', async () => {
    const first = shared.get();
    settle.reject(new Error('no'));
    expect(await failure(first)).to.be.instanceOf(Error);
    expect(await failure(shared.get())).to.be.instanceOf(Error);
    expect(asked).to.equal(1);
    now += 100;
    const second = shared.get();
    settle.resolve();
    expect(await second).to.equal(2);
  });
});
