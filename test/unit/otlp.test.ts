// SPDX-License-Identifier: Apache-2.0
/** The export by OTLP, to a collector that decodes what arrives, and to collectors that take nothing. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { registerAgentMetrics } from '../../src/metrics/agent-metrics.js';
import { AccessLog } from '../../src/metrics/access-log.js';
import { registerFlowMetrics } from '../../src/metrics/flow-exposition.js';
import { FlowMetrics } from '../../src/metrics/flow-metrics.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import { OtlpExport } from '../../src/otlp/export.js';
import { MOST_RECORDS } from '../../src/otlp/pipeline.js';
import type { OtlpEntry, OtlpTarget } from '../../src/otlp/target.js';
import { initCa, issueNode } from '../../src/tls/lab-ca/pki.js';
import { World } from '../fakes/dispatcher-world.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { agentStatus } from './support/agent-status.js';
import { Collector, type Behaviour } from './support/otlp-collector.js';
import { CUMULATIVE, type Metric } from './support/otlp-decode.js';
import { temporaryFolder } from './support/temporary.js';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Series of the text format, `name{a="b"}`, with their values. */
function series(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

/** OTLP's metrics as the text format names them: sums and gauges as they are, buckets added up. */
function asSeries(metrics: readonly Metric[]): Map<string, number> {
  const found = new Map<string, number>();
  const put = (name: string, labels: object, value: number): void => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${String(text)}"`);
    found.set(pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`, value);
  };
  for (const { name, gauge, sum, histogram } of metrics) {
    for (const { attributes, value } of [...(gauge?.points ?? []), ...(sum?.points ?? [])])
      put(name, attributes, value);
    for (const { attributes, bounds, counts, count, sum: total } of histogram?.points ?? []) {
      let below = 0;
      counts.forEach((more, i) => put(`${name}_bucket`, { le: bounds[i] ?? '+Inf', ...attributes }, (below += more)));
      put(`${name}_sum`, attributes, total);
      put(`${name}_count`, attributes, count);
    }
  }
  return found;
}

/** Those that are another moment later. */
const RESTLESS = /^process_(?:cpu|resident)/;
const SINCE_MS = Date.parse('2026-06-01T00:00:00Z');
const line = (id: number): OtlpEntry => ({
  ...{ time: '2026-06-01T12:00:00.000Z', level: 'info', scope: 'access', message: 'connection complete' },
  ...{ connection_id: String(id), bytes_sent: id, error: undefined },
});

describe('the export by OTLP', () => {
  const path = temporaryFolder();
  let collector: Collector;
  let metrics: MetricsRegistry;
  let target: OtlpTarget | undefined;
  let exporter: OtlpExport;
  let { log, lines } = memoryLogger();

  beforeEach(async () => {
    collector = await Collector.start();
    metrics = new MetricsRegistry();
    ({ log, lines } = memoryLogger());
    const { endpoint } = collector;
    target = {
      ...{ endpoint, signals: ['metrics', 'access_log'], intervalMs: 3_600_000, timeoutMs: 200, ca: undefined },
      ...{ headers: {}, resource: { 'service.name': 'tlshub', 'service.instance.id': 'node-a' } },
    };
    exporter = new OtlpExport({ target: () => target, families: () => metrics.families(), sinceMs: SINCE_MS, log });
  });
  afterEach(async () => {
    await exporter.close();
    await collector.close();
  });

  /** Nothing but the access log, soon. */
  const records = (): OtlpTarget => ({ ...target!, signals: ['access_log'], intervalMs: 20 });

  it('sends what /metrics shows, by the same names and with the same values', async () => {
    registerAgentMetrics(metrics, agentStatus);
    const flows = new FlowMetrics(0);
    registerFlowMetrics(metrics, flows, () => Promise.resolve({ sent: 5, received: 7 }));
    for (const synMs of [1, 3, 700, 60_000]) {
      flows.plaintext({ synMs } as Parameters<FlowMetrics['plaintext']>[0]);
    }
    exporter.follow();
    const shown = series(await metrics.text());
    await exporter.close();
    const [sent, ...more] = collector.metrics;
    expect(more).to.deep.equal([]);
    const calm = (all: Map<string, number>): [string, number][] =>
      [...all].filter(([name]) => !RESTLESS.test(name)).sort(([a], [b]) => a.localeCompare(b));
    expect(calm(asSeries(sent!.items))).to.deep.equal(calm(shown));
    expect(asSeries(sent!.items).size).to.equal(shown.size).and.greaterThan(80);
    const of = (name: string): Metric => sent!.items.find((one) => one.name === name)!;
    const secured = of('tlshub_flows_secured_total');
    expect(secured.sum).to.include({ monotonic: true, temporality: CUMULATIVE });
    expect(secured.sum!.points[0]!.start).to.equal(BigInt(SINCE_MS) * 1_000_000n);
    expect(secured.sum!.points[0]!.time > secured.sum!.points[0]!.start).to.equal(true);
    expect(of('tlshub_flow_seconds').histogram).to.include({ temporality: CUMULATIVE });
    expect(of('tlshub_flow_seconds').unit).to.equal('s');
    expect(of('tlshub_flow_sent_bytes_total').unit).to.equal('By');
    expect(of('tlshub_ready').gauge!.points).to.have.length(1);
    expect(sent!.resource).to.include({ 'service.name': 'tlshub', 'telemetry.sdk.name': 'opentelemetry' });
    expect(sent!.scope).to.equal('tlshub');
  });

  it('sends the metrics again and again, as they are then', async () => {
    let count = 0;
    metrics.counter({ name: 'a_total', help: 'a' }, () => ++count);
    target = { ...target!, intervalMs: 20, timeoutMs: 20 };
    exporter.follow();
    await until(() => collector.metrics.length >= 3);
    const values = collector.metrics.map(({ items }) => items[0]!.sum!.points[0]!.value);
    expect(values).to.deep.equal([...values].sort((a, b) => a - b));
    expect(new Set(values).size).to.equal(values.length);
  });

  it('sends a record for each line of the access log, with its fields, also where there is no file', async () => {
    const settings = { destination: '', format: 'json', percent: 100 } as const;
    const accessLog = new AccessLog({
      ...{ settings: () => settings, node: () => 'a', podOf: () => 'shop/web-1', log },
      also: exporter,
    });
    const world = new World({ observer: accessLog });
    exporter.follow();
    world.event('ESTABLISHED');
    await world.succeed(world.provider.pending.pop()!);
    world.event('CLOSED', { traffic: { sent: 70, received: 4096, final: true } });
    world.event('ESTABLISHED', { cookie: 2n });
    await world.fail(world.provider.pending.pop()!, 'TLSHUB_PEER_CERTIFICATE');
    world.dispatcher.close();
    await accessLog.close();
    await exporter.close();
    const [good, bad, ...more] = collector.records;
    expect(more).to.deep.equal([]);
    expect(good).to.include({ severity: 9, severityText: 'INFO', body: 'connection complete' });
    expect(good!.attributes).to.include({
      ...{ scope: 'access', 'src.addr': '10.0.0.1:4711', 'src.workload': 'shop/web-1', 'dst.identity': 'b' },
      ...{ direction: 'outbound', bytes_sent: 70, bytes_recv: 4096, outcome: 'secured', connection_id: '1', pid: 4242 },
    });
    expect(good!.attributes).to.not.have.any.keys('time', 'level', 'message', 'error', 'code');
    expect(Number(good!.time / 1_000_000n)).to.be.closeTo(Date.now(), 3_600_000);
    expect(bad).to.include({ severity: 17, severityText: 'ERROR', body: 'connection failed' });
    expect(bad!.attributes).to.include({ code: 'TLSHUB_PEER_CERTIFICATE', outcome: 'refused' });
    expect(exporter.report()).to.equal(null);
  });

  it('sends only what is wanted', async () => {
    metrics.gauge({ name: 'b', help: 'b' }, () => 1);
    target = { ...target!, signals: ['metrics'] };
    exporter.follow();
    expect(exporter.wantsEntries).to.equal(false);
    exporter.entry(line(1));
    await exporter.close();
    expect([collector.metrics.length, collector.logs.length]).to.deep.equal([1, 0]);
  });

  it('gives its headers to the collector, and to nobody else', async () => {
    target = { ...records(), headers: { authorization: 'Bearer s3cret' } };
    exporter.follow();
    exporter.entry(line(1));
    collector.behaviour = { status: 401 };
    await until(() => exporter.report()!.error !== null);
    collector.behaviour = { status: 200 };
    exporter.entry(line(2));
    await until(() => collector.records.length === 1);
    expect(collector.headers[0]).to.include({
      ...{ authorization: 'Bearer s3cret', 'content-type': 'application/x-protobuf' },
    });
    expect(JSON.stringify([exporter.report(), lines])).to.not.include('s3cret');
  });

  it('speaks TLS to a collector whose certificate is of its CA, and to no other', async () => {
    const pki = path('pki');
    await initCa(pki, { days: 10, name: 'a CA', force: false });
    const { key, certificate } = await issueNode(pki, 'localhost', { days: 10, force: false });
    const ca = readFileSync(`${pki}/ca.crt`, 'utf8');
    const secure = await Collector.start({ key: readFileSync(key, 'utf8'), cert: readFileSync(certificate, 'utf8') });
    try {
      target = { ...records(), endpoint: secure.endpoint.replace('127.0.0.1', 'localhost') };
      exporter.follow();
      exporter.entry(line(1));
      await until(() => exporter.report()!.error !== null);
      expect(exporter.report()!.error!.message).to.match(/CERT|certificate/i);
      expect(secure.asked).to.equal(0);
      target = { ...target, ca };
      exporter.follow();
      exporter.entry(line(2));
      await until(() => exporter.report()!.accessLog.exported === 1 || exporter.report()!.error !== null);
      expect(exporter.report()!.error).to.equal(null);
      expect(secure.records[0]!.attributes.connection_id).to.equal('2');
    } finally {
      await secure.close();
    }
  });

  const BAD: Record<string, { behaviour: Behaviour; says: RegExp }> = {
    'answers 401': { behaviour: { status: 401 }, says: /^it answered with HTTP status 401$/ },
    'answers 500': { behaviour: { status: 500 }, says: /HTTP status 500/ },
    'answers 429 and wants to be asked in an hour': {
      behaviour: { status: 429, headers: { 'retry-after': '3600' } },
      says: /asked later/,
    },
    'answers 503': { behaviour: { status: 503 }, says: /asked later/ },
    'sends it elsewhere': { behaviour: { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, says: /302/ },
    hangs: { behaviour: 'hang', says: /^it did not answer within 200 ms$/ },
    'answers without end': { behaviour: 'drip', says: /^it did not answer within 200 ms$/ },
    'resets the connection': { behaviour: 'cut', says: /ECONNRESET/ },
  };
  for (const [what, { behaviour, says }] of Object.entries(BAD)) {
    it(`drops and counts what a collector that ${what} does not take, and goes on when it does`, async () => {
      collector.behaviour = behaviour;
      target = records();
      exporter.follow();
      for (let id = 0; id < 5; id++) exporter.entry(line(id));
      await until(() => exporter.report()!.accessLog.dropped === 5);
      expect(exporter.report()!.error!.message).to.match(says);
      expect(exporter.report()!.error!.code).to.equal('TLSHUB_OTLP');
      collector.behaviour = { status: 200 };
      exporter.entry(line(6));
      await until(() => exporter.report()!.accessLog.exported > 0);
      expect(exporter.report()).to.deep.include({ accessLog: { exported: 1, dropped: 5 }, error: null });
      expect(collector.records.map(({ attributes }) => attributes.connection_id)).to.deep.equal(['6']);
    });
  }

  it('keeps a bounded number of records for one that hangs, whatever comes', async () => {
    collector.behaviour = 'hang';
    target = { ...target!, timeoutMs: 60_000 };
    exporter.follow();
    const sent = 4 * MOST_RECORDS;
    for (let id = 0; id < sent; id++) exporter.entry(line(id));
    await until(() => exporter.report()!.accessLog.dropped > 0);
    expect(exporter.report()!.accessLog).to.deep.equal({ exported: 0, dropped: sent - MOST_RECORDS });
    // With the end of the agent all of them are accounted for.
    await exporter.close();
    const said = lines.filter(({ fields }) => fields.code === 'TLSHUB_OTLP');
    expect(said).to.have.length(1);
    expect(said[0]!.message).to.include(`${MOST_RECORDS} metrics and connections were not taken`);
  });

  it('is told that nobody is there', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    metrics.gauge({ name: 'b', help: 'b' }, () => 1);
    target = { ...target!, endpoint: `http://127.0.0.1:${port}`, intervalMs: 20, timeoutMs: 20 };
    exporter.follow();
    await until(() => exporter.report()!.metrics.dropped >= 2);
    expect(exporter.report()!.error!.message).to.include('ECONNREFUSED');
    expect(exporter.report()!.metrics.exported).to.equal(0);
  });

  it('says that metrics cannot be read, and goes on', async () => {
    let broken = true;
    metrics.gauge({ name: 'b', help: 'b' }, () => {
      if (broken) throw new Error('no map');
      return 3;
    });
    target = { ...target!, intervalMs: 20, timeoutMs: 20 };
    exporter.follow();
    await until(() => exporter.report()!.error !== null);
    expect(exporter.report()!.error!.message).to.equal('the metrics cannot be read: no map');
    broken = false;
    await until(() => collector.metrics.length > 0 && exporter.report()!.error === null);
  });

  it('goes elsewhere, and stops, when the settings say so, with what it had for the old one', async () => {
    const other = await Collector.start();
    try {
      exporter.follow();
      exporter.entry(line(1));
      target = { ...target!, endpoint: other.endpoint };
      exporter.follow();
      // The same settings again change nothing.
      exporter.follow();
      exporter.entry(line(2));
      await until(() => collector.records.length === 1 && other.records.length === 1);
      target = undefined;
      exporter.follow();
      exporter.entry(line(3));
      expect(exporter.wantsEntries).to.equal(false);
      expect(exporter.report()).to.equal(null);
      await until(() => other.metrics.length === 1);
      expect(other.records.map(({ attributes }) => attributes.connection_id)).to.deep.equal(['2']);
    } finally {
      await other.close();
    }
  });

  it('sends at the end the metrics that it was to keep', async () => {
    let gone = false;
    metrics.gauge({ name: 'b', help: 'b' }, () => {
      if (gone) throw new Error('the list is closed');
      return 4;
    });
    exporter.follow();
    await exporter.keepLast();
    gone = true;
    await exporter.close();
    expect(collector.metrics[0]!.items[0]!.gauge!.points[0]!.value).to.equal(4);
    expect(lines).to.deep.equal([]);
  });
});
