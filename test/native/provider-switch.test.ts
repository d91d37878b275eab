// SPDX-License-Identifier: Apache-2.0
/**
 * Real libraries in real pools with real helper processes, two "nodes" in one process over loopback: switching under load, and workers that
 * die under it.
 */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Role } from '../../src/shared/kernel/words.js';
import { Doorbell } from '../../src/shared/ipc/doorbell.js';
import { ProviderPool } from '../../src/supervisor/provider/pool.js';
import { ProviderSwitch, planKey, type ProviderPlan } from '../../src/supervisor/provider/switch.js';
import type { NegotiationOutcome, ProviderName } from '../../src/supervisor/provider/provider.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { startOwnHelpers } from '../fakes/own-helpers.js';
import { helpersOf } from '../wire/helper-processes.js';
import { fdOf, makeLab, tcpPair, type Lab } from './handshake-kit.js';

const ROLES: readonly Role[] = ['active', 'passive'];
const MODES: readonly ProviderName[] = ['boringssl', 'openssl'];
const TIMEOUT_MS = 10_000;

const descriptors = (): number => readdirSync('/proc/self/fd').length;
const threads = (): number => Number(/^Threads:\s+(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

describe('providers under load', function () {
  this.timeout(120_000);
  let lab: Lab;
  let helpers: ReturnType<typeof startOwnHelpers>;
  let nodes: Record<Role, ProviderSwitch>;
  const fatal: Error[] = [];
  let tickets = 0;

  async function planOf(role: Role, name: ProviderName, poolSize = 1): Promise<ProviderPlan> {
    const node = role === 'active' ? 'a' : 'b';
    const workerData = {
      library: name,
      credentials: await lab.credentials(node),
      nodeName: node,
      doorbell: new Doorbell().buffer,
      ringBytes: 1 << 20,
      keyLogFile: '',
      helperParentFd: helpers.fd,
    };
    const create: ProviderPlan['create'] = async (onFatal, strict) => {
      const pool = new ProviderPool({
        name,
        workerFile: new URL('../../src/workers/negotiator.js', import.meta.url),
        workerData,
        threads: poolSize,
        inFlight: 64,
        queue: 64,
        strict,
        onRing: () => undefined,
        onRingGone: () => undefined,
        onFatal,
        log: memoryLogger().log,
      });
      await pool.ready();
      return pool;
    };
    return { name, key: planKey(workerData, poolSize), create };
  }

  async function start(role: Role, mode: ProviderName, poolSize: number): Promise<ProviderSwitch> {
    return ProviderSwitch.start(await planOf(role, mode, poolSize), {
      retireMs: () => TIMEOUT_MS + 1000,
      onFatal: (error) => fatal.push(error),
      log: memoryLogger().log,
    });
  }

  /** One connection; what both sides came to. */
  async function connect(): Promise<NegotiationOutcome[]> {
    const pair = await tcpPair();
    const ends = ROLES.map((role) => {
      const ticket = ++tickets;
      const negotiation = nodes[role].negotiate({
        names: {
          role,
          tuple: { local: new Uint8Array(16), remote: new Uint8Array(16), lport: 1, rport: 2 },
          iss: 0,
          irs: 0,
          peerNames: [role === 'active' ? 'b' : 'a'],
        },
        socket: { ticket, slot: ticket, fd: fdOf(pair[role]), cookie: BigInt(ticket), generation: 1, charge: 0 },
        askedNs: 0,
        waitMs: TIMEOUT_MS,
        timeoutMs: TIMEOUT_MS,
        peerHasAgent: false,
      });
      if (negotiation === undefined) throw new Error('the pool was full');
      return negotiation.outcome;
    });
    const outcomes = await Promise.all(ends);
    pair.close();
    return outcomes;
  }

  async function quiet(): Promise<void> {
    while (ROLES.some((role) => nodes[role].reports().some(({ state }) => state === 'draining'))) await sleep(20);
  }

  before(async () => {
    lab = await makeLab('lab');
    helpers = startOwnHelpers();
  });
  after(() => {
    helpers.stop();
    return lab.remove();
  });
  afterEach(async () => {
    await Promise.all(ROLES.map((role) => nodes[role].close()));
    expect(fatal.splice(0)).to.deep.equal([]);
  });

  it('20 switches fail nothing, and leave no thread, no descriptor and no helper process behind', async () => {
    nodes = { active: await start('active', 'openssl', 1), passive: await start('passive', 'openssl', 1) };
    for (const mode of MODES) for (const role of ROLES) await nodes[role].use(await planOf(role, mode));
    await quiet();
    // A worker that rests has not heard of its helpers yet: it has their pidfds from its first task on.
    await connect();
    const held = (): Record<string, number> => ({
      descriptors: descriptors(),
      threads: threads(),
      helpers: helpersOf(process.pid).length,
    });
    const before = held();
    const isMore = (): boolean => Object.entries(held()).some(([what, count]) => count > (before[what] ?? 0));
    expect(before.helpers).to.be.greaterThan(8);
    const running: Promise<NegotiationOutcome[]>[] = [];
    const load = setInterval(() => running.push(connect()), 50);
    for (let i = 0; i < 20; i++) {
      const role = ROLES[i % 2]!;
      await nodes[role].use(await planOf(role, MODES[Math.floor(i / 2) % 2]!));
      await sleep(50);
    }
    clearInterval(load);
    const outcomes = (await Promise.all(running)).flat();
    await quiet();
    expect(outcomes.filter(({ ok }) => !ok)).to.deep.equal([]);
    expect(outcomes.length).to.be.greaterThan(60);
    for (const role of ROLES) {
      for (const { name, succeeded, failed } of nodes[role].reports()) {
        expect(succeeded, `${role} by ${name}`).to.be.greaterThan(0);
        expect(failed).to.equal(0);
      }
    }
    for (let i = 0; i < 100 && isMore(); i++) await sleep(50);
    expect(isMore(), `${JSON.stringify(held())}, before ${JSON.stringify(before)}`).to.equal(false);
  });

  it('workers that die or hang cost an outcome at most: none of their negotiations stays open', async () => {
    process.env.TLSHUB_TEST_HOOKS = '1';
    try {
      nodes = { active: await start('active', 'openssl', 2), passive: await start('passive', 'boringssl', 2) };
    } finally {
      delete process.env.TLSHUB_TEST_HOOKS;
    }
    const running: Promise<NegotiationOutcome[]>[] = [];
    const load = setInterval(() => running.push(connect()), 50);
    for (let i = 0; i < 6; i++) {
      await sleep(1200);
      nodes[ROLES[i % 2]!].breakWorker(i === 3 ? 'hang' : 'end');
    }
    clearInterval(load);
    const outcomes = (await Promise.all(running)).flat();
    const codes = new Set(outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.code)));
    expect(codes).to.include('ok');
    codes.delete('ok');
    // The side whose worker died, and the one that waited for it. Here no program has the socket as well: a helper that goes with its
    // worker while the socket is with it ends the connection, by a reset if it had something to read.
    const ways = ['TLSHUB_WORKER_LOST', 'TLSHUB_HANDSHAKE_TIMEOUT', 'TLSHUB_PEER_CLOSED', 'TLSHUB_PEER_RESET'];
    for (const code of codes) expect(code).to.be.oneOf(ways);
    expect(outcomes.filter(({ ok }) => ok).length).to.be.greaterThan(outcomes.length / 2);
    for (const role of ROLES) expect(nodes[role].stats().workersLost).to.be.greaterThan(0);
    // The last one broken may not have its successor yet, the less so on a busy machine.
    for (const role of ROLES) {
      for (let i = 0; i < 200 && (nodes[role].stats().workersLost < 3 || nodes[role].stats().workers < 2); i++)
        await sleep(50);
    }
    expect((await connect()).map(({ ok }) => ok)).to.deep.equal([true, true]);
  });
});
