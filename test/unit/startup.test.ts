// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { Startup } from '../../src/supervisor/startup.js';

describe('Startup', () => {
  let now = 0;
  const make = (): Startup => new Startup({ now: () => now, bootstrapMs: 40 });

  beforeEach(() => (now = 100));

  it('begins with Node.js itself and the loading of the program', () => {
    expect(make().steps).to.deep.equal([
      { step: 'node', ms: 40 },
      { step: 'load', ms: 60 },
    ]);
  });

  it('times what is done at once and what is answered later, and passes the results on', async () => {
    const startup = make();
    expect(
      startup.time('gate', () => {
        now += 5.26;
        return 'open';
      }),
    ).to.equal('open');
    const slow = startup.time('provider', async () => {
      await Promise.resolve();
      now += 30;
      return 2;
    });
    startup.time('mapping', () => (now += 1));
    expect(await slow).to.equal(2);
    startup.ready();
    expect(startup.steps.slice(2)).to.deep.equal([
      { step: 'gate', ms: 5.3 },
      { step: 'mapping', ms: 1 },
      { step: 'provider', ms: 31 },
      { step: 'total', ms: 136.3 },
    ]);
  });

  it('does not count a step that failed', async () => {
    const startup = make();
    expect(() =>
      startup.time('gate', () => {
        throw new Error('no gate');
      }),
    ).to.throw('no gate');
    const error: unknown = await startup
      .time('provider', () => Promise.reject(new Error('no provider')))
      .catch((reason: unknown) => reason);
    expect(error).to.have.property('message', 'no provider');
    expect(startup.steps.map(({ step }) => step)).to.deep.equal(['node', 'load']);
  });

  it('counts from the start of this process', () => {
    const { steps } = new Startup();
    expect(steps.map(({ step }) => step)).to.deep.equal(['node', 'load']);
    for (const { ms } of steps) expect(ms).to.be.greaterThan(0);
  });
});
