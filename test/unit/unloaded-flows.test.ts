// SPDX-License-Identifier: Apache-2.0
/** Secured flows that the agent unloads: their sockets remember them. */
import { expect } from 'chai';
import { loadConfig } from '../../src/config/load.js';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import type { SecuredRecord } from '../../src/shared/kernel/abi.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import { FlowMetrics, type FlowMetricsReport } from '../../src/metrics/flow-metrics.js';
import type { SweepResult } from '../../src/supervisor/flow/sweep.js';
import { Revocation } from '../../src/supervisor/flow/revocation.js';
import { OWNER, TUPLE, World } from '../fakes/dispatcher-world.js';
import type { SweepSeed } from '../fakes/fake-kernel.js';
import { NodeFiles } from '../fakes/settings.js';
import { heapUsed } from './support/heap.js';
import { temporaryFolder } from './support/temporary.js';

/** More than the table keeps of secured flows. */
const MANY = 100;
const HOW: SecuredRecord = {
  provider: 'boringssl',
  cipher: 'TLS_CHACHA20_POLY1305_SHA256',
  tlsVersion: 'TLSv1.3',
  peerNode: 'b',
  askedNs: 12e6,
  startedNs: 13e6,
  negotiationNs: 4e6,
  openedNs: 18e6,
};
const TIMES = { createdNs: 9e6, establishedNs: 10e6 };

