// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { backOffMs } from '../../src/supervisor/provider/back-off.js';
import { ChannelWorld, FakeSessions, flowOf, settings } from '../fakes/channel-world.js';

describe('channels: epochs that this node opens', () => {
  let world: ChannelWorld;
  beforeEach(() => (world = new ChannelWorld()));

  it('one is opened at need, once, and named when its secret is there', () => {
    world.channels.need('b');
    world.channels.need('b');
    expect(world.sessions.opens).to.deep.equal([{ address: '10.0.0.2', port: 9466, node: 'b', epoch: 101 }]);
    expect(world.channels.reports()).to.have.length(1);
    expect(world.channels.reports()[0]).to.include({ node: 'b', direction: 'opened', state: 'opening', epoch: 101 });
    world.opened();
    expect(world.epochs.order).to.deep.equal(['add 101', 'name 101']);
    expect(world.epochs.named.get(101)?.untilNs).to.equal(BigInt((world.nowMs + 120_000) * 1e6));
    expect(world.channels.reports()[0]).to.include({
      state: 'open',
      library: 'openssl',
      cipher: 'TLS_AES_128_GCM_SHA256',
    });
    world.channels.need('b');
    expect(world.sessions.opens).to.have.length(1);
  });

  it('none to a node that has no endpoint, that the mapping does not have, or while there are no sessions', () => {
    world.channels.need('x');
    world.channels.change(settings(['a', 'c'], 'b 10.0.0.2\n'));
    for (const node of ['b', 'c']) world.channels.need(node);
    world.channels.change(settings());
    world.channels.use(undefined, true);
    world.channels.need('b');
    expect(world.sessions.opens).to.deep.equal([]);
  });

  it('one that was used is renewed before it is over, kept, and then wiped; the session is closed', () => {
    world.channels.need('b');
    const first = world.opened();
    world.give(first, 10);
    world.pass(109);
    expect(world.sessions.opens).to.have.length(2);
    const second = world.opened();
    world.pass(12);
    expect(world.epochs.named.has(first), 'named after 120 s').to.equal(false);
    expect(world.channels.reports().map(({ state }) => state)).to.deep.equal(['kept', 'open']);
    expect(world.channels.derive(flowOf('active', first)), 'a flow that is under way').to.have.property('secrets');
    world.pass(10);
    expect(world.epochs.order.slice(-1)).to.deep.equal([`forget ${first}`]);
    expect(world.sessions.calls).to.deep.equal([`close ${first}: over`]);
    expect(world.channels.derive(flowOf('active', first))).to.include({ code: 'TLSHUB_CHANNEL_EPOCH_GONE' });
    expect(world.channels.derive(flowOf('active', second))).to.have.property('secrets');
    expect(world.channels.reports()).to.have.length(1);
    expect(world.channels.reports()[0]).to.include({ renewals: 1, flows: 0 });
  });

  it('one that nobody used is let go, and its node costs nothing then', () => {
    world.channels.need('b');
    world.opened();
    world.pass(131);
    expect(world.sessions.opens).to.have.length(1);
    expect(world.channels.reports()).to.deep.equal([]);
    expect(world.epochs.secrets.size).to.equal(0);
  });

  it('a failed opening is tried again after 1 s, 2 s, 4 s and so on, and only when somebody needs it', () => {
    world.channels.need('b');
    for (const [seconds, opens] of [
      [1, 1],
      [2, 2],
      [4, 3],
    ] as const) {
      world.ended({ opened: world.sessions.opens.at(-1)!.epoch }, 'TLSHUB_PEER_CERTIFICATE');
      expect(world.sessions.opens).to.have.length(opens);
      world.pass(seconds - 1);
      world.channels.need('b');
      expect(world.sessions.opens, `after ${seconds - 1} s`).to.have.length(opens);
      world.pass(1);
      expect(world.sessions.opens, 'without need').to.have.length(opens);
      world.channels.need('b');
      expect(world.sessions.opens, `after ${seconds} s`).to.have.length(opens + 1);
    }
    world.ended({ opened: world.sessions.opens.at(-1)!.epoch }, 'TLSHUB_PEER_CERTIFICATE');
    const [report] = world.channels.reports();
    expect(report).to.include({ node: 'b', state: 'failed', epoch: 0 });
    expect(report?.lastError).to.include({ code: 'TLSHUB_PEER_CERTIFICATE' });
    expect(world.channels.totals().failed).to.deep.equal({ TLSHUB_PEER_CERTIFICATE: 4 });
    expect(world.lines.filter(({ level }) => level === 'warning')).to.have.length(1);
  });

  it('back-off ends at a minute', () => {
    expect([0, 1, 2, 3, 6, 7, 8, 1e9].map(backOffMs)).to.deep.equal([0, 1e3, 2e3, 4e3, 32e3, 6e4, 6e4, 6e4]);
  });

  it('a session that breaks takes its epoch with it: out of the kernel first, then its secret', () => {
    world.channels.need('b');
    const epoch = world.opened();
    world.ended({ opened: epoch }, 'TLSHUB_CHANNEL_LOST');
    expect(world.epochs.order).to.deep.equal(['add 101', 'name 101', 'unname 101', 'forget 101']);
    const refused = world.channels.derive(flowOf('active', epoch));
    expect(refused).to.include({ code: 'TLSHUB_CHANNEL_EPOCH_GONE' });
    world.pass(1);
    world.channels.need('b');
    expect(world.sessions.opens).to.have.length(2);
  });

  it('one that the peer ends in order takes no new flows, and those under way still have keys for 10 s', () => {
    world.channels.need('b');
    const epoch = world.opened();
    world.ended({ opened: epoch });
    expect(world.epochs.named.size).to.equal(0);
    expect(world.channels.derive(flowOf('active', epoch))).to.have.property('secrets');
    world.pass(10);
    expect(world.epochs.secrets.size).to.equal(0);
    expect(world.sessions.calls, 'its session is over').to.deep.equal([]);
  });

  it('a number that was taken: no more are given of its epoch, and the next one is opened at once', () => {
    world.channels.need('b');
    const epoch = world.opened();
    world.pass(1);
    world.give(epoch, 7);
    for (let i = 0; i < 3; i++) {
      world.channels.hear({ type: 'number-taken', name: { opened: epoch }, number: 5 }, world.sessions);
    }
    expect(world.epochs.named.size).to.equal(0);
    expect(world.sessions.opens).to.have.length(2);
    const second = world.opened();
    expect(world.channels.totals().numbersTaken).to.equal(3);
    expect(world.epochs.named.size).to.equal(1);
    world.give(second, 1);
    world.channels.hear({ type: 'number-taken', name: { opened: second }, number: 6 }, world.sessions);
    expect(world.sessions.opens, 'a handshake a second').to.have.length(2);
    world.pass(1);
    expect(world.sessions.opens).to.have.length(3);
  });

  it('a map that is full is a failed opening, and no secret is left of it', () => {
    world.epochs.full = true;
    world.channels.need('b');
    const epoch = world.opened();
    expect(world.epochs.secrets.size).to.equal(0);
    expect(world.sessions.calls).to.deep.equal([`close ${epoch}: unused`]);
    expect(world.channels.reports()[0]).to.include({ state: 'failed' });
  });

  it('what opens after it was given up is closed, and its secret wiped', () => {
    world.channels.need('b');
    world.channels.change(settings(['a']));
    expect(world.sessions.calls).to.deep.equal(['close 101: changed']);
    world.opened();
    expect(world.epochs.discarded).to.have.length(1);
    expect(world.epochs.secrets.size + world.epochs.named.size).to.equal(0);
  });

  it('a node that leaves the mapping loses its epochs at once; one that moves has another made', () => {
    world.channels.need('b');
    world.opened();
    world.channels.need('c');
    const second = world.opened();
    world.give(second, 3);
    world.channels.change(settings(['a', 'c'], 'c 10.0.0.33\n'));
    expect([...world.epochs.secrets]).to.deep.equal([`opened c ${second}`]);
    expect(world.epochs.named.size).to.equal(0);
    world.pass(1);
    expect(world.sessions.opens.at(-1)).to.include({ node: 'c', address: '10.0.0.33' });
  });

  it('refuses an epoch of a node that the mapping does not give for the address', () => {
    world.channels.need('b');
    const epoch = world.opened();
    expect(world.channels.derive(flowOf('active', epoch, 1, ['c', 'd']))).to.include({
      code: 'TLSHUB_CHANNEL_STRANGER',
    });
    expect(world.channels.derive(flowOf('active', epoch, 1, ['c', 'b']))).to.include({
      peerName: 'b',
      provider: 'openssl',
    });
  });

  it('a tick costs nothing for nodes without an epoch, however many there are', () => {
    const names = Array.from({ length: 10_000 }, (_, i) => `n${i}`);
    const file = names.map((name, i) => `${name} 10.1.${i >> 8}.${i & 255 || 256 - 1}:${9000 + (i & 255 ? 0 : 1)}`);
    world.channels.change(settings(['a', ...names], file.join('\n')));
    for (const node of names) {
      world.channels.need(node);
      world.ended({ opened: world.sessions.opens.at(-1)!.epoch }, 'TLSHUB_PEER_RESET');
    }
    const begun = performance.now();
    world.pass(1000);
    expect((performance.now() - begun) / 1000, 'ms a tick').to.be.below(0.5);
  });
});

