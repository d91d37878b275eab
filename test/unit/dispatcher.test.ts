// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { expect } from 'chai';
import { FlowClass, GateReason, Intent, type SweepRecord } from '../../src/shared/kernel/abi.js';
import { monotonicNs } from '../../src/shared/kernel/clock.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import { giveUpAll } from '../../src/supervisor/flow/mass-ending.js';
import { OWNER, REMOTE, TUPLE, World } from '../fakes/dispatcher-world.js';
import { sweepRecords, type SweepSeed } from '../fakes/fake-kernel.js';
import type { LogLine } from '../fakes/memory-logger.js';

describe('dispatcher', () => {
  let world: World;
  beforeEach(() => (world = new World()));
  afterEach(() => world.dispatcher.close());

  it('takes, negotiates, installs, and reports what came of it', async () => {
    world.event('ESTABLISHED');
    expect(world.flow.state).to.equal('negotiating');
    const [pending] = world.provider.pending;
    expect(pending?.request.names).to.deep.include({ role: 'active', peerNames: ['b'], iss: 1, irs: 2 });
    expect(pending?.request.timeoutMs).to.be.within(4000, 5000);
    await world.succeed(pending!);
    expect(world.flow).to.include({
      state: 'secured',
      secured: true,
      pid: 4242,
      comm: 'curl',
      pod: 'pod-b',
      peerNode: 'b',
      provider: 'openssl',
      exchange: 'in-band',
      epoch: null,
      cipher: 'TLS_AES_128_GCM_SHA256',
      tlsVersion: 'TLSv1.3',
      kernelUlp: 'tls',
      negotiationMs: 3,
      reason: '',
    });
    expect(world.flow.holdMs).to.be.within(0.9, 1000);
    expect(world.flow.installMs).to.be.within(0, 1000);
    world.event('CLOSED');
    expect(world.flow).to.include({ state: 'closed', secured: true });
    world.expectClean();
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'install 1']);
    expect(world.dispatcher.counters.values).to.include({ secured: 1, refused: 0 });
    expect(world.dispatcher.counters.values.exchanges).to.deep.equal({ channel: 0, 'in-band': 1, 'out-of-band': 0 });
    const said = world.lines.find(({ message }) => message.startsWith('secured'));
    expect(said?.fields).to.include({ exchange: 'in-band', epoch: undefined });
  });

  for (const role of ['active', 'passive'] as const) {
    it(`gives the kernel the ${role} side's secrets, by their handle`, () => {
      world.event(role === 'active' ? 'ESTABLISHED' : 'ACCEPTED', { role });
      const [pending] = world.provider.pending;
      const { socket } = pending!.request;
      world.handOver(socket, role);
      expect(world.kernel.installs).to.have.length(1);
      expect(world.kernel.installs[0]).to.include({ role, secrets: socket!.ticket + 1000 });
      expect(world.kernel.discarded).to.deep.equal([]);
      // What comes for a descriptor that is gone is not used, and not left behind either.
      world.handOver(socket, role);
      expect(world.kernel.installs).to.have.length(1);
      expect(world.kernel.discarded).to.deep.equal([socket!.ticket + 1000]);
    });
  }

  it('refuses a connection whose secrets are gone, and lets go of its descriptor', async () => {
    world.event('ESTABLISHED');
    world.helpers.noKeys = new TlshubError('TLSHUB_SECRETS', 'gone');
    await world.succeed(world.provider.pending[0]!);
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_SECRETS' });
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'refuse 1', 'release 1']);
    expect(world.work.inFlight).to.equal(0);
    world.expectClean();
  });

  it('begins with no connection any more once the gate is about to go, whoever tells of it', () => {
    world.dispatcher.beginNothing();
    world.event('ESTABLISHED');
    world.event('HELD');
    world.event('ACCEPTED', { cookie: 2n, role: 'passive' });
    expect(world.kernel.calls).to.deep.equal([]);
    expect(world.provider.pending).to.have.length(0);
  });

  it("has TLS's last records pushed out when a program shuts its sending side, whether it knows the flow or not", () => {
    world.event('ENDING', { cookie: 77n, generation: 3 });
    expect(world.helpers.ends).to.have.length(1);
    expect(world.helpers.ends[0]).to.include({ tgid: OWNER.tgid, inode: OWNER.inode, cookie: 77n, generation: 3 });
    expect(world.dispatcher.counters.values.flushed).to.equal(1);
    expect([...world.dispatcher.table.all()], 'a flow made of it').to.have.length(0);
    world.helpers.noRoom = new TlshubError('TLSHUB_SOCKET_GONE', 'gone');
    world.event('ENDING', { cookie: 77n, generation: 3 });
    expect(world.dispatcher.counters.values.flushed).to.equal(1);
    expect(world.lines.map(({ message }) => message)).to.deep.equal([
      `the end of a connection of process ${OWNER.tgid} may be lost: gone`,
    ]);
  });

  it('searches no more for the sockets of a cgroup for which it has searched for long, found or not', () => {
    world.helpers.cpuMs = 100;
    world.event('ESTABLISHED');
    world.event('ESTABLISHED', { cookie: 2n });
    expect(world.helpers.searches).to.deep.equal([true, false]);
    world.event('ENDING', { cookie: 3n });
    expect(world.helpers.ends.map(({ search }) => search)).to.deep.equal([false]);
  });

  it('a passive flow waits for its program to accept', async () => {
    world.event('ESTABLISHED', { role: 'passive', owner: undefined });
    expect(world.flow.state).to.equal('held');
    expect(world.dispatcher.table.pending()).to.deep.equal([]);
    world.event('ACCEPTED', { role: 'passive' });
    await world.succeed(world.provider.pending[0]!);
    expect(world.flow.state).to.equal('secured');
    world.expectClean();
  });

  it('refuses with code and reason, and the log says who and why', async () => {
    world.event('ESTABLISHED');
    await world.fail(world.provider.pending[0]!, 'TLSHUB_PEER_CERTIFICATE', 900);
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_PEER_CERTIFICATE' });
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'refuse 1', 'release 1']);
    const line = world.lines.find(({ level }) => level === 'warning');
    expect(line?.message).to.equal('refused curl[4242] to node b: because of TLSHUB_PEER_CERTIFICATE');
    expect(line?.fields.flow).to.equal('10.0.0.1:4711 -> 10.0.0.2:80');
    expect(world.dispatcher.counters.values.failures).to.deep.equal({ TLSHUB_PEER_CERTIFICATE: 1 });
    world.expectClean();
  });

  it('refuses a peer that the mapping does not know, without a handshake', async () => {
    world.peerNodes = [];
    world.event('ESTABLISHED');
    await world.pass();
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_PEER_UNKNOWN', reason: 'not in the mapping' });
    expect(world.provider.pending).to.have.length(0);
    world.expectClean();
  });

  it('lets a health check end by itself: closed without a byte, in the handshake, or before it was taken', async () => {
    world.event('ACCEPTED', { role: 'passive' });
    await world.fail(world.provider.pending[0]!, 'TLSHUB_PEER_CLOSED', 0);
    expect(world.flow.state).to.equal('closed');
    world.kernel.notLive.add(2n);
    world.event('ACCEPTED', { role: 'passive', cookie: 2n });
    await world.pass();
    world.event('ACCEPTED', { role: 'passive', cookie: 3n });
    await world.fail(world.provider.pending[1]!, 'TLSHUB_PEER_CLOSED', 500);
    expect(world.kernel.calls).to.include.members(['forbid 1', 'forbid 2', 'forbid 3']);
    expect(world.kernel.calls.filter((call) => call.startsWith('refuse'))).to.deep.equal([]);
    expect(world.dispatcher.counters.values).to.include({ refused: 0, closedUnsecured: 3 });
    world.expectClean();
  });

  it('a passive peer that resets after bytes is refused, and a server that closes in the handshake: its end can be read', async () => {
    world.event('ACCEPTED', { role: 'passive' });
    await world.fail(world.provider.pending[0]!, 'TLSHUB_PEER_RESET', 1);
    expect(world.flow.state).to.equal('refused');
    world.event('ESTABLISHED', { cookie: 2n });
    await world.fail(world.provider.pending[1]!, 'TLSHUB_PEER_CLOSED', 0);
    expect(world.kernel.calls).to.include.members(['refuse 1', 'forbid 2']);
    expect(world.dispatcher.counters.values).to.include({ refused: 2 });
    world.expectClean();
  });

  it('a program that closes while we negotiate gets its descriptor back at once', async () => {
    world.event('ESTABLISHED');
    world.event('CLOSING', { refs: 2 });
    const [pending] = world.provider.pending;
    expect(pending?.cancelled).to.equal(true);
    expect(world.kernel.open.size).to.equal(1);
    await world.fail(pending!, 'TLSHUB_HANDSHAKE_CANCELLED');
    expect(world.flow).to.include({ state: 'closed', reason: 'the program closed it' });
    expect(world.kernel.calls.slice(1)).to.deep.equal(['release 1', 'continue 1']);
    expect(world.helpers.hungUp).to.deep.equal(['1 true']);
    world.expectClean();
  });

  it('a program that closes before its handshake has begun: what its peer may have sent is not thrown away', async () => {
    world.provider.room = 0;
    world.event('ESTABLISHED');
    await world.pass();
    world.event('CLOSING', { refs: 2 });
    await world.pass();
    expect(world.flow).to.include({ state: 'closed', reason: 'the program closed it' });
    expect(world.helpers.hungUp).to.deep.equal(['1 false']);
    world.expectClean();
  });

  it('a descriptor that closes while others have the file changes nothing', async () => {
    world.event('ESTABLISHED');
    world.event('CLOSING', { refs: 3 });
    expect(world.provider.pending[0]?.cancelled).to.equal(false);
    await world.succeed(world.provider.pending[0]!);
    expect(world.flow.state).to.equal('secured');
  });

  it('a server that closed its descriptor before we took the one of its child has not closed the connection', async () => {
    const before = monotonicNs();
    world.event('ACCEPTED', { role: 'passive' });
    world.event('CLOSING', { refs: 2, timeNs: before });
    expect(world.provider.pending[0]?.cancelled).to.equal(false);
    await world.succeed(world.provider.pending[0]!);
    expect(world.flow.state).to.equal('secured');
  });

  it('a program that closes while its socket is being taken: whether somebody else has it is looked for afterwards', async () => {
    for (const [cookie, kept] of [
      [1n, true],
      [2n, false],
    ] as const) {
      world.helpers.slow = true;
      world.event('ESTABLISHED', { cookie });
      world.event('CLOSING', { cookie, refs: 2 });
      if (!kept) world.kernel.takeErrors.set(cookie, [new TlshubError('TLSHUB_SOCKET_GONE', 'gone')]);
      world.helpers.release();
      await world.pass();
      expect(world.provider.pending.at(-1)?.cancelled, `cookie ${cookie}`).to.equal(!kept);
    }
  });

  it('a connection that the socket gave up for another while it was being taken is let go', async () => {
    world.helpers.slow = true;
    world.event('ESTABLISHED');
    world.event('ESTABLISHED', { generation: 2 });
    world.helpers.release();
    await world.pass();
    expect(world.kernel.calls).to.include('release 1');
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(world.kernel.open.size).to.equal(1);
    await world.succeed(world.provider.pending.at(-1)!);
    expect(world.flow).to.include({ state: 'secured', generation: 2 });
    world.expectClean();
  });

  it('says whose sockets keep helpers waiting, and does no more with them', async () => {
    const lost = (): Error => new TlshubError('TLSHUB_HELPER_LOST', 'it did not come back');
    world.kernel.takeErrors.set(1n, [lost()]);
    world.event('ESTABLISHED');
    await world.pass();
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_HELPER_LOST' });
    expect(world.kernel.calls).to.not.include('destroy 1');
    const line = world.lines.find(({ level }) => level === 'error');
    expect(line?.message).to.include('a helper process was given up');
    expect(line?.fields).to.include({ comm: 'curl', code: 'TLSHUB_HELPER_LOST' });
    world.expectClean();
  });

  it('counts the helpers that other threads have lost, which it does not see itself', async () => {
    const { values } = world.dispatcher.counters;
    world.kernel.takeErrors.set(1n, [new TlshubError('TLSHUB_HELPER_LOST', 'it did not come back')]);
    world.event('ESTABLISHED');
    await world.pass();
    expect(values.helpersLostElsewhere, 'one of its own').to.equal(0);
    world.event('ESTABLISHED', { cookie: 2n });
    await world.fail(world.provider.pending.pop()!, 'TLSHUB_HELPER_LOST');
    expect(values.helpersLostElsewhere, "a negotiator's").to.equal(1);
  });

  it('tries again for a socket that is gone, and takes it from whoever is held with it later', async () => {
    const gone = (): Error => new TlshubError('TLSHUB_SOCKET_GONE', 'gone');
    world.kernel.takeErrors.set(1n, [gone(), gone(), gone(), gone()]);
    world.event('ESTABLISHED');
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(world.dispatcher.counters.values).to.include({ takes: 4, takesGone: 4 });
    expect(world.flow.state).to.equal('held');
    world.expectClean();
    world.event('HELD', { owner: { ...OWNER, tgid: 5000, fd: -1 } });
    expect(world.kernel.calls.at(-1)).to.equal('take 1 from 5000');
    expect(world.flow).to.include({ state: 'negotiating', pid: 4242 });
  });

  it('destroys what it could not take', async () => {
    world.kernel.takeErrors.set(1n, [new TlshubError('TLSHUB_SOCKET_FOREIGN_TLS', 'it has keys already')]);
    world.event('ESTABLISHED');
    await world.pass();
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'destroy 1', 'continue 1']);
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_SOCKET_FOREIGN_TLS' });
    world.expectClean();
  });

  it('gives up at the deadline even if the provider says nothing', async function () {
    world.dispatcher.close();
    world = new World({ handshakeTimeoutMs: 20 });
    world.event('ESTABLISHED');
    await new Promise((resolve) => setTimeout(resolve, 320));
    const [pending] = world.provider.pending;
    expect(pending?.cancelled).to.equal(true);
    await world.fail(pending!, 'TLSHUB_HANDSHAKE_CANCELLED');
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_HANDSHAKE_TIMEOUT' });
    world.expectClean();
  });

  it('an install that fails is refused by the installer itself', async () => {
    world.kernel.installErrors.set(1n, new TlshubError('TLSHUB_SYS', 'setsockopt(TLS_TX): EBUSY', { errno: 'EBUSY' }));
    world.event('ESTABLISHED');
    await world.succeed(world.provider.pending[0]!);
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'install 1', 'refuse 1', 'release 1']);
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_SYS', reason: 'setsockopt(TLS_TX): EBUSY' });
    world.expectClean();
  });

  it('retries once what a dying worker had not touched, and refuses what it may have', async () => {
    const lost = { ok: false, lost: true, code: 'TLSHUB_WORKER_LOST', reason: 'the worker died' } as const;
    world.event('ESTABLISHED');
    world.provider.pending[0]!.settle(lost);
    await world.pass();
    expect(world.provider.pending).to.have.length(2);
    await world.succeed(world.provider.pending[1]!);
    expect(world.flow.state).to.equal('secured');

    world.event('ACCEPTED', { role: 'passive', cookie: 2n });
    world.provider.pending[2]!.settle(lost);
    world.kernel.agentTx = 300;
    world.event('ESTABLISHED', { cookie: 3n });
    world.provider.pending[3]!.settle(lost);
    await world.pass();
    expect(world.provider.pending).to.have.length(4);
    const states = world.reports().map(({ state, code }) => `${state} ${code}`);
    expect(states.slice(1)).to.deep.equal(Array(2).fill('refused TLSHUB_WORKER_LOST'));
    world.expectClean();
  });

  it('never closes a descriptor twice when a dead worker had already handed over', async () => {
    world.event('ESTABLISHED');
    world.kernel.agentTx = 300;
    const [pending] = world.provider.pending;
    pending!.settle({ ok: false, lost: true, code: 'TLSHUB_WORKER_LOST', reason: 'died' });
    await new Promise((resolve) => setImmediate(resolve));
    world.handOver(pending!.request.socket, 'active');
    // The number is another connection's by now.
    world.kernel.open.set(pending!.request.socket!.fd, 99n);
    await world.pass();
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242', 'install 1']);
    expect(world.flow.state).to.equal('secured');
    expect([...world.kernel.open.values()]).to.deep.equal([99n]);
  });

  it('a full pool keeps flows in hold, and serves them in order when there is room', async () => {
    world.provider.room = 1;
    for (const cookie of [1n, 2n, 3n]) world.event('ESTABLISHED', { cookie });
    expect(world.reports().map(({ state }) => state)).to.deep.equal(['negotiating', 'held', 'held']);
    expect(world.dispatcher.counters.values.poolFull).to.equal(2);
    world.provider.makeRoom(1);
    expect(world.provider.pending.map(({ request }) => request.socket?.cookie)).to.deep.equal([1n, 2n]);
    world.event('CLOSED', { cookie: 3n });
    await world.pass();
    world.provider.makeRoom(5);
    expect(world.provider.pending).to.have.length(2);
  });

  it('counts no waiting against the peer, and says that it is overloaded when a place does not come in time', async function () {
    world.dispatcher.close();
    world = new World({ handshakeTimeoutMs: 5000, overloadTimeoutMs: 50 });
    world.provider.room = 1;
    world.event('ESTABLISHED', { cookie: 2n, peerIntent: Intent.UNKNOWN });
    world.event('ESTABLISHED');
    const [pending] = world.provider.pending;
    expect(pending?.request).to.include({ timeoutMs: 5000, peerHasAgent: false });
    expect(pending?.request.waitMs).to.be.within(1, 50);
    await world.fail(pending!, 'TLSHUB_OVERLOAD');
    await new Promise((resolve) => setTimeout(resolve, 400));
    await world.pass();
    expect(world.reports().map(({ code }) => code)).to.deep.equal(['TLSHUB_OVERLOAD', 'TLSHUB_OVERLOAD']);
    world.expectClean();
  });

  it('lets no peer that has had its share stand in the way of another that waits for room, and keeps everybody in line', () => {
    const other = Uint8Array.from([...REMOTE.slice(0, 15), 3]);
    world.provider.room = 0;
    for (const cookie of [1n, 2n, 3n]) world.event('ESTABLISHED', { cookie });
    world.event('ESTABLISHED', { cookie: 4n, tuple: { ...TUPLE, remote: other } });
    world.provider.shut = ({ names }) => names.tuple.remote[15] === 2;
    world.provider.makeRoom(4);
    expect(world.provider.pending.map(({ request }) => request.socket?.cookie)).to.deep.equal([4n]);
    world.provider.shut = () => false;
    world.provider.makeRoom(4);
    expect(world.provider.pending.map(({ request }) => request.socket?.cookie)).to.deep.equal([4n, 1n, 2n, 3n]);
  });

  it('says of the first refusals of a kind what happened, and counts the rest', async () => {
    for (let cookie = 1n; cookie <= 30n; cookie++) world.event('ESTABLISHED', { cookie });
    for (const pending of [...world.provider.pending]) await world.fail(pending, 'TLSHUB_HANDSHAKE_TIMEOUT');
    const said = (): LogLine[] => world.lines.filter(({ message }) => message.startsWith('refused'));
    expect(said()).to.have.length(20);
    world.dispatcher.close();
    expect(said()).to.have.length(21);
    expect(said()[20]?.fields).to.include({ suppressed: 10, code: 'TLSHUB_HANDSHAKE_TIMEOUT' });
  });

  it('says who asked for a kind of socket that the gate does not cover; there is no flow', () => {
    world.event('SOCKET_REFUSED', { cookie: 0n, generation: 0, reason: GateReason.SOCKET_KIND, refs: 21, waitMs: 0 });
    const [line] = world.lines;
    expect(line?.message).to.match(/^refused \S+\[\d+\] a socket of family 21, protocol 0: .*use TCP/);
    expect(line?.fields).to.include({ family: 21, protocol: 0 });
    expect(world.reports()).to.deep.equal([]);
  });

  it('keeps commands that find the ring to the installer full', async () => {
    world.ringFull = true;
    world.event('ESTABLISHED');
    await world.fail(world.provider.pending[0]!, 'TLSHUB_PEER_CERTIFICATE');
    expect(world.kernel.open.size).to.equal(1);
    expect(world.dispatcher.commandsDelayed).to.equal(1);
    world.ringFull = false;
    world.dispatcher.flush();
    await world.pass();
    world.expectClean();
  });

  it('records what policy decided in BPF: plaintext and refused flows', () => {
    world.event('ESTABLISHED', { class: FlowClass.PLAINTEXT });
    expect(world.flow.state).to.equal('plaintext');
    world.event('CLOSED', { class: FlowClass.PLAINTEXT });
    world.event('REFUSED', { class: FlowClass.REFUSED, cookie: 2n, reason: 4 });
    const [plaintext, refused] = world.reports();
    expect(plaintext?.state).to.equal('closed');
    expect(refused).to.include({ state: 'refused', code: 'TLSHUB_PEER_UNKNOWN' });
    expect(refused?.reason).to.contain('outside the mesh');
    expect(refused?.remedy).to.contain('pod_node_config');
    expect(world.dispatcher.counters.values.failures).to.deep.equal({ TLSHUB_PEER_UNKNOWN: 1 });
    expect(world.kernel.calls).to.deep.equal([]);
  });

  it('says who was refused a connect() and where to, though there is no connection yet', () => {
    const nowhere = { ...TUPLE, lport: 0, local: new Uint8Array(16) };
    world.event('REFUSED', { class: FlowClass.REFUSED, reason: GateReason.NOT_MESH, establishedNs: 0, tuple: nowhere });
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_PEER_UNKNOWN', pid: 4242, comm: 'curl' });
    expect(world.flow.dport).to.equal(TUPLE.rport);
    const [line] = world.lines.filter(({ level }) => level === 'warning');
    expect(line?.message).to.match(/^refused curl\[4242\] to an unknown node: the peer is outside the mesh/);
    expect(line?.fields).to.include({ code: 'TLSHUB_PEER_UNKNOWN', comm: 'curl' });
    expect(line?.fields.remedy).to.include('pod_node_config');
  });

  describe('a TCP connection that is not made', () => {
    const unmade = { establishedNs: 0 };

    it('was refused by the peer where nobody listens; no program has closed it', () => {
      world.event('CLOSED', { ...unmade, refs: constants.errno.ECONNREFUSED, owner: OWNER });
      world.event('CLOSING', { ...unmade, refs: 1 });
      expect(world.flow).to.include({ state: 'closed', code: 'TLSHUB_TCP_REFUSED', comm: 'curl' });
      expect(world.flow.reason).to.equal('the peer refused the TCP connection (ECONNREFUSED)');
      expect(world.flow.remedy).to.include('ss -ltn');
      expect(world.kernel.calls).to.deep.equal([]);
      world.expectClean();
    });

    it('is told by what the kernel says of it, also when the program closes it first', () => {
      world.event('CLOSING', { ...unmade, refs: 1 });
      expect(world.flow).to.include({ state: 'closed', code: '' });
      expect(world.flow.reason).to.equal('the program closed it before the connection was made');
      world.event('CLOSED', { ...unmade, refs: constants.errno.EHOSTUNREACH });
      expect(world.flow).to.include({ state: 'closed', code: 'TLSHUB_TCP_UNREACHABLE' });
      expect(world.flow.reason).to.equal('the TCP connection was not made: host is unreachable (EHOSTUNREACH)');
      world.expectClean();
    });

    it('has nothing wrong with it when the program gave up', () => {
      world.event('HELD', unmade);
      world.event('CLOSED', unmade);
      expect(world.flow).to.include({ state: 'closed', code: '', remedy: '' });
      expect(world.flow.reason).to.equal('the program gave up before the connection was made');
      world.expectClean();
    });
  });

  it('has an age, from the SYN on', () => {
    world.event('ESTABLISHED', { createdNs: monotonicNs() - 90e9 });
    expect(world.flow.ageMs).to.be.within(90_000, 100_000);
  });

  it('when the gate refuses a flow under way, it is cancelled and refused properly', async () => {
    world.event('ESTABLISHED');
    world.event('REFUSED', { reason: 1 });
    await world.fail(world.provider.pending[0]!, 'TLSHUB_HANDSHAKE_CANCELLED');
    expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_GATE_REFUSED' });
    expect(world.kernel.calls).to.include('refuse 1');
    world.expectClean();
  });

  it('lets a program that stands still for a silent peer ask the gate again', async () => {
    world.event('ACCEPTED', { role: 'passive' });
    world.event('HELD', { role: 'passive', hold: 'stop', waitMs: 10 });
    await new Promise((resolve) => setTimeout(resolve, 30));
    await world.pass();
    expect(world.kernel.calls.at(-1)).to.equal('continue 1');
    expect(world.flow.state).to.equal('negotiating');
  });

  it('a socket that connects again is a new flow; the old one only gives its descriptor back', async () => {
    world.event('ESTABLISHED');
    world.event('ESTABLISHED', { generation: 2 });
    // Two handshakes on one socket would read each other's bytes: the new one waits for the old one's end.
    expect(world.flow).to.include({ generation: 2, state: 'held' });
    const [old] = world.provider.pending;
    expect(world.provider.pending.length).to.equal(1);
    expect(old?.cancelled).to.equal(true);
    await world.fail(old!, 'TLSHUB_HANDSHAKE_CANCELLED');
    while (world.provider.pending.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    const young = world.provider.pending[1];
    expect(young?.cancelled).to.equal(false);
    expect(world.kernel.calls).to.not.include('refuse 1');
    expect(world.kernel.calls).to.not.include('forbid 1');
    await world.succeed(young!);
    expect(world.flow).to.include({ generation: 2, state: 'secured' });
    world.event('CLOSED', { generation: 1 });
    expect(world.flow.state).to.equal('secured');
    expect(world.dispatcher.counters.values.staleEvents).to.equal(1);
    world.expectClean();
  });

  it('CLOSED before everything else leaves a tombstone', async () => {
    world.event('CLOSED');
    world.event('ESTABLISHED');
    world.event('HELD');
    await world.pass();
    expect(world.flow.state).to.equal('closed');
    expect(world.kernel.calls).to.deep.equal(['continue 1']);
  });

  it('stays bounded over many flows', async () => {
    world.dispatcher.close();
    world = new World({ flowsKept: 50 });
    for (let cookie = 1n; cookie <= 2000n; cookie++) {
      world.event('ESTABLISHED', { cookie });
      await world.succeed(world.provider.pending.pop()!);
      world.event('CLOSED', { cookie });
    }
    expect(world.reports()).to.have.length(50);
    expect(world.dispatcher.counters.values.secured).to.equal(2000);
    world.expectClean();
  }).timeout(20_000);

  it('giving up refuses all that is not secured', async () => {
    world.event('ESTABLISHED', { cookie: 1n });
    await world.succeed(world.provider.pending[0]!);
    world.event('ESTABLISHED', { cookie: 2n });
    world.event('ESTABLISHED', { cookie: 3n, role: 'passive', owner: undefined });
    world.event('ESTABLISHED', { cookie: 4n, class: FlowClass.PLAINTEXT });
    const verdict = { state: 'refused', code: 'TLSHUB_DRAINING', reason: 'bye', final: false } as const;
    expect(giveUpAll(world.dispatcher, verdict)).to.equal(2);
    await world.fail(world.provider.pending[1]!, 'TLSHUB_HANDSHAKE_CANCELLED');
    const states = world.reports().map(({ state }) => state);
    expect(states).to.deep.equal(['secured', 'refused', 'refused', 'plaintext']);
    expect(world.kernel.calls).to.include.members(['refuse 2', 'destroy 3']);
    world.expectClean();
  });

  describe('sweep', () => {
    const later = (): number => monotonicNs() + 10e9;

    it('finds a held flow whose events were lost, and one whose accept was', async () => {
      world.event('ESTABLISHED', { cookie: 2n, role: 'passive', owner: undefined });
      const list = (): Iterable<SweepRecord> =>
        sweepRecords([
          { cookie: 1n, tuple: TUPLE, owner: OWNER },
          { cookie: 2n, tuple: TUPLE, role: 'passive', owner: OWNER },
          { cookie: 3n, tuple: TUPLE, role: 'passive' },
          { cookie: 4n, tuple: TUPLE, class: FlowClass.PLAINTEXT, owner: OWNER },
          { cookie: 5n, tuple: TUPLE, establishedNs: 0, owner: OWNER },
          { cookie: 6n, tuple: TUPLE, skState: 7, owner: OWNER },
        ]);
      expect(world.sweep(list())).to.deep.equal({
        records: 6,
        found: 3,
        gone: 0,
        adopted: 0,
      });
      expect(world.provider.pending.map(({ request }) => request.socket?.cookie).sort()).to.deep.equal([1n, 2n]);
      await world.succeed(world.provider.pending[0]!);
      await world.succeed(world.provider.pending[1]!);
      expect(world.sweep(list()).found).to.equal(0);
      world.expectClean();
    });

    it('adopts what an earlier agent had secured, and refuses what it had begun', async () => {
      const list = sweepRecords([
        { cookie: 1n, tuple: TUPLE, encrypts: 3, agentTx: 500, owner: OWNER },
        { cookie: 2n, tuple: TUPLE, agentTx: 500, owner: OWNER },
      ]);
      expect(world.sweep(list)).to.include({ adopted: 1, found: 1 });
      await world.pass();
      const [adopted, begun] = world.reports();
      expect(adopted).to.include({ state: 'secured', secured: true, comm: 'curl' });
      expect(begun).to.include({ state: 'refused', code: 'TLSHUB_SPOILT' });
      expect(world.kernel.calls).to.deep.equal(['take 2 from 4242', 'refuse 2', 'release 2']);
      world.event('CLOSED', { cookie: 1n });
      expect(world.reports()[0]?.state).to.equal('closed');
      world.expectClean();
    });

    it('closes flows that the kernel has no more, once two lists were without them, but not those that are younger than the list', async () => {
      const gone = (nowNs: number, seeds: SweepSeed[] = []): number => world.sweep(sweepRecords(seeds), nowNs).gone;
      world.event('ESTABLISHED', { cookie: 1n });
      await world.succeed(world.provider.pending[0]!);
      expect([gone(monotonicNs()), gone(monotonicNs())]).to.deep.equal([0, 0]);
      const there = [{ cookie: 1n, tuple: TUPLE, encrypts: 3 }];
      expect([gone(later()), gone(later(), there), gone(later())]).to.deep.equal([0, 0, 0]);
      expect(world.flow.state).to.equal('secured');
      expect(gone(later())).to.equal(1);
      expect(world.flow.state).to.equal('closed');
      expect(gone(later())).to.equal(0);
    });

    it('leaves alone what a call is held on whose SYN is on its way, until it is established', async () => {
      world.event('HELD', { establishedNs: 0 });
      world.sweep(sweepRecords([{ cookie: 1n, tuple: TUPLE, establishedNs: 0, skState: 2, owner: OWNER }]));
      expect(world.kernel.calls).to.deep.equal([]);
      world.event('ESTABLISHED', { owner: undefined });
      await world.succeed(world.provider.pending[0]!);
      expect(world.flow.state).to.equal('secured');
      world.expectClean();
    });

    it('learns of a refusal whose event was lost', async () => {
      world.event('ESTABLISHED');
      world.sweep(sweepRecords([{ cookie: 1n, tuple: TUPLE, refused: 1, owner: OWNER }]));
      await world.fail(world.provider.pending[0]!, 'TLSHUB_HANDSHAKE_CANCELLED');
      expect(world.flow).to.include({ state: 'refused', code: 'TLSHUB_GATE_REFUSED' });
      world.expectClean();
    });
  });
});
