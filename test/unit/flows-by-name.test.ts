// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { ChannelWhat, Class } from '../../src/shared/kernel/abi.generated.js';
import type { Agreement } from '../../src/shared/kernel/abi.js';
import { MOST_WAITING } from '../../src/supervisor/flow/names.js';
import { giveUpAll } from '../../src/supervisor/flow/mass-ending.js';
import { OWNER, TUPLE, World } from '../fakes/dispatcher-world.js';

const AGREED: Agreement = { what: 'translated', epoch: 77, number: 3 };
const PASSIVE = { role: 'passive', agreed: AGREED, owner: undefined } as const;

describe('flows whose keys both ends make by name', () => {
  let world: World;
  beforeEach(() => (world = new World()));
  afterEach(() => world.dispatcher.close());

  it('active: keys at once, no provider is asked, and a helper takes its socket and sets them', async () => {
    world.event('ESTABLISHED', { agreed: AGREED });
    await world.pass();
    expect(world.provider.pending).to.have.length(0);
    expect(world.names.asked).to.have.length(1);
    expect(world.names.asked[0]).to.deep.include({ role: 'active', agreed: AGREED, iss: 1, irs: 2, peerNodes: ['b'] });
    expect(world.flow).to.include({
      ...{ state: 'secured', provider: 'boringssl', peerNode: 'b', cipher: 'TLS_CHACHA20_POLY1305_SHA256' },
      ...{ exchange: 'channel', epoch: 77, negotiationMs: 0.5 },
    });
    const [install] = world.kernel.installs;
    expect(install).to.include({ secrets: 701, role: 'active', txSequence: 0n, rxSequence: 0n, peerNode: 'b' });
    expect(install).to.include({ handshakeBytesSent: 0, handshakeBytesReceived: 0 });
    world.expectClean();
    world.event('CLOSED', { agreed: AGREED });
    expect(world.kernel.discarded).to.deep.equal([]);
    expect(world.names.asked, 'keys are made once').to.have.length(1);
  });

  it('passive: keys at ESTABLISHED, which wait for the program without a deadline', async () => {
    world = new World({ handshakeTimeoutMs: 20 });
    world.event('ESTABLISHED', PASSIVE);
    expect(world.names.asked).to.have.length(1);
    await new Promise((resolve) => setTimeout(resolve, 400));
    await world.pass();
    expect(world.flow.state).to.equal('held');
    world.names.refusal = { code: 'TLSHUB_CHANNEL_EPOCH_GONE', reason: 'gone by now' };
    world.event('ACCEPTED', { ...PASSIVE, owner: OWNER });
    await world.pass();
    expect(world.flow).to.include({ state: 'secured', exchange: 'channel' });
    expect(world.kernel.installs[0]).to.include({ secrets: 701, role: 'passive' });
    expect(world.names.asked, 'keys are made once').to.have.length(1);
    world.expectClean();
  });

  it('a refusal is carried out when the socket is there, with its code, and then the peer is told', async () => {
    world.names.refusal = { code: 'TLSHUB_CHANNEL_NUMBER_TAKEN', reason: 'taken' };
    world.event('ESTABLISHED', PASSIVE);
    await world.pass();
    expect(world.names.refusals).to.equal(0);
    world.event('ACCEPTED', { ...PASSIVE, owner: OWNER });
    await world.pass();
    expect(world.names.refusals).to.equal(1);
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_CHANNEL_NUMBER_TAKEN', reason: 'taken' });
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'refuse 1', 'release 1']);
    world.expectClean();
  });

  it('keys of a flow that ends before its socket is taken are wiped, whoever ends it', async () => {
    world.event('ESTABLISHED', PASSIVE);
    world.event('CLOSED', PASSIVE);
    world.event('ESTABLISHED', { ...PASSIVE, cookie: 2n });
    giveUpAll(world.dispatcher, { state: 'refused', code: 'TLSHUB_DRAINING', reason: 'leaving', final: false });
    world.event('ESTABLISHED', { ...PASSIVE, cookie: 3n });
    world.event('ESTABLISHED', { ...PASSIVE, cookie: 3n, generation: 2, agreed: undefined });
    world.event('ESTABLISHED', { ...PASSIVE, cookie: 4n });
    world.dispatcher.close();
    await world.pass();
    expect(world.kernel.discarded).to.deep.equal([701, 702, 703, 704]);
    expect(world.kernel.installs).to.deep.equal([]);
  });

  it('a cgroup that accepts nothing has its share of the memory for secrets, and others have theirs', async () => {
    for (let i = 0; i <= MOST_WAITING; i++)
      world.event('ESTABLISHED', { ...PASSIVE, cookie: BigInt(i + 1), cgroup: 7n });
    expect(world.names.asked).to.have.length(MOST_WAITING);
    world.event('ESTABLISHED', { ...PASSIVE, cookie: 100_000n, cgroup: 8n });
    expect(world.names.asked).to.have.length(MOST_WAITING + 1);
    const last = BigInt(MOST_WAITING + 1);
    world.event('ACCEPTED', { ...PASSIVE, cookie: last, cgroup: 7n, owner: OWNER });
    await world.pass();
    const [refused] = world.reports().filter(({ cookie }) => cookie === String(last));
    expect(refused).to.include({ state: 'refused', code: 'TLSHUB_OVERLOAD' });
    world.event('CLOSED', { ...PASSIVE, cookie: 1n, cgroup: 7n });
    world.event('ESTABLISHED', { ...PASSIVE, cookie: 200_000n, cgroup: 7n });
    expect(world.names.asked).to.have.length(MOST_WAITING + 2);
  });

  it('one that ends while a helper is at it was secured all the same', async () => {
    world.event('ESTABLISHED', PASSIVE);
    world.helpers.slow = true;
    world.event('ACCEPTED', { ...PASSIVE, owner: OWNER });
    world.event('CLOSED', PASSIVE);
    world.helpers.release();
    await world.pass();
    expect(world.flow).to.include({ state: 'closed', secured: true });
    expect(world.kernel.discarded).to.deep.equal([]);
    world.expectClean();
  });

  /** Until a helper has been asked for its socket so often. */
  const taken = async (cookie: bigint, times: number): Promise<void> => {
    const asked = (): number => world.kernel.calls.filter((call) => call.startsWith(`take ${cookie} `)).length;
    while (asked() < times) await new Promise((resolve) => setTimeout(resolve, 1));
  };

  it('a socket that is gone is looked for again with the same keys, and with none when it stays away', async () => {
    const gone = (): Error => Object.assign(new Error('gone'), { code: 'TLSHUB_SOCKET_GONE' });
    world.kernel.takeErrors.set(1n, [gone()]);
    world.event('ESTABLISHED', { agreed: AGREED });
    await taken(1n, 2);
    await world.pass();
    expect(world.flow).to.include({ state: 'secured', exchange: 'channel' });
    expect(world.kernel.installs.map(({ secrets }) => secrets)).to.deep.equal([10_701]);
    expect(world.names.asked).to.have.length(1);
    world.kernel.takeErrors.set(2n, [gone(), gone(), gone(), gone()]);
    world.event('ESTABLISHED', { agreed: AGREED, cookie: 2n });
    await taken(2n, 4);
    await world.pass();
    world.event('CLOSED', { agreed: AGREED, cookie: 2n });
    await world.pass();
    expect(world.kernel.discarded).to.deep.equal([40_702]);
    world.expectClean();
  });

  it('one that is over by the time it is taken keeps nothing of its keys', async () => {
    world.kernel.notLive.add(1n);
    world.event('ESTABLISHED', { agreed: AGREED });
    await world.pass();
    expect(world.flow).to.include({ state: 'closed', secured: false });
    expect(world.kernel.installs).to.deep.equal([]);
    expect(world.kernel.discarded).to.deep.equal([10_701]);
    world.expectClean();
  });

  it('keys that cannot be set are used up, and the connection is refused by the helper, with its reason', async () => {
    world.kernel.installErrors.set(1n, Object.assign(new Error('no'), { code: 'TLSHUB_INSTALL' }));
    world.event('ESTABLISHED', { agreed: AGREED });
    await world.pass();
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_INSTALL', secured: false });
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'install 1', 'refuse 1', 'release 1']);
    expect(world.kernel.discarded).to.deep.equal([]);
    world.expectClean();
  });

  it('secrets that no keys can be made of end the connection', async () => {
    world.helpers.noKeys = Object.assign(new Error('no memory'), { code: 'TLSHUB_SECRETS' });
    world.event('ESTABLISHED', { agreed: AGREED });
    await world.pass();
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_SECRETS' });
    expect(world.kernel.calls).to.deep.equal(['destroy 1', 'continue 1']);
    world.expectClean();
  });

  it('an event that was lost is made up for by the sweep', async () => {
    const agreed = { what: ChannelWhat.DIRECT, epoch: 5, number: 65_535 };
    world.sockets = [{ cookie: 9n, role: 'passive', class: Class.MESH, establishedNs: 5, tuple: TUPLE, agreed }];
    world.sweep();
    expect(world.names.asked.map((flow) => flow.agreed)).to.deep.equal([{ what: 'direct', epoch: 5, number: 65_535 }]);
    world.sweep();
    expect(world.names.asked).to.have.length(1);
    world.sockets = [{ ...world.sockets[0]!, owner: OWNER }];
    world.sweep();
    await world.pass();
    expect(world.kernel.installs[0]).to.include({ secrets: 701, role: 'passive' });
    world.expectClean();
  });

  it('the sweep also says what a flow agreed on whose SYN alone had been heard of', async () => {
    world.event('HELD', { establishedNs: 0, iss: 0, irs: 0 });
    expect(world.names.asked).to.have.length(0);
    const agreed = { what: ChannelWhat.DIRECT, epoch: 5, number: 1 };
    world.sockets = [{ cookie: 1n, class: Class.MESH, establishedNs: 5, tuple: TUPLE, agreed, owner: OWNER }];
    world.sweep();
    await world.pass();
    expect(world.flow).to.include({ state: 'secured', exchange: 'channel', epoch: 5 });
    world.expectClean();
  });

  it('what an earlier agent agreed on is refused: nobody has its epoch any more', async () => {
    world.names.refusal = { code: 'TLSHUB_CHANNEL_EPOCH_GONE', reason: 'of an earlier agent' };
    const agreed = { what: ChannelWhat.DIRECT, epoch: 5, number: 1 };
    world.sockets = [{ cookie: 1n, class: Class.MESH, establishedNs: 5, tuple: TUPLE, agreed, owner: OWNER }];
    world.sweep();
    await world.pass();
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_CHANNEL_EPOCH_GONE' });
    world.expectClean();
  });

  it('a flow that an earlier agent has begun with, or whose peer nobody knows, has no keys made', async () => {
    world.peerNodes = [];
    world.event('ESTABLISHED', { agreed: AGREED });
    await world.pass();
    expect(world.names.asked).to.have.length(0);
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_PEER_UNKNOWN' });
  });

  it('says which nodes an epoch is needed for: of flows that connect and go in-band', async () => {
    world.event('ESTABLISHED', PASSIVE);
    world.event('ESTABLISHED', { cookie: 2n, role: 'passive', owner: undefined });
    world.event('ESTABLISHED', { cookie: 3n, agreed: AGREED });
    await world.pass();
    expect(world.names.needed).to.deep.equal([]);
    world.event('ESTABLISHED', { cookie: 4n });
    expect(world.names.needed).to.deep.equal(['b']);
    // Behind a service address: whoever proves to be there.
    world.peerNodes = ['b', 'c'];
    world.event('ESTABLISHED', { cookie: 5n });
    expect(world.names.needed).to.deep.equal(['b']);
    await world.succeed(world.provider.pending.at(-1)!);
    expect(world.names.needed).to.deep.equal(['b', 'b']);
  });

  it('news of a secured connection that comes too late wipes what was made of it, and tells nobody', async () => {
    world.kernel.takeErrors.set(1n, [Object.assign(new Error('secured'), { code: 'TLSHUB_SOCKET_SECURED' })]);
    world.event('ESTABLISHED', { agreed: AGREED });
    await world.pass();
    expect(world.kernel.discarded).to.deep.equal([10_701]);
    expect(world.names.refusals).to.equal(0);
    expect([...world.dispatcher.table.all()]).to.have.length(0);
  });
});