describe('channels: epochs that other nodes open', () => {
  let world: ChannelWorld;
  beforeEach(() => (world = new ChannelWorld()));

  it('one is taken and named by the number of its node; the newest alone is named', () => {
    world.accepted(1, 500);
    expect(world.epochs.order).to.deep.equal(['add 500', `name 500 of ${world.numberOf('b')}`]);
    world.accepted(2, 501);
    expect(world.epochs.nodeNames.get(world.numberOf('b'))?.epoch).to.equal(501);
    world.pass(121);
    expect(world.epochs.nodeNames.size).to.equal(0);
    world.pass(10);
    expect(world.epochs.secrets.size).to.equal(0);
    expect(world.sessions.calls.slice(-2)).to.deep.equal(['close session 1: over', 'close session 2: over']);
  });

  it('takes four live ones of a node, each id once, and of nodes of the mesh alone', () => {
    for (let i = 1; i <= 4; i++) world.accepted(i, 500 + i);
    world.accepted(5, 505);
    world.accepted(6, 501, 'c');
    world.accepted(7, 501, 'c');
    world.accepted(8, 600, 'x');
    world.accepted(9, 600, 'a');
    expect(world.sessions.calls.filter((call) => call.startsWith('reject'))).to.deep.equal([
      'reject 5: too-many',
      'reject 7: epoch',
      'reject 8: not-wanted',
      'reject 9: name',
    ]);
    world.channels.leave();
    world.accepted(10, 700, 'c');
    expect(world.sessions.calls.at(-1)).to.equal('reject 10: leaving');
  });

  it("whose gate is to be the next agent's names none any more, makes none, and has keys for what was agreed on before", () => {
    world.channels.need('b');
    const ours = world.opened();
    world.accepted(1, 500);
    world.channels.retire();
    expect(world.epochs.named.size).to.equal(0);
    for (const keys of [world.channels.derive(flowOf('active', ours)), world.channels.derive(flowOf('passive', 500))]) {
      expect(keys).to.include({ peerName: 'b' });
    }
    world.accepted(2, 501, 'c');
    expect(world.sessions.calls.at(-1)).to.equal('reject 2: leaving');
    world.pass(1);
    expect(world.sessions.opens).to.have.length(1);
  });

  it('a number makes keys once; the peer is told when the connection is refused for it', () => {
    world.accepted(1, 500);
    expect(world.channels.derive(flowOf('passive', 500, 9))).to.include({ peerName: 'b', provider: 'openssl' });
    const again = world.channels.derive(flowOf('passive', 500, 9));
    expect(again).to.include({ code: 'TLSHUB_CHANNEL_NUMBER_TAKEN' });
    expect(world.channels.totals().numbersTaken).to.equal(0);
    if ('refused' in again) again.refused();
    expect(world.channels.totals().numbersTaken).to.equal(1);
    expect(world.sessions.calls.at(-1)).to.equal('number 9 of 1 is taken');
    expect(world.channels.reports()[0]).to.include({ direction: 'accepted', flows: 1, state: 'open' });
  });

  it("a connection from an address that is not its opener's is refused, and one with an epoch that is gone", () => {
    world.accepted(1, 500);
    expect(world.channels.derive(flowOf('passive', 500, 1, ['c']))).to.include({ code: 'TLSHUB_CHANNEL_STRANGER' });
    expect(world.channels.derive(flowOf('passive', 501))).to.include({ code: 'TLSHUB_CHANNEL_EPOCH_GONE' });
    world.ended({ accepted: 1 }, 'TLSHUB_CHANNEL_LOST');
    expect(world.epochs.order.slice(2)).to.deep.equal([`unname 500 of ${world.numberOf('b')}`, 'forget 500']);
    expect(world.channels.derive(flowOf('passive', 500))).to.include({ code: 'TLSHUB_CHANNEL_EPOCH_GONE' });
  });

  it('a node that leaves the mapping while its epoch is on the way has none', () => {
    const terms = {
      epoch: 500,
      opener: 'b',
      listener: 'a',
      cipher: 'TLS_AES_128_GCM_SHA256',
      group: 'X25519',
    } as const;
    world.channels.hear({ type: 'proposed', session: 1, ...terms }, world.sessions);
    world.channels.change(settings(['a', 'c'], ''));
    world.channels.hear({ type: 'open', name: { accepted: 1 }, secret: 44, ...terms }, world.sessions);
    expect(world.epochs.discarded).to.deep.equal([44]);
    expect(world.sessions.calls.at(-1)).to.equal('close session 1: changed');
  });
});