describe('unloaded flows', () => {
  const path = temporaryFolder();
  let world: World;
  beforeEach(() => (world = new World()));
  afterEach(() => world.dispatcher.close());

  const report = (): FlowMetricsReport => world.report();
  const sweep = (): SweepResult => world.sweep();
  const socket = (cookie: bigint, more: Partial<SweepSeed> = {}): SweepSeed => ({
    cookie,
    tuple: TUPLE,
    encrypts: 3,
    owner: OWNER,
    secured: { ...HOW },
    ...more,
  });

  async function secure(cookie: bigint): Promise<void> {
    world.event('ESTABLISHED', { cookie });
    await world.succeed(world.provider.pending.pop()!);
    world.provider.pending.length = 0;
  }

  async function secureMany(): Promise<void> {
    for (let cookie = 1n; cookie <= MANY; cookie++) {
      await secure(cookie);
      world.sockets.push(socket(cookie, { traffic: { sent: 10, received: 20 } }));
    }
  }

  it('are listed and counted as long as the kernel has them', async () => {
    await secureMany();
    expect(world.dispatcher.table.size).to.equal(64);
    expect(world.dispatcher.byState().secured).to.equal(MANY);
    const reports = world.reports();
    expect(reports.map(({ cookie }) => BigInt(cookie))).to.have.members(world.sockets.map(({ cookie }) => cookie));
    expect(reports[0]).to.include({
      cookie: '1',
      state: 'secured',
      secured: true,
      comm: 'curl',
      pod: 'pod-b',
      peerNode: 'b',
      provider: 'openssl',
      exchange: 'in-band',
      epoch: null,
      cipher: 'TLS_AES_128_GCM_SHA256',
      tlsVersion: 'TLSv1.3',
      kernelUlp: 'tls',
      bytesSent: 10,
    });
    expect(report()).to.include({ active: MANY, total: MANY });
    expect(report().totals.outcomes.secured).to.equal(MANY);
    expect(sweep()).to.include({ found: 0, gone: 0, adopted: MANY - 64 });
    world.sockets.splice(0, 5);
    expect(sweep().adopted).to.equal(0);
    expect(world.dispatcher.byState().secured).to.equal(MANY - 5);
    world.expectClean();
  });

  it('come back with their last event, with all times and bytes', async () => {
    await secureMany();
    world.sockets.shift();
    const traffic = { sent: 1000, received: 2000, final: false };
    world.event('CLOSED', { ...TIMES, cookie: 1n, timeNs: 28e6, traffic, secured: HOW });
    expect(world.dispatcher.byState()).to.include({ secured: MANY - 1, closed: 1 });
    const closed = world.reports().find(({ state }) => state === 'closed');
    expect(closed).to.include({ cookie: '1', secured: true, provider: 'boringssl', bytesReceived: 2000 });
    expect(report().totals.outcomes.secured).to.equal(MANY);
    expect(report().connections.find(({ connection_id: id }) => id === '1')).to.deep.equal({
      connection_id: '1',
      connection_latency_ms: 9,
      key_negotiation_ms: 4,
      bytes_sent: 1000,
      bytes_received: 2000,
      throughput_mbps: (3000 * 8) / 1000 / 10,
      state: 'closed',
      role: 'active',
      provider: 'boringssl',
      cipher: 'TLS_CHACHA20_POLY1305_SHA256',
      syn_to_established_ms: 1,
      hold_ms: 8,
      dispatch_ms: 2,
      queue_ms: 1,
      install_ms: 1,
      open_ms: 10,
      exchange: 'in-band',
    });
    world.event('RELEASED', { cookie: 1n, traffic: { ...traffic, received: 3000, final: true } });
    expect(report().connections.find(({ connection_id: id }) => id === '1')?.bytes_received).to.equal(3000);
    world.expectClean();
  });

  it('whose last event was lost are counted, with bytes that nobody can tell', async () => {
    await secureMany();
    world.sockets.shift();
    const { totals, active, total } = report();
    expect([active, total]).to.deep.equal([MANY - 1, MANY]);
    expect(totals.outcomes.secured).to.equal(MANY);
    expect(totals.bytesUnknown).to.equal(1 + 64);
  });

  it('stay in the table if the kernel had no room for what they were', async () => {
    world.kernel.remembers = false;
    for (let cookie = 1n; cookie <= MANY; cookie++) await secure(cookie);
    expect(world.dispatcher.table.size).to.equal(MANY);
    expect(world.dispatcher.byState().secured).to.equal(MANY);
  });

  it('an event that comes after all does no harm to the connection', async () => {
    await secureMany();
    world.kernel.calls.length = 0;
    world.kernel.takeErrors.set(1n, [new TlshubError('TLSHUB_SOCKET_SECURED', 'it has been', {})]);
    world.event('ACCEPTED', { cookie: 1n, role: 'passive' });
    await world.pass();
    expect(world.kernel.calls).to.deep.equal(['take 1 from 4242']);
    expect(world.dispatcher.byState()).to.include({ secured: MANY, held: 0, refused: 0 });
    expect(world.dispatcher.table.get(1n)).to.equal(undefined);
    world.expectClean();
  });

  it('of an earlier agent are found without being taken into the table', () => {
    world.sockets = [socket(1n), socket(2n), socket(3n, { skState: 4 }), socket(4n, { skState: 7 })];
    expect(sweep()).to.include({ adopted: 3, found: 0 });
    expect(world.dispatcher.table.size).to.equal(0);
    expect(world.dispatcher.byState().secured).to.equal(3);
    expect(world.reports().map(({ cookie, peerNode }) => [cookie, peerNode])).to.deep.equal([
      ['1', 'b'],
      ['2', 'b'],
      ['3', 'b'],
    ]);
    expect(report().totals.outcomes.secured).to.equal(3);
    world.event('CLOSED', { ...TIMES, cookie: 2n, secured: HOW });
    world.sockets.splice(1, 1);
    expect(report().totals.outcomes.secured).to.equal(3);
    expect(sweep().adopted).to.equal(0);
  });

  it('are ended like others when the rules of now forbid them', async () => {
    const onC = '10.0.0.3';
    world.sockets = [
      socket(1n),
      socket(2n, { secured: { ...HOW, peerNode: 'c' } }),
      socket(3n, { tuple: { ...TUPLE, remote: parseAddress(onC) } }),
    ];
    sweep();
    const config = loadConfig((await NodeFiles.make(path())).config, {});
    const settings = { config, mapping: PodNodeMapping.parse('pod-b b 10.0.0.2\n') };
    expect(world.visit(new Revocation(world.dispatcher, settings))).to.equal(2);
    await world.pass();
    expect(world.kernel.calls.filter((call) => call.startsWith('destroy'))).to.deep.equal(['destroy 2', 'destroy 3']);
    const revoked = world.reports().filter(({ code }) => code === 'TLSHUB_REVOKED');
    expect(revoked.map(({ reason }) => reason)).to.have.length(2);
    expect(revoked[0]?.reason).to.match(/the connection was made with c$/);
    world.sockets.splice(1);
    expect(world.visit(new Revocation(world.dispatcher, settings))).to.equal(0);
  });

  it('make room for what the socket connects to next', async () => {
    world.sockets = [socket(1n)];
    sweep();
    world.event('ESTABLISHED', { cookie: 1n, generation: 2 });
    expect(world.flow).to.include({ generation: 2, state: 'negotiating' });
    world.sockets = [socket(1n, { generation: 2, encrypts: 0 })];
    expect(world.reports()).to.have.length(1);
    await world.succeed(world.provider.pending.pop()!);
    expect(world.flow).to.include({ generation: 2, state: 'secured' });
    world.expectClean();
  });

  it('cost the agent nothing', async function () {
    this.timeout(60_000);
    world.dispatcher.close();
    world = new World({ metrics: new FlowMetrics(10) });
    const idle = async (from: bigint, count: number): Promise<void> => {
      for (let cookie = from; cookie < from + BigInt(count); cookie++) {
        await secure(cookie);
        world.kernel.calls.length = 0;
        world.kernel.installs.length = 0;
        world.lines.length = 0;
      }
    };
    await idle(1n, 1000);
    const before = heapUsed();
    await idle(1001n, 20_000);
    expect((heapUsed() - before) / 20_000, 'bytes for each').to.be.lessThan(64);
    expect(world.dispatcher.byState().secured).to.equal(21_000);
  });
});
