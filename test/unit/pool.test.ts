// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { MessageReceiver } from '../../src/shared/ipc/message-ring.js';
import { monotonicNs } from '../../src/shared/kernel/clock.js';
import { Doorbell } from '../../src/shared/ipc/doorbell.js';
import type { Negotiated } from '../../src/shared/ipc/messages.js';
import type { Role } from '../../src/shared/kernel/words.js';
import { ProviderPool } from '../../src/supervisor/provider/pool.js';
import type { Negotiation, NegotiationOutcome } from '../../src/supervisor/provider/provider.js';
import { memoryLogger } from '../fakes/memory-logger.js';

describe('provider pool', function () {
  this.timeout(20_000);
  const pools: ProviderPool[] = [];
  const rings = new Map<number, SharedArrayBuffer>();
  const gone: number[] = [];
  const fatal: Error[] = [];
  const doorbell = new Doorbell();
  let tickets = 0;

  async function makePool(
    options: { threads?: number; inFlight?: number; queue?: number } = {},
  ): Promise<ProviderPool> {
    const pool = new ProviderPool({
      name: 'openssl',
      workerFile: new URL('../fakes/fake-negotiator.js', import.meta.url),
      workerData: {
        library: 'openssl',
        credentials: { caPem: '', certPem: '', keyPem: '', ciphers: [] },
        doorbell: doorbell.buffer,
        ringBytes: 65536,
        keyLogFile: '',
      },
      threads: options.threads ?? 1,
      inFlight: options.inFlight ?? 8,
      queue: options.queue ?? 8,
      onRing: (id, ring) => rings.set(id, ring),
      onRingGone: (id) => gone.push(id),
      onFatal: (error) => fatal.push(error),
      log: memoryLogger().log,
    });
    pools.push(pool);
    await pool.ready();
    return pool;
  }

  function negotiate(
    pool: ProviderPool,
    behaviour: string,
    role: Role = 'active',
    timeoutMs = 5000,
    { waitMs = 60_000, peerHasAgent = false } = {},
  ): Negotiation | undefined {
    const ticket = ++tickets;
    return pool.negotiate({
      names: {
        role,
        tuple: { local: new Uint8Array(16), remote: new Uint8Array(16), lport: 1, rport: 2 },
        iss: 0,
        irs: 0,
        peerNames: [behaviour],
      },
      socket: { ticket, slot: ticket, fd: 1000 + ticket, cookie: BigInt(ticket), generation: 1, charge: 0 },
      askedNs: 7,
      waitMs,
      timeoutMs,
      peerHasAgent,
    });
  }

  function must(negotiation: Negotiation | undefined): Negotiation {
    if (negotiation === undefined) throw new Error('the pool was full');
    return negotiation;
  }

  function code(outcome: NegotiationOutcome): string {
    return outcome.ok ? 'ok' : outcome.code;
  }

  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close()));
    rings.clear();
    gone.length = 0;
    expect(fatal.splice(0)).to.deep.equal([]);
  });

  it('rests one thread after the other, each once, while the others negotiate', async () => {
    const pool = await makePool({ threads: 3, inFlight: 2, queue: 8 });
    const outcomes = Array.from({ length: 6 }, () => must(negotiate(pool, 'ok-slow')).outcome);
    expect(await pool.rest()).to.equal(3);
    expect(await Promise.all(outcomes)).to.deep.equal(Array(6).fill({ ok: true, resumed: false }));
    // Threads that wait for a task come out of that wait, and go on afterwards.
    expect(await pool.rest()).to.equal(3);
    expect(await must(negotiate(pool, 'ok')).outcome).to.deep.include({ ok: true });
  });

  it('rests without the thread that dies meanwhile', async () => {
    const pool = await makePool({ threads: 2, inFlight: 2 });
    const crashing = must(negotiate(pool, 'crash')).outcome;
    expect(await pool.rest()).to.be.within(1, 2);
    expect(code(await crashing)).to.equal('TLSHUB_WORKER_LOST');
    const resting = pool.rest();
    await pool.close();
    expect(await resting).to.be.within(0, 2);
  });

  it('runs many handshakes at once on one thread, and sends the handles of secrets over the ring only', async () => {
    const pool = await makePool({ inFlight: 100, queue: 100 });
    const before = doorbell.count();
    const begunNs = monotonicNs();
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => must(negotiate(pool, 'ok-slow')).outcome));
    expect(outcomes).to.deep.equal(Array(40).fill({ ok: true, resumed: false }));
    const [ring] = rings.values();
    const received: Negotiated[] = [];
    const receiver = new MessageReceiver<Negotiated>(ring!);
    receiver.receive((message) => {
      expect(message.secrets).to.equal(0x5ec3e7);
      received.push(message);
    });
    expect(received.map((message) => message.ticket).sort((a, b) => a - b)).to.deep.equal(
      Array.from({ length: 40 }, (_, i) => tickets - 39 + i),
    );
    const { startedNs, ...summary } = received[0]!.summary;
    expect(startedNs).to.be.within(begunNs, monotonicNs());
    expect(summary).to.deep.equal({
      provider: 'openssl',
      askedNs: 7,
      cipher: 'TLS_AES_128_GCM_SHA256',
      tlsVersion: 'TLSv1.3',
      peerName: 'node-b',
      negotiationMs: 2,
    });
    expect(doorbell.count()).to.equal(before + 40);
    expect(pool.stats()).to.include({ started: 40, succeeded: 40, inFlight: 0 });
    expect(pool.stats().library).to.deep.equal({ version: 'FakeSSL 1.0', file: '/fake.so' });
  });

  it('reports failures with their code', async () => {
    const pool = await makePool();
    expect(await must(negotiate(pool, 'fail')).outcome).to.include({ ok: false, code: 'TLSHUB_PEER_CERTIFICATE' });
  });

  it('cancels a handshake under way without disturbing the others', async () => {
    const pool = await makePool();
    const victim = must(negotiate(pool, 'never'));
    const other = must(negotiate(pool, 'ok-slow'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    victim.cancel();
    victim.cancel();
    expect(code(await victim.outcome)).to.equal('TLSHUB_HANDSHAKE_CANCELLED');
    expect(code(await other.outcome)).to.equal('ok');
  });

  it('cancels one whose task has not reached the worker yet, and one that waits for a place', async () => {
    const pool = await makePool({ inFlight: 2, queue: 1 });
    const first = must(negotiate(pool, 'never'));
    const second = must(negotiate(pool, 'never'));
    first.cancel();
    second.cancel();
    expect(code(await second.outcome)).to.equal('TLSHUB_HANDSHAKE_CANCELLED');
    expect(code(await first.outcome)).to.equal('TLSHUB_HANDSHAKE_CANCELLED');
    expect(pool.stats()).to.include({ inFlight: 0, queued: 0 });
  });

  it('gives the peer its time from the beginning, and says who had no place in its own time', async () => {
    const pool = await makePool({ inFlight: 1, queue: 4 });
    const before = performance.now();
    const first = must(negotiate(pool, 'never', 'active', 500));
    const second = must(negotiate(pool, 'never', 'active', 500));
    const hopeless = must(negotiate(pool, 'never', 'active', 500, { waitMs: 100 }));
    expect(await hopeless.outcome).to.include({ code: 'TLSHUB_OVERLOAD', bytesSent: 0 });
    expect(pool.stats()).to.include({ inFlight: 1, queued: 1, failed: 1 });
    expect(code(await first.outcome)).to.equal('TLSHUB_HANDSHAKE_TIMEOUT');
    expect(code(await second.outcome)).to.equal('TLSHUB_HANDSHAKE_TIMEOUT');
    expect(performance.now() - before).to.be.at.least(990);
  });

  it('gives a peer that has an agent the time that it would have waited itself', async () => {
    const pool = await makePool({ inFlight: 16 });
    const before = performance.now();
    const busy = must(negotiate(pool, 'never', 'active', 50, { waitMs: 600, peerHasAgent: true }));
    const silent = must(negotiate(pool, 'never', 'active', 50, { waitMs: 600 }));
    expect(code(await silent.outcome)).to.equal('TLSHUB_HANDSHAKE_TIMEOUT');
    expect(pool.stats().inFlight).to.equal(1);
    expect(code(await busy.outcome)).to.equal('TLSHUB_HANDSHAKE_TIMEOUT');
    expect(performance.now() - before).to.be.at.least(590);
  });

  it('begins a few negotiations with a peer that has yet to answer', async () => {
    const pool = await makePool({ inFlight: 100, queue: 100 });
    const many = Array.from({ length: 40 }, () => must(negotiate(pool, 'ok-slow')));
    expect(pool.stats()).to.include({ inFlight: 4, queued: 36 });
    for (const { outcome } of many) expect(code(await outcome)).to.equal('ok');
  });

  it('a pool of one serves a passive flow while its active one waits for a peer', async () => {
    const pool = await makePool({ inFlight: 1, queue: 4 });
    const active = must(negotiate(pool, 'never', 'active'));
    const queued = must(negotiate(pool, 'ok', 'active'));
    expect(code(await must(negotiate(pool, 'ok', 'passive')).outcome)).to.equal('ok');
    expect(pool.stats()).to.include({ inFlight: 1, queued: 1 });
    active.cancel();
    expect(code(await queued.outcome)).to.equal('ok');
  });

  it('says when it is full, counts it, and says when there is room again', async () => {
    const pool = await makePool({ inFlight: 2, queue: 0 });
    let room = 0;
    pool.onRoom(() => room++);
    const running = must(negotiate(pool, 'ok-slow'));
    expect(negotiate(pool, 'ok')).to.equal(undefined);
    expect(pool.stats().full).to.equal(1);
    await running.outcome;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(room).to.equal(1);
  });

  it('a crashing worker costs its own flows an outcome, and is replaced', async () => {
    const pool = await makePool();
    const bystander = must(negotiate(pool, 'never'));
    const crash = must(negotiate(pool, 'crash'));
    const outcomes = await Promise.all([bystander.outcome, crash.outcome]);
    for (const outcome of outcomes) expect(outcome).to.include({ ok: false, lost: true, code: 'TLSHUB_WORKER_LOST' });
    expect(code(await must(negotiate(pool, 'ok')).outcome)).to.equal('ok');
    expect(pool.stats()).to.include({ workers: 1, workersLost: 1, inFlight: 0 });
    expect(gone).to.have.length(1);
    expect(rings.size).to.equal(2);
  });

  it('a worker that is late but alive is left alone', async () => {
    const pool = await makePool();
    // Its promise never settles, but the event loop turns.
    const stuck = must(negotiate(pool, 'stuck', 'active', 50));
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(pool.stats()).to.include({ workers: 1, workersLost: 0 });
    expect(code(await must(negotiate(pool, 'ok')).outcome)).to.equal('ok');
    stuck.cancel();
    expect(code(await stuck.outcome)).to.equal('TLSHUB_HANDSHAKE_CANCELLED');
  });

  it('a hanging worker is ended after the deadline of its flows', async () => {
    const pool = await makePool();
    const hang = must(negotiate(pool, 'hang', 'active', 100));
    expect(await hang.outcome).to.include({ lost: true });
    expect(code(await must(negotiate(pool, 'ok')).outcome)).to.equal('ok');
  });

  it('closing settles everything', async () => {
    const pool = await makePool({ inFlight: 2, queue: 2 });
    const running = must(negotiate(pool, 'never'));
    const waiting = must(negotiate(pool, 'never'));
    await new Promise((resolve) => setTimeout(resolve, 10));
    await pool.close();
    expect((await running.outcome).ok).to.equal(false);
    expect(code(await waiting.outcome)).to.equal('TLSHUB_HANDSHAKE_CANCELLED');
    expect(negotiate(pool, 'ok')).to.equal(undefined);
  });
});