describe('channels: within the node, and when sessions are others', () => {
  let world: ChannelWorld;
  beforeEach(() => (world = new ChannelWorld()));

  it('an epoch of its own is for both ends, and lives as any', () => {
    world.channels.need('a');
    expect(world.sessions.opens).to.deep.equal([]);
    expect([...world.epochs.named.keys()]).to.deep.equal([101]);
    expect(world.channels.derive(flowOf('active', 101, 3, ['a']))).to.have.property('secrets');
    expect(world.channels.derive(flowOf('passive', 101, 3, ['a']))).to.have.property('secrets');
    expect(world.channels.derive(flowOf('passive', 101, 3, ['a']))).to.include({ code: 'TLSHUB_CHANNEL_NUMBER_TAKEN' });
    world.give(101, 1);
    world.pass(109);
    expect([...world.epochs.named.keys()], 'renewed').to.deep.equal([101, 102]);
    world.pass(22);
    expect([...world.epochs.secrets].sort()).to.deep.equal(['accepted a 102', 'opened a 102']);
    world.pass(131);
    expect(world.epochs.secrets.size).to.equal(0);
    expect(world.epochs.nodeNames.size).to.equal(0);
    expect(world.channels.reports()).to.deep.equal([]);
  });

  it('another library takes over: old epochs stay for connections under way, new ones are its own', () => {
    world.channels.need('b');
    const old = world.opened();
    world.give(old, 2);
    world.accepted(1, 500);
    world.channels.use(undefined, true);
    expect(world.epochs.named.size + world.epochs.nodeNames.size).to.equal(0);
    expect(world.channels.derive(flowOf('active', old))).to.have.property('secrets');
    expect(world.channels.derive(flowOf('passive', 500))).to.have.property('secrets');
    const others = new FakeSessions();
    world.channels.use(others, true);
    world.pass(1);
    expect(others.opens.map(({ node }) => node)).to.deep.equal(['b']);
    world.pass(10);
    expect(world.epochs.secrets.size).to.equal(0);
    expect([...world.sessions.calls.slice(1), ...others.calls], "closes nobody else's sessions").to.deep.equal([]);
  });

  it('sessions that broke, or that the new credentials do not stand for, leave nothing', () => {
    world.channels.need('b');
    world.opened();
    world.accepted(1, 500);
    world.channels.need('a');
    world.channels.use(undefined, false);
    expect(world.epochs.secrets.size + world.epochs.named.size + world.epochs.nodeNames.size).to.equal(0);
    world.opened();
    expect(world.epochs.discarded, 'what an old thread still says').to.have.length(1);
  });

  it('when the gate goes its maps are not touched any more, and connections under way have their keys', () => {
    world.channels.need('b');
    const epoch = world.opened();
    world.channels.leave();
    const done = world.epochs.order.length;
    world.ended({ opened: epoch });
    world.channels.need('c');
    expect(world.epochs.order).to.have.length(done);
    expect(world.channels.derive(flowOf('active', epoch))).to.have.property('secrets');
    world.channels.close();
    expect(world.epochs.closed).to.equal(true);
  });
});
