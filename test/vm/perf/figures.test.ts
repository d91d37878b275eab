// SPDX-License-Identifier: Apache-2.0
/** Real traffic between real nodes, measured and summed up as test/perf_test.sh does it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ModeSummary } from '../../../bench/perf/rounds.js';
import type { RoundSummary } from '../../../bench/perf/summary.js';
import type { Summary } from '../../../bench/perf/report.js';

/** No cell here has a comma, a quote or a line break in it; a test that reads otherwise than the product writes finds more. */
function readCsv(file: string): Record<string, string>[] {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const columns = head.split(',');
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, at) => [columns[at]!, cell])));
}

/** What is in the summary of a round, reckoned again. */
function isWhatTheyComeTo(mode: RoundSummary, rows: Record<string, string>[], samples: Record<string, string>[]): void {
  const done = rows.filter(({ state }) => state === 'completed');
  const short = done.filter(({ phase }) => phase === 'connections');
  const bulk = done.filter(({ phase }) => phase === 'bulk');
  expect(short).to.not.be.empty;
  expect(bulk).to.not.be.empty;

  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  const span = (some: Record<string, string>[]): number =>
    (Math.max(...some.map((row) => Number(row.begin_ms) + Number(row.duration_ms))) -
      Math.min(...some.map((row) => Number(row.begin_ms)))) /
    1000;
  const growth = (phase: string, column: string): number => {
    const values = samples.filter((sample) => sample.phase === phase).map((sample) => Number(sample[column]));
    return values.at(-1)! - values[0]!;
  };
  const same = (found: number, expected: number): void => {
    expect(found).to.be.closeTo(expected, 1e-9 * Math.abs(expected));
  };
  expect(mode.total_connections).to.equal(rows.length);
  expect(mode.successful_connections).to.equal(done.length);
  expect(mode.failed_connections).to.equal(0);
  same(mode.connections_per_second, short.length / span(short));
  for (const column of ['connection_latency_ms', 'hold_ms', 'negotiation_ms', 'install_ms', 'peer_hold_ms'] as const) {
    const sorted = short.map((row) => Number(row[column])).sort((x, y) => x - y);
    // The smallest value that at least so many percent do not exceed.
    const rank = (share: number): number => sorted.find((_, at) => (at + 1) / sorted.length >= share)!;
    const { count, avg, p50, p90, p99, max } = mode[column];
    expect(count, column).to.equal(short.length);
    same(avg, sum(sorted) / sorted.length);
    expect([p50, p90, p99, max], column).to.deep.equal([rank(0.5), rank(0.9), rank(0.99), sorted.at(-1)]);
  }
  const bytes = sum(bulk.map((row) => Number(row.bytes_sent) + Number(row.bytes_received)));
  same(mode.bulk_throughput_mbps, (bytes * 8) / span(bulk) / 1e6);
  same(mode.bulk_cpu_seconds_per_gb, growth('bulk', 'machine_busy_s') / (bytes / 1e9));
  same(mode.agent_a_cpu_ms_per_connection, (growth('connections', 'agent_a_cpu_s') * 1000) / short.length);
  same(mode.agent_b_cpu_ms_per_connection, (growth('connections', 'agent_b_cpu_s') * 1000) / short.length);
  expect(mode.agent_a_max_rss_kb).to.equal(Math.max(...samples.map((sample) => Number(sample.agent_a_rss_kb))));
  expect(mode.agent_b_max_rss_kb).to.equal(Math.max(...samples.map((sample) => Number(sample.agent_b_rss_kb))));
}

describe('perf_test: files and figures', function () {
  this.timeout(240_000);
  const out = join(process.env.MOCHA_OUT ?? '/tmp', 'perf');
  let summary: Summary;
  let name: string;

  before(() => {
    mkdirSync(out, { recursive: true });
    const args = ['build/bench/perf/main.js', '--modes', 'openssl', '--rounds', '2', '--duration', '4', '--out', out];
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
    expect(stdout).to.match(/^hold p50, ms +[0-9.]+ \([0-9.]+–[0-9.]+\)$/m);
    expect(stdout).to.match(/^openssl alone: a connection is held for /m);
    summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
    name = readdirSync(out)
      .find((file) => /^perf_openssl_\d{8}_\d{6}\.csv$/.test(file))!
      .replace('.csv', '');
  });

  it('summary.json is what its CSV files come to, each round by itself, and then the median of the rounds', () => {
    const [mode] = summary.modes as [ModeSummary];
    const all = readCsv(join(out, `${name}.csv`));
    const allSamples = readCsv(join(out, `${name}_samples.csv`));
    expect(mode.rounds).to.have.length(2);
    for (const [at, round] of mode.rounds.entries()) {
      const of = (rows: Record<string, string>[]): Record<string, string>[] =>
        rows.filter((row) => row.round === `${at + 1}`);
      isWhatTheyComeTo(round, of(all), of(allSamples));
    }
    const middle = ([one, other]: number[]): number => (one! + other!) / 2;
    const done = all.filter(({ state }) => state === 'completed');
    expect(mode.total_connections).to.equal(all.length);
    expect(mode.successful_connections).to.equal(done.length);
    expect(mode.hold_ms.count).to.equal(done.filter(({ phase }) => phase === 'connections').length);
    expect(mode.hold_ms.p50).to.equal(middle(mode.rounds.map((round) => round.hold_ms.p50)));
    expect(mode.bulk_throughput_mbps).to.equal(middle(mode.rounds.map((round) => round.bulk_throughput_mbps)));
    expect(mode.connections_per_second).to.equal(middle(mode.rounds.map((round) => round.connections_per_second)));
  });

  it('the files are in a dated folder, and those of the last run are above it by the same names', () => {
    const date = name.replace('perf_openssl_', '');
    const files = [`${name}.csv`, `${name}.json`, `${name}_samples.csv`, 'report.html', 'summary.json'];
    expect(readdirSync(join(out, date)).sort()).to.deep.equal(files);
    for (const file of files) expect(readlinkSync(join(out, file))).to.equal(`${date}/${file}`);
  });

  it('each connection was secured by the mode that is claimed, and its negotiation is within its hold', () => {
    for (const row of readCsv(join(out, `${name}.csv`))) {
      expect(row.provider).to.equal('openssl');
      expect(row.cipher).to.match(/^TLS_/);
      expect(Number(row.negotiation_ms)).to.be.above(0);
      expect(Number(row.hold_ms)).to.be.least(Number(row.negotiation_ms));
      // The first byte comes back only after this side's gate was opened.
      expect(Number(row.connection_latency_ms)).to.be.above(Number(row.negotiation_ms));
    }
  });

  it('kernel and machine are named in summary and report', () => {
    expect(summary.machine.kernel).to.match(/^\d+\.\d+/);
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page).to.include(`Linux ${summary.machine.kernel}`);
    expect(page.match(/<svg /g)).to.have.length(12);
  });

  it('says in one line that there is no place for its files', () => {
    const args = ['build/bench/perf/main.js', '--out', join(out, 'summary.json', 'below')];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect([status, stdout]).to.deep.equal([1, '']);
    expect(stderr).to.match(/^perf_test: ENOTDIR: .*\n$/);
  });
});
