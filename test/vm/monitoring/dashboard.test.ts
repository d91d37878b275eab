// SPDX-License-Identifier: Apache-2.0
/**
 * What operators look at, of a run: Prometheus scrapes both agents while there is traffic, and what each panel of the dashboard and each alert asks, it answers. Beside
 * it a collector is sent the same by OTLP.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { logsRequest, metricsRequest, type LogRecord, type MetricsRequest } from '../../unit/support/otlp-decode.js';
import { lab, waitFor } from '../harness/index.js';
import { knowEachOther } from '../harness/channel.js';

const FOLDER = '/tmp/tlshub-monitoring';
const COLLECTED = `${FOLDER}/otlp`;
const COLLECTOR = resolve('build/test/programs/otlp-collector.js');
const PATIENCE = 60_000;
/** Seconds between scrapes, and what a rate goes back. */
const SCRAPE_S = 2;
const RATE = '20s';
const BODY = 50_000;

interface Panel {
  id: number;
  title: string;
  targets: { expr: string }[];
}

interface Answer<T> {
  status: string;
  data: T;
}

type Sample = { metric: Record<string, string>; value: [number, string] };

const { panels } = JSON.parse(readFileSync('deploy/monitoring/dashboard.json', 'utf8')) as { panels: Panel[] };

/** The one for which the other agent has to go. */
const FAILED_CHANNELS = 'Channels: epochs that failed';

async function curl(url: string, seconds = '20'): Promise<void> {
  await lab.exec('a', ['curl', '-s', '-m', seconds, '-o', '/dev/null', url]);
}

async function ask<T>(path: string, ...parameters: string[]): Promise<T> {
  const encoded = parameters.flatMap((one) => ['--data-urlencode', one]);
  const command = ['curl', '-s', '-G', `http://127.0.0.1:9090/api/v1/${path}`, ...encoded];
  const { stdout } = await lab.exec('a', command, { outside: true });
  const { status, data } = JSON.parse(stdout) as Answer<T>;
  expect(status, `${parameters.join()}: ${stdout}`).to.equal('success');
  return data;
}

/** An expression of the dashboard, with all nodes chosen. */
async function query(expression: string): Promise<Sample[]> {
  const text = expression.replaceAll('$instance', '.*').replaceAll('$__rate_interval', RATE);
  return (await ask<{ result: Sample[] }>('query', `query=${text}`)).result;
}

function configuration(): string {
  const target = (instance: string, address: string): unknown => ({ targets: [address], labels: { instance } });
  return JSON.stringify({
    global: { scrape_interval: `${SCRAPE_S}s`, scrape_timeout: `${SCRAPE_S}s`, evaluation_interval: '5s' },
    rule_files: [resolve('deploy/monitoring/alerts.yaml')],
    scrape_configs: [
      { job_name: 'tlshub', static_configs: [target('a', '127.0.0.1:9465'), target('b', '10.77.0.2:9465')] },
    ],
  });
}

/** What the collector has got of one kind, as far as it is written. */
function collected<T>(kind: 'metrics' | 'logs', decode: (bytes: Buffer) => T): T[] {
  const files = readdirSync(COLLECTED).filter((name) => new RegExp(`^${kind}-\\d+$`).test(name));
  return files.map((name) => decode(readFileSync(`${COLLECTED}/${name}`)));
}

