import { expect } from 'chai';
import { FlowClass, type Traffic } from '../../src/shared/kernel/abi.js';
import { registerFlowMetrics } from '../../src/metrics/flow-exposition.js';
import { FlowMetrics } from '../../src/metrics/flow-metrics.js';
import { MovedBytes } from '../../src/metrics/moved-bytes.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import { Latency } from '../../src/metrics/latency.js';
import { LATENCIES, type FlowMetricsReport } from '../../src/metrics/flow-metrics.js';
import { TUPLE, World } from '../fakes/dispatcher-world.js';
import { sweepRecords } from '../fakes/fake-kernel.js';

function over(sent: number, received: number): Traffic {
  return { sent, received, final: true };
}

describe('flow metrics', () => {
  let world: World;
  beforeEach(() => (world = new World()));
  afterEach(() => world.dispatcher.close());

  const report = (): FlowMetricsReport => world.report();

  /** A flow that is secured and over. */
  async function one(cookie: bigint, traffic: Traffic | undefined): Promise<void> {
    world.event('ESTABLISHED', { cookie });
    await world.succeed(world.provider.pending.pop()!);
    world.event('CLOSED', { cookie, traffic });
  }

  it("a flow's times are parts of its hold, and add up", async () => {
    world.event('ESTABLISHED');
    await new Promise((resolve) => setTimeout(resolve, 15));
    await world.succeed(world.provider.pending[0]!);
    const { synMs, holdMs, dispatchMs, queueMs, negotiationMs, installMs } = world.flow;
    expect(synMs).to.be.closeTo(2, 1e-6);
    const parts = [dispatchMs, queueMs, negotiationMs, installMs].map(Number);
    for (const part of parts) expect(part).to.be.at.least(0);
    expect(parts.reduce((sum, part) => sum + part)).to.be.closeTo(Number(holdMs), 1e-6);
    expect(negotiationMs).to.equal(3);
    expect(queueMs).to.be.greaterThan(10);
    world.event('CLOSED', { traffic: over(10, 20) });
    const [connection] = report().connections;
    expect(connection).to.include({
      connection_id: '1',
      connection_latency_ms: Number(synMs) + Number(holdMs),
      key_negotiation_ms: 3,
      bytes_sent: 10,
      bytes_received: 20,
      state: 'closed',
      role: 'active',
      provider: 'openssl',
    });
  });

  it('what waited for room in the pool counts as queue', async () => {
    world.provider.room = 0;
    world.event('ESTABLISHED');
    await new Promise((resolve) => setTimeout(resolve, 15));
    world.provider.makeRoom(1);
    await world.succeed(world.provider.pending[0]!);
    expect(world.flow.queueMs).to.be.greaterThan(10);
  });

  it('counts each flow in exactly one way', async () => {
    await one(1n, over(1, 2));
    world.event('ESTABLISHED', { cookie: 2n });
    await world.fail(world.provider.pending.pop()!, 'TLSHUB_PEER_CERTIFICATE');
    world.event('CLOSED', { cookie: 2n });
    world.event('ESTABLISHED', { cookie: 3n, class: FlowClass.PLAINTEXT });
    world.event('CLOSED', { cookie: 3n, class: FlowClass.PLAINTEXT, traffic: over(100, 200) });
    world.event('ESTABLISHED', { cookie: 4n, role: 'passive', owner: undefined });
    world.event('CLOSED', { cookie: 4n, role: 'passive' });
    world.event('ESTABLISHED', { cookie: 5n });
    world.event('ESTABLISHED', { cookie: 6n, class: FlowClass.PLAINTEXT });
    world.event('REFUSED', { cookie: 7n, class: FlowClass.REFUSED, reason: 4 });
    const { totals, total, active, connections } = report();
    expect(totals.outcomes).to.deep.equal({ secured: 1, plaintext: 2, failed: 2, closedUnsecured: 1, pending: 1 });
    expect([total, active]).to.deep.equal([7, 2]);
    expect(totals).to.include({ bytesSent: 101, bytesReceived: 202, bytesUnknown: 1 });
    // The gate of a flow that was not secured was never open, and of one that runs nobody has asked yet.
    expect(connections.map(({ bytes_sent: sent }) => sent)).to.deep.equal([1, 0, 100, 0, 0, 0, null]);
  });

  it('corrects totals when a program reads on after the end of its connection', async () => {
    await one(1n, { sent: 5, received: 10, final: false });
    expect(report().totals).to.include({ bytesSent: 5, bytesReceived: 10 });
    world.event('RELEASED', { traffic: over(5, 1000) });
    expect(report().totals).to.include({ bytesSent: 5, bytesReceived: 1000 });
    expect(report().connections[0]?.bytes_received).to.equal(1000);
    expect(world.flow).to.include({ state: 'closed', bytesReceived: 1000 });
  });

  it('does so when the flow has left the table, and makes no new one of it', async () => {
    world.dispatcher.close();
    world = new World({ flowsKept: 0 });
    await one(1n, { sent: 5, received: 10, final: false });
    world.event('RELEASED', { traffic: over(5, 1000) });
    expect(report().totals).to.include({ bytesSent: 5, bytesReceived: 1000 });
    expect(report().total).to.equal(1);
    world.event('RELEASED', { cookie: 99n, traffic: over(1, 1) });
    expect(report().total).to.equal(1);
  });

  it('news of a release that overtakes the end is final', async () => {
    world.event('ESTABLISHED');
    await world.succeed(world.provider.pending.pop()!);
    world.event('RELEASED', { traffic: over(5, 1000) });
    world.event('CLOSED', { traffic: { sent: 5, received: 10, final: false } });
    expect(report().totals).to.include({ bytesSent: 5, bytesReceived: 1000 });
  });

  it('a sweep says what running flows have moved', async () => {
    world.event('ESTABLISHED');
    await world.succeed(world.provider.pending.pop()!);
    const traffic = { sent: 2 ** 40, received: 3 };
    world.sweep(sweepRecords([{ cookie: 1n, tuple: TUPLE, encrypts: 3, traffic }]));
    expect(world.flow).to.include({ bytesSent: 2 ** 40, bytesReceived: 3, state: 'secured' });
    const { totals, connections } = report();
    expect(totals).to.include({ bytesSent: 2 ** 40, bytesReceived: 3, bytesUnknown: 0 });
    expect(connections[0]?.throughput_mbps).to.be.greaterThan(0);
    // Asking again counts nothing twice.
    expect(report().totals.bytesSent).to.equal(2 ** 40);
    world.event('CLOSED', { traffic: over(2 ** 41, 4) });
    expect(report().totals).to.include({ bytesSent: 2 ** 41, bytesReceived: 4 });
  });

  it('lists the last connections only, running ones before those that ended', async () => {
    const metrics = new FlowMetrics(3);
    world.dispatcher.close();
    world = new World({ metrics });
    for (let cookie = 1n; cookie <= 5n; cookie++) await one(cookie, over(1, 0));
    const names = (): string[] => report().connections.map(({ connection_id: id }) => id);
    expect(names()).to.deep.equal(['3', '4', '5']);
    world.event('ESTABLISHED', { cookie: 6n });
    expect(names()).to.deep.equal(['4', '5', '6']);
    for (const cookie of [7n, 8n, 9n]) world.event('ESTABLISHED', { cookie });
    expect(names()).to.deep.equal(['7', '8', '9']);
    expect(report()).to.include({ total: 9, active: 4, limit: 3 });
    expect(report().totals.bytesSent).to.equal(5);
  });

  it('keeps none if it is told so, and still counts all', async () => {
    world.dispatcher.close();
    world = new World({ metrics: new FlowMetrics(0) });
    for (let cookie = 1n; cookie <= 3n; cookie++) await one(cookie, over(1, 0));
    expect(report().connections).to.deep.equal([]);
    expect(report()).to.include({ total: 3, limit: 0 });
  });
});

