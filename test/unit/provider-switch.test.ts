// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import type { Provider, ProviderName } from '../../src/supervisor/provider/provider.js';
import { ProviderSwitch, planKey, type ProviderPlan } from '../../src/supervisor/provider/switch.js';
import { FakeProvider } from '../fakes/fake-provider.js';
import { memoryLogger } from '../fakes/memory-logger.js';

const REQUEST = {
  names: {
    role: 'active' as const,
    tuple: { local: new Uint8Array(16), remote: new Uint8Array(16), lport: 1, rport: 2 },
    iss: 0,
    irs: 0,
    peerNames: ['b'],
  },
  socket: undefined,
  askedNs: 0,
  waitMs: 0,
  timeoutMs: 1000,
  peerHasAgent: false,
};

/** Lets timers and microtasks run until something is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('switch of providers', () => {
  let made: FakeProvider[];
  let fatal: Error[];
  let failures: ((error: Error) => void)[];
  let broken: Error | undefined;

  const plan = (name: ProviderName, settings = ''): ProviderPlan => ({
    name,
    key: planKey(name, settings),
    create: (onFatal): Promise<Provider> => {
      if (broken !== undefined) return Promise.reject(broken);
      const provider = new FakeProvider(name);
      made.push(provider);
      failures.push(onFatal);
      return Promise.resolve(provider);
    },
  });
  const start = (retireMs = 2000): Promise<ProviderSwitch> =>
    ProviderSwitch.start(plan('openssl'), {
      retireMs: () => retireMs,
      onFatal: (error) => fatal.push(error),
      log: memoryLogger().log,
    });
  const finish = (provider: FakeProvider | undefined): void =>
    provider?.pending.shift()?.settle({ ok: true, resumed: false });

  beforeEach(() => {
    made = [];
    fatal = [];
    failures = [];
    broken = undefined;
  });

  it('gives new negotiations to the new provider at once, and lets the old one finish before it is closed', async () => {
    const providers = await start();
    const before = providers.negotiate(REQUEST);
    expect(await providers.use(plan('boringssl'))).to.deep.equal({ mode: 'boringssl', previous: 'openssl' });
    providers.negotiate(REQUEST);
    expect(made.map(({ pending }) => pending.length)).to.deep.equal([1, 1]);
    expect(providers.name).to.equal('boringssl');
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(made[0]?.closed).to.equal(false);
    expect(providers.reports().map(({ name, state }) => [name, state])).to.deep.equal([
      ['boringssl', 'active'],
      ['openssl', 'draining'],
    ]);
    finish(made[0]);
    expect(await before?.outcome).to.deep.equal({ ok: true, resumed: false });
    await until(() => made[0]?.closed === true);
    await until(() => providers.reports()[1]?.state === 'closed');
    expect(providers.reports()[1]).to.include({ name: 'openssl', workers: 0, inFlight: 0, started: 1 });
    expect(made[1]?.closed).to.equal(false);
  });

  it('tells at once that another one is in force, and only then', async () => {
    const providers = await start();
    const told: string[] = [];
    providers.onSwitch(() => told.push(providers.name));
    await providers.use(plan('openssl'));
    broken = new Error('no library');
    await providers.use(plan('tlshub')).catch(() => undefined);
    expect(told).to.deep.equal([]);
    broken = undefined;
    await providers.use(plan('tlshub'));
    expect(told).to.deep.equal(['tlshub']);
    await providers.close();
  });

  it('adds the lives of a provider up', async () => {
    const providers = await start();
    for (const mode of ['boringssl', 'openssl', 'boringssl', 'openssl'] as const) {
      providers.negotiate(REQUEST);
      finish(made.at(-1));
      await providers.use(plan(mode));
    }
    await until(() => made.filter(({ closed }) => closed).length === 4);
    await until(() => providers.reports().every(({ state }) => state !== 'draining'));
    expect(
      providers.reports().map(({ name, state, started, workers }) => [name, state, started, workers]),
    ).to.deep.equal([
      ['openssl', 'active', 2, 1],
      ['boringssl', 'closed', 2, 0],
    ]);
  });

  it('keeps the old one in force when the new one does not start, and says why', async () => {
    const providers = await start();
    broken = new Error('no such library');
    const failure = await providers.use(plan('boringssl')).catch((error: unknown) => error);
    expect(failure).to.equal(broken);
    expect(providers.name).to.equal('openssl');
    providers.negotiate(REQUEST);
    expect(made[0]?.pending).to.have.length(1);
    expect(made[0]?.closed).to.equal(false);
    broken = undefined;
    expect(await providers.use(plan('boringssl'))).to.include({ mode: 'boringssl' });
  });

  it('carries out switches one after the other, and does nothing for the one in force', async () => {
    const providers = await start();
    expect(await providers.use(plan('openssl'))).to.deep.equal({ mode: 'openssl', previous: 'openssl' });
    const results = await Promise.all([
      providers.use(plan('boringssl')),
      providers.use(plan('openssl')),
      providers.use(plan('openssl')),
    ]);
    expect(results.map(({ mode, previous }) => `${previous} ${mode}`)).to.deep.equal([
      'openssl boringssl',
      'boringssl openssl',
      'openssl openssl',
    ]);
    expect(made).to.have.length(3);
  });

  it('replaces a provider by the same one with other settings, in the same way', async () => {
    const providers = await start();
    const before = providers.negotiate(REQUEST);
    expect(await providers.use(plan('openssl', 'other'))).to.deep.equal({ mode: 'openssl', previous: 'openssl' });
    providers.negotiate(REQUEST);
    expect(made.map(({ pending }) => pending.length)).to.deep.equal([1, 1]);
    await providers.use(plan('openssl', 'other'));
    expect(made).to.have.length(2);
    finish(made[0]);
    expect(await before?.outcome).to.deep.equal({ ok: true, resumed: false });
    await until(() => made[0]?.closed === true);
    expect(made[1]?.closed).to.equal(false);
  });

  it('waits between preparation and change, changes nothing when it is given up, and lets the next one begin', async () => {
    const providers = await start();
    const first = await providers.prepare(plan('boringssl'));
    let second = '';
    const next = providers.use(plan('tlshub')).then(({ previous }) => (second = previous));
    providers.negotiate(REQUEST);
    expect(made.map(({ pending }) => pending.length)).to.deep.equal([1, 0]);
    expect(second).to.equal('');
    await first.discard();
    expect(made[1]?.closed).to.equal(true);
    await next;
    expect(second).to.equal('openssl');
    expect(providers.name).to.equal('tlshub');
    const unchanged = await providers.prepare(plan('tlshub'));
    expect(unchanged.commit()).to.deep.equal({ mode: 'tlshub', previous: 'tlshub' });
    expect(made).to.have.length(3);
  });

  it('closes when a preparation under way has come to its end', async () => {
    const providers = await start();
    const prepared = await providers.prepare(plan('boringssl'));
    const closed = providers.close();
    prepared.commit();
    await closed;
    expect(made.map((provider) => provider.closed)).to.deep.equal([true, true]);
    expect(await providers.use(plan('tlshub'))).to.deep.equal({ mode: 'boringssl', previous: 'boringssl' });
  });

  it('tells those who found the old one full to ask again, and does not pass the old one on any more', async () => {
    const providers = await start();
    let room = 0;
    providers.onRoom(() => room++);
    made[0]!.room = 0;
    expect(providers.negotiate(REQUEST)).to.equal(undefined);
    await providers.use(plan('boringssl'));
    expect(room).to.equal(1);
    made[0]!.makeRoom(1);
    expect(room).to.equal(1);
    made[1]!.makeRoom(1);
    expect(room).to.equal(2);
  });

  it('closes an old one that does not come to its end', async () => {
    const providers = await start(50);
    providers.negotiate(REQUEST);
    await providers.use(plan('boringssl'));
    await until(() => made[0]?.closed === true);
  });

  it('an old one that dies is closed and nothing more; the one in force takes the agent with it', async () => {
    const providers = await start();
    providers.negotiate(REQUEST);
    await providers.use(plan('boringssl'));
    failures[0]?.(new Error('old'));
    expect(made[0]?.closed).to.equal(true);
    expect(fatal).to.deep.equal([]);
    failures[1]?.(new Error('present'));
    expect(fatal.map(({ message }) => message)).to.deep.equal(['present']);
  });

  it('closes all of them', async () => {
    const providers = await start();
    providers.negotiate(REQUEST);
    await providers.use(plan('boringssl'));
    await providers.close();
    expect(made.map(({ closed }) => closed)).to.deep.equal([true, true]);
  });
});
