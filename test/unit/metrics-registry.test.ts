// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import type { StatusReport } from '../../src/report/status.js';
import { registerAgentMetrics } from '../../src/metrics/agent-metrics.js';
import type { MetricFamily } from '../../src/report/metrics.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import { agentStatus } from './support/agent-status.js';

/** `name{a="b"}` and its value, for every sample of the text format. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

describe('metrics registry', () => {
  it('reads values when asked, so that a collection never shows old ones', async () => {
    const metrics = new MetricsRegistry();
    let count = 1;
    metrics.counter({ name: 'a_total', help: 'a' }, () => count);
    metrics.gauge({ name: 'b', help: 'b', labels: { kind: ['x', 'y'] } }, () =>
      count === 1 ? [[5, { kind: 'x' }]] : [],
    );
    expect(samplesOf(await metrics.text())).to.deep.equal(
      new Map([
        ['a_total', 1],
        ['b{kind="x"}', 5],
      ]),
    );
    count = 7;
    expect(samplesOf(await metrics.text())).to.deep.equal(new Map([['a_total', 7]]));
  });

  it('counts label values that a metric does not name as other, whatever they are', async () => {
    const metrics = new MetricsRegistry();
    const values = [
      [2, { kind: 'x' }],
      [3, { kind: '10.0.0.1' }],
      [4, { kind: 'ns/pod"} 1\nevil 2' }],
      [5, { kind: '__proto__' }],
    ] as const;
    metrics.counter({ name: 'a_total', help: 'a', labels: { kind: ['x'] } }, () => values);
    metrics.gauge({ name: 'b', help: 'b', labels: { kind: ['x'] } }, () => values);
    const observe = metrics.histogram({ name: 'c', help: 'c', buckets: [1], labels: { kind: ['x'] } });
    for (const [value, labels] of values) observe(value, labels);
    const samples = samplesOf(await metrics.text());
    for (const name of ['a_total', 'b']) {
      expect(samples.get(`${name}{kind="x"}`)).to.equal(2);
      expect(samples.get(`${name}{kind="other"}`)).to.equal(12);
    }
    expect(samples.get('c_count{kind="other"}')).to.equal(3);
    expect([...samples.keys()].filter((name) => !name.includes('kind="x"') && !name.includes('kind="other"'))).to.be
      .empty;
  });

  it('bounds how many values a label from a table may have', async () => {
    const metrics = new MetricsRegistry();
    metrics.counter({ name: 'a_total', help: 'a', labels: { kind: 2 } }, () =>
      Array.from({ length: 1000 }, (_, i) => [1, { kind: `k${i}` }] as const),
    );
    expect(samplesOf(await metrics.text())).to.deep.equal(
      new Map([
        ['a_total{kind="k0"}', 1],
        ['a_total{kind="k1"}', 1],
        ['a_total{kind="other"}', 998],
      ]),
    );
  });

  it('fills histograms', async () => {
    const metrics = new MetricsRegistry();
    const observe = metrics.histogram({ name: 'hold_seconds', help: 'h', buckets: [0.1, 1] });
    for (const value of [0.05, 0.1, 0.5, 3]) observe(value);
    const samples = samplesOf(await metrics.text());
    expect(samples.get('hold_seconds_bucket{le="0.1"}')).to.equal(2);
    expect(samples.get('hold_seconds_bucket{le="1"}')).to.equal(3);
    expect(samples.get('hold_seconds_bucket{le="+Inf"}')).to.equal(4);
    expect(samples.get('hold_seconds_sum')).to.be.closeTo(3.65, 1e-9);
  });

  it('fails as a whole when a value cannot be read', async () => {
    const metrics = new MetricsRegistry();
    metrics.gauge({ name: 'a', help: 'a' }, () => {
      throw new Error('unreadable');
    });
    const failure = await metrics.text().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(Error).with.property('message', 'unreadable');
  });
});

describe('metrics of the agent', () => {
  const LABELS = [
    ...['version', 'state', 'code', 'provider', 'result', 'kind', 'counter', 'ring'],
    ...['exchange', 'direction', 'key', 'signal'],
  ];

  async function collect(status: StatusReport): Promise<{ samples: Map<string, number>; families: MetricFamily[] }> {
    const metrics = new MetricsRegistry();
    registerAgentMetrics(metrics, () => status);
    return { samples: samplesOf(await metrics.text()), families: await metrics.families() };
  }

  it('show what the status says', async () => {
    const { samples } = await collect(agentStatus());
    for (const [name, value] of Object.entries({
      'tlshub_build_info{version="9.9.9"}': 1,
      tlshub_ready: 0,
      tlshub_guardian_alive: 1,
      tlshub_config_last_reload_successful: 0,
      tlshub_uptime_seconds: 93_784,
      'tlshub_flows{state="held"}': 1,
      'tlshub_flows{state="plaintext"}': 2,
      tlshub_flows_secured_total: 12,
      'tlshub_flows_refused_total{code="TLSHUB_PEER_CERTIFICATE"}': 2,
      'tlshub_flows_exchange_total{exchange="channel"}': 7,
      'tlshub_flows_exchange_total{exchange="in-band"}': 4,
      'tlshub_flows_exchange_total{exchange="out-of-band"}': 1,
      'tlshub_channel_epochs{direction="opened",state="opening"}': 1,
      'tlshub_channel_epochs{direction="opened",state="kept"}': 2,
      'tlshub_channel_epochs{direction="accepted",state="open"}': 4,
      'tlshub_channel_epochs_opened_total{direction="opened"}': 15,
      'tlshub_channel_epochs_opened_total{direction="accepted"}': 16,
      'tlshub_channel_epochs_failed_total{code="TLSHUB_CHANNEL_LOST"}': 5,
      tlshub_channel_numbers_taken_total: 6,
      tlshub_channel_half_open: 8,
      tlshub_channel_turned_away_total: 9,
      'tlshub_negotiations_total{provider="openssl",result="succeeded"}': 5,
      'tlshub_provider_in_flight{provider="openssl"}': 3,
      'tlshub_events_total{kind="accepted"}': 3,
      'tlshub_gate_total{counter="heldCalls"}': 12,
      'tlshub_ring_capacity_bytes{ring="events"}': 1_048_576,
      tlshub_mapping_pods: 8,
      tlshub_mapping_services: 4,
      tlshub_mapping_service_addresses: 5,
      tlshub_mapping_services_without_endpoint: 1,
      tlshub_guardian_restarts_total: 2,
      tlshub_holder_restarts_total: 1,
      tlshub_helpers_lost_total: 5,
      tlshub_helpers_refused_total: 6,
      'tlshub_otlp_exported_total{signal="metrics"}': 600,
      'tlshub_otlp_dropped_total{signal="access_log"}': 2,
      'tlshub_certificate_expiry_timestamp_seconds{key="tls.cert"}': Date.parse('2027-01-01') / 1000,
      'tlshub_certificate_expiry_timestamp_seconds{key="tls.ca"}': Date.parse('2036-01-01') / 1000,
    })) {
      expect(samples.get(name), name).to.equal(value);
    }
    expect([...samples.keys()].filter((name) => name.includes('state="closed"'))).to.be.empty;
    expect(samples.get('process_resident_memory_bytes')).to.be.greaterThan(1e6);
    expect(samples.get('process_cpu_seconds_total')).to.be.greaterThan(0);
  });

  it('keep refusals of codes that the catalogue does not have together', async () => {
    const { samples } = await collect({
      ...agentStatus(),
      failures: { TLSHUB_TOLD_BY_A_PEER: 3, '10.0.0.1': 4, '': 1 },
    });
    expect([...samples].filter(([name]) => name.startsWith('tlshub_flows_refused_total'))).to.deep.equal([
      ['tlshub_flows_refused_total{code="other"}', 8],
    ]);
  });

  it('have help, a customary name and no address or name among their labels', async () => {
    const { families } = await collect(agentStatus());
    expect(families.length).to.be.greaterThan(20);
    for (const { name, help, type, values } of families) {
      expect(name).to.match(/^(tlshub|process)_[a-z_]+$/);
      expect(help, name).to.match(/\.$/);
      expect(name.endsWith('_total'), `${name} is a ${type}`).to.equal(type === 'counter');
      for (const { labels } of values) {
        expect(LABELS, name).to.include.members(Object.keys(labels));
      }
    }
  });
});