describe('monitoring of running agents', () => {
  let traffic = true;
  let running: Promise<void>;

  before(async () => {
    mkdirSync(COLLECTED, { recursive: true });
    writeFileSync(`${FOLDER}/body`, Buffer.alloc(BODY, 'x'));
    writeFileSync(`${FOLDER}/prometheus.yml`, configuration());
    await lab.up({
      exchange: 'channel',
      set: {
        'a:access_log': `${FOLDER}/access.log`,
        'a:otlp.endpoint': 'http://127.0.0.1:4318',
        'a:otlp.interval_ms': 2000,
        'a:otlp.timeout_ms': 2000,
        'b:health_listen': '10.77.0.2:9465',
      },
    });
    const collector = [process.execPath, COLLECTOR, '4318', COLLECTED];
    await lab.spawn('a', collector, { outside: true }).listening(4318);
    const prometheus = [
      ...['prometheus', `--config.file=${FOLDER}/prometheus.yml`, `--storage.tsdb.path=${FOLDER}/data`],
      ...['--web.listen-address=127.0.0.1:9090', '--log.level=warn'],
    ];
    await lab.spawn('a', prometheus, { outside: true }).listening(9090, PATIENCE);
    const serve = ['/usr/bin/python3', '-m', 'http.server', '8000', '--bind', '10.77.0.2', '--directory', FOLDER];
    await lab.spawn('b', serve).listening(8000);
    await knowEachOther(['a']);
    running = (async () => {
      while (traffic) {
        await curl('http://10.77.0.2:8000/body');
        // Outside of the mesh: refused.
        await curl('http://10.77.0.3:8000/');
      }
    })();
  });
  after(async () => {
    traffic = false;
    await running;
    await lab.down();
    rmSync(FOLDER, { recursive: true });
  });

  /** @param first what is done before each question */
  const asked = async (expression: string, first = (): Promise<void> => Promise.resolve()): Promise<void> => {
    let result: Sample[] = [];
    await waitFor(
      async () => {
        await first();
        return (result = await query(expression)).length > 0;
      },
      PATIENCE,
      () => `an answer to ${expression}: ${JSON.stringify(result)}`,
    );
    for (const { value } of result)
      expect(Number(value[1]), expression).to.satisfy((one: number) => one >= 0 || isNaN(one));
  };

  for (const { id, title, targets } of panels.filter((panel) => panel.title !== FAILED_CHANNELS)) {
    it(`has data for panel ${id}, ${title}`, async () => {
      for (const { expr } of targets) await asked(expr);
    });
  }

  it('says what the run was', async () => {
    const value = async (expression: string): Promise<number> => Number((await query(expression))[0]?.value[1]);
    expect(await value('sum(tlshub_ready)')).to.equal(2);
    expect(await value('sum(rate(tlshub_flows_secured_total[1m]))')).to.be.greaterThan(0);
    expect(await value('sum(rate(tlshub_flows_refused_total[1m]))')).to.be.greaterThan(0);
    expect(await value('sum(tlshub_flow_received_bytes_total{instance="a"})')).to.be.at.least(BODY);
    expect(await value('sum(tlshub_flows_exchange_total{exchange="channel"})')).to.be.greaterThan(0);
  });

  it('has alerts that Prometheus can evaluate, of which none is about an agent that is well', async () => {
    type Rules = { groups: { rules: { name: string; health: string; lastError?: string; state: string }[] }[] };
    const evaluated = async (): Promise<Rules['groups'][number]['rules'] | undefined> => {
      const rules = (await ask<Rules>('rules')).groups.flatMap((group) => group.rules);
      return rules.length > 0 && rules.every(({ health }) => health !== 'unknown') ? rules : undefined;
    };
    const rules = await waitFor(evaluated, PATIENCE, 'an evaluation of all rules');
    for (const { name, health, lastError, state } of rules) {
      expect(health, `${name}: ${lastError}`).to.equal('ok');
      if (/Restarts|NotReady|HelperLost|ReloadFailed|Dropped/.test(name)) expect(state, name).to.equal('inactive');
    }
  });

  it('is told the same by OTLP: metrics as they are at /metrics, connections as in the access log', async () => {
    const known = (await lab.ctl('a', 'metrics')).split('\n').filter((line) => line.startsWith('# TYPE '));
    const all = (): MetricsRequest[] => collected('metrics', metricsRequest);
    const last = await waitFor(() => all().at(-1), PATIENCE, 'metrics at the collector');
    const kind = ({ sum, histogram }: MetricsRequest['items'][number]): string =>
      sum !== undefined ? 'counter' : histogram !== undefined ? 'histogram' : 'gauge';
    const told = last.items.map((metric) => `# TYPE ${metric.name} ${kind(metric)}`);
    expect(told).to.have.members(known);
    expect(last.resource).to.include({ 'service.name': 'tlshub', 'service.instance.id': 'a' });
    const line = readFileSync(`${FOLDER}/access.log`, 'utf8').split('\n')[0]!;
    const entry = JSON.parse(line) as Record<string, string | number>;
    const records = (): LogRecord[] => collected('logs', logsRequest).flatMap(({ items }) => items);
    const record = await waitFor(
      () => records().find(({ attributes }) => attributes.connection_id === entry.connection_id),
      PATIENCE,
      'the record of a connection',
    );
    const { time, level, message, ...fields } = entry;
    expect(record.attributes).to.deep.equal(fields);
    expect(record).to.include({ body: message, severityText: String(level).toUpperCase() });
    expect(record.time / 1_000_000n).to.equal(BigInt(Date.parse(String(time))));
    const { otlp } = await lab.status('a');
    expect(otlp!.error).to.equal(null);
    expect(otlp!.accessLog).to.deep.include({ dropped: 0 });
  });

  // The last: without an agent on the other node nothing is to be had any more but that.
  it('has data for the panel of channels that failed, when the other agent is gone', async () => {
    traffic = false;
    await running;
    await lab.kill('b');
    const [{ targets }] = panels.filter(({ title }) => title === FAILED_CHANNELS) as [Panel];
    // Who wants to go there makes the agent try to open a channel again.
    const wants = (): Promise<void> => curl('http://10.77.0.2:8000/body', '2');
    for (const { expr } of targets) await asked(expr, wants);
    const metrics = collected('metrics', metricsRequest).at(-1)!;
    expect(metrics.items.map(({ name }) => name)).to.include('tlshub_channel_epochs_failed_total');
  });
});
