// SPDX-License-Identifier: Apache-2.0
/** What becomes of connections when the agent leaves its gate to the next one. */
import { expect } from 'chai';
import type { Agreement } from '../../src/shared/kernel/abi.js';
import { finishBegun } from '../../src/supervisor/shutdown.js';
import { OWNER, World } from '../fakes/dispatcher-world.js';

const AGREED: Agreement = { what: 'translated', epoch: 77, number: 5 };
const NOT_ACCEPTED = { agreed: AGREED, role: 'passive', owner: undefined } as const;

describe('handing over', () => {
  let world: World;
  let swept: number;
  beforeEach(() => {
    world = new World();
    swept = 0;
  });
  afterEach(() => world.dispatcher.close());

  const begin = (deadlineMs: number): ReturnType<typeof finishBegun> =>
    finishBegun(
      world.dispatcher,
      () => swept++,
      deadlineMs,
      () => world.dispatcher.beginAgreedOnly(),
    );

  it('finishes what is begun, and begins nothing more', async () => {
    world.event('ESTABLISHED');
    const over = begin(10_000);
    world.event('ESTABLISHED', { cookie: 2n });
    await world.succeed(world.provider.pending[0]!);
    expect(await over).to.include({ forced: false, refused: 0, unanswered: false });
    expect(world.reports().map(({ state }) => state)).to.deep.equal(['secured', 'held']);
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'install 1']);
    expect(swept).to.equal(1);
    world.expectClean();
  });

  it('finishes connections with keys by name, whose keys nobody else has', async () => {
    world.event('ESTABLISHED', NOT_ACCEPTED);
    const over = begin(10_000);
    world.event('ACCEPTED', { ...NOT_ACCEPTED, owner: OWNER });
    world.event('ESTABLISHED', { cookie: 2n, agreed: { ...AGREED, number: 6 } });
    await world.pass();
    expect(await over).to.include({ forced: false, refused: 0 });
    expect(world.reports().map(({ state }) => state)).to.deep.equal(['secured', 'secured']);
    world.expectClean();
  });

  it('leaves alone what nothing was said on when the time is up, and refuses the rest', async () => {
    world.event('ACCEPTED', { role: 'passive' });
    world.event('ACCEPTED', { cookie: 2n, role: 'passive' });
    world.event('ESTABLISHED', { ...NOT_ACCEPTED, cookie: 3n });
    world.event('ESTABLISHED', { cookie: 4n, role: 'passive', owner: undefined });
    const over = begin(0);
    const [silent, spoken] = world.provider.pending;
    while (silent?.cancelled !== true || spoken?.cancelled !== true) await world.pass();
    await world.fail(silent, 'TLSHUB_HANDSHAKE_CANCELLED');
    await world.fail(spoken, 'TLSHUB_HANDSHAKE_CANCELLED', 100);
    expect(await over).to.include({ forced: true, refused: 3, unanswered: false });
    expect(world.kernel.calls.filter((call) => !/^(take|continue)/.test(call))).to.have.members([
      'release 1',
      'refuse 2',
      'release 2',
      'destroy 3',
    ]);
    expect(world.kernel.discarded, "the keys of the one that wasn't accepted").to.have.length(1);
    expect(world.reports().map(({ code }) => code)).to.deep.equal(['', 'TLSHUB_DRAINING', 'TLSHUB_DRAINING', '']);
    world.expectClean();
  });
});