describe('flow metrics as time series', () => {
  it('have the times of each part and the bytes of all connections, and grow when those run and end', async () => {
    const world = new World();
    const registry = new MetricsRegistry();
    registerFlowMetrics(registry, world.metrics, () =>
      Promise.resolve(world.visit(new MovedBytes(world.metrics, world.dispatcher.table))),
    );
    for (const cookie of [1n, 2n]) {
      world.event('ESTABLISHED', { cookie });
      await world.succeed(world.provider.pending.pop()!);
    }
    world.event('CLOSED', { cookie: 1n, traffic: over(100, 200) });
    const traffic = { sent: 7, received: 8 };
    world.sweep(sweepRecords([{ cookie: 2n, tuple: TUPLE, encrypts: 3, traffic }]));
    const text = await registry.text();
    expect(text).to.contain('tlshub_flow_sent_bytes_total 107\n');
    expect(text).to.contain('tlshub_flow_received_bytes_total 208\n');
    for (const part of LATENCIES) expect(text).to.contain(`tlshub_flow_seconds_count{part="${part}"} 2\n`);
    expect(text).to.contain('tlshub_flow_seconds_bucket{le="0.0025",part="negotiation"} 0\n');
    expect(text).to.contain('tlshub_flow_seconds_bucket{le="0.005",part="negotiation"} 2\n');
    world.event('CLOSED', { cookie: 2n, traffic: over(7, 9) });
    expect(await registry.text()).to.contain('tlshub_flow_received_bytes_total 209\n');
    world.dispatcher.close();
  });
});

describe('latency', () => {
  it('gives percentiles to three digits, and exact count, mean, minimum and maximum', () => {
    const latency = new Latency();
    for (let ms = 1; ms <= 10_000; ms++) latency.record(ms);
    const { count, mean, min, p50, p90, p99, 'p99.9': p999, max } = latency.report();
    expect([count, mean, min, max]).to.deep.equal([10_000, 5000.5, 1, 10_000]);
    for (const [found, wanted] of [
      [p50, 5000],
      [p90, 9000],
      [p99, 9900],
      [p999, 9990],
    ] as const) {
      expect(found).to.be.closeTo(wanted, wanted / 1000);
    }
  });

  it('has nothing to say of nothing', () => {
    const { count, p50, max, mean } = new Latency().report();
    expect([count, p50, max, mean]).to.deep.equal([0, null, null, null]);
  });

  it('takes times below what it resolves and above what it tracks', () => {
    const latency = new Latency();
    for (const ms of [-0.001, 0, 1e-7, 1e9]) latency.record(ms);
    const { count, min, p50, max } = latency.report();
    expect([count, min, p50, max]).to.deep.equal([4, 0, 0, 1e9]);
  });
});
