// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { FlowMetrics } from '../../src/metrics/flow-metrics.js';
import { PerfReporter } from '../../src/metrics/perf-reporter.js';
import type { ConnectionRecord } from '../../src/metrics/connection-record.js';
import { writePerfFiles } from '../../src/metrics/perf-files.js';
import { COLUMNS, perfReport, type PerfReport } from '../../src/metrics/perf-report.js';
import { processUsage } from '../../src/metrics/process-usage.js';
import { MetricsWriteError } from '../../src/shared/errors/errors.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { temporaryFolder } from './support/temporary.js';
import { rejected } from './support/thrown.js';

const USAGE = { cpuPercent: 12.5, cpuSeconds: 1, residentKb: 4321 };

function connection(n: number): ConnectionRecord {
  return {
    connection_id: String(n),
    connection_latency_ms: n + 0.5,
    key_negotiation_ms: null,
    bytes_sent: 2 ** 40 + n,
    bytes_received: 0,
    throughput_mbps: 1e-7,
    state: 'closed',
    role: 'active',
    provider: 'openssl',
    cipher: null,
    syn_to_established_ms: 0.25,
    hold_ms: n,
    dispatch_ms: 0,
    queue_ms: 0,
    install_ms: 0,
    open_ms: 10,
    exchange: 'in-band',
  };
}

function reportOf(count: number, timestamp = 1_800_000_000): PerfReport {
  const flows = new FlowMetrics(10).report([], 0);
  const connections = Array.from({ length: count }, (_, i) => connection(i));
  return perfReport({ ...flows, total: count + 7, connections }, USAGE, 'node-a', timestamp);
}

describe('metrics files', () => {
  const at = temporaryFolder();

  /** A folder of its own for a test. */
  function folder(name: string): string {
    mkdirSync(at(name));
    return at(name);
  }

  for (const count of [0, 1, 499, 500, 501, 1500]) {
    it(`the JSON file of ${count} connections reads back as it was, and the CSV file says the same`, async () => {
      const report = reportOf(count);
      const files = await writePerfFiles(folder(`n${count}`), report);
      expect(JSON.parse(readFileSync(files.json, 'utf8'))).to.deep.equal(report);
      const [head, ...rows] = readFileSync(files.csv, 'utf8').trimEnd().split('\n');
      expect(head).to.equal(COLUMNS.join(','));
      expect(rows).to.have.length(count);
      rows.forEach((row, i) => {
        const cells = row.split(',');
        COLUMNS.forEach((column, c) => expect(cells[c]).to.equal(String(report.connections[i]?.[column] ?? '')));
      });
    });
  }

  it("has the contract's fields, and says what it leaves out", () => {
    const { summary, ...report } = reportOf(3);
    expect(report).to.include({ timestamp: 1_800_000_000, connections_total: 10, connections_kept: 3 });
    expect(summary).to.include.keys(
      ...['total_connections', 'successful_connections', 'failed_connections', 'active_connections'],
      ...['avg', 'min', 'max'].flatMap((of) => [`${of}_connection_latency_ms`, `${of}_key_negotiation_ms`]),
      ...['avg_throughput_mbps', 'max_throughput_mbps', 'total_bytes_transferred'],
    );
    expect(summary).to.include({ cpu_usage_percent: 12.5, memory_usage_kb: 4321 });
    expect(COLUMNS.slice(0, 6)).to.deep.equal([
      ...['connection_id', 'connection_latency_ms', 'key_negotiation_ms'],
      ...['bytes_sent', 'bytes_received', 'throughput_mbps'],
    ]);
  });

  it('never replaces a file: those of one second are numbered, also when only one of the pair is there', async () => {
    const dir = folder('second');
    writeFileSync(`${dir}/perf_metrics_1800000000.json`, 'not ours');
    writeFileSync(`${dir}/perf_metrics_1800000000-2.csv`, 'not ours either');
    for (const n of [3, 4]) {
      const files = await writePerfFiles(dir, reportOf(1));
      expect(files.json).to.equal(`${dir}/perf_metrics_1800000000-${n}.json`);
      expect(existsSync(files.csv)).to.equal(true);
    }
    const together = await Promise.all(Array.from({ length: 5 }, () => writePerfFiles(dir, reportOf(600))));
    expect(new Set(together.map(({ json }) => json)).size).to.equal(5);
    for (const { json } of together) JSON.parse(readFileSync(json, 'utf8'));
    expect(readFileSync(`${dir}/perf_metrics_1800000000.json`, 'utf8')).to.equal('not ours');
    expect(readFileSync(`${dir}/perf_metrics_1800000000-2.csv`, 'utf8')).to.equal('not ours either');
    expect(readdirSync(dir)).to.have.length(2 + 2 * 7);
  });

  it('says which folder cannot be written, and why', async () => {
    const missing = await rejected(MetricsWriteError, writePerfFiles(at('nowhere'), reportOf(1)));
    expect(missing.message).to.contain(`cannot write metrics files to ${at('nowhere')}: ENOENT`);
    expect(missing.remedy).to.contain('metrics_dir');
    writeFileSync(at('file'), '');
    const noFolder = await rejected(MetricsWriteError, writePerfFiles(at('file'), reportOf(1)));
    expect(noFolder.message).to.contain('ENOTDIR');
  });

  it('keeps every report of an agent whose clock is set forwards and back, each with the time of its own', async () => {
    const dir = folder('clock');
    const { log } = memoryLogger();
    const times = [1000, 90_000, 1000, 999, 90_000, 0];
    const flows = (): ReturnType<FlowMetrics['report']> => new FlowMetrics(10).report([], 0);
    const now = (): number => times.shift() ?? NaN;
    const reporter = new PerfReporter({ dir: () => dir, node: 'a', flows, log, usage: () => USAGE, now });
    const names: string[] = [];
    while (times.length > 0) {
      const [time] = times;
      const files = await reporter.write();
      names.push(files!.json.slice(dir.length + 1));
      expect(JSON.parse(readFileSync(files!.json, 'utf8'))).to.include({ timestamp: time });
    }
    const number = ['1000', '90000', '1000-2', '999', '90000-2', '0'];
    expect(names).to.deep.equal(number.map((n) => `perf_metrics_${n}.json`));
    expect(readdirSync(dir)).to.have.length(12);
  });

  describe('on a full disk', () => {
    const disk = (): string => at('full');
    before(function () {
      mkdirSync(disk());
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk()], { encoding: 'utf8' });
      if (mounted.status !== 0) throw new Error(`this test must mount a tmpfs: ${mounted.stderr}`);
    });
    after(() => spawnSync('umount', [disk()]));

    it('leaves nothing behind, neither a half file nor one of the two, and what was there stays', async () => {
      const small = await writePerfFiles(disk(), reportOf(1, 1));
      // Room for the CSV and not for the JSON; then for neither.
      for (const count of [250, 5000]) {
        const error = await rejected(MetricsWriteError, writePerfFiles(disk(), reportOf(count, 2)));
        expect(error.message).to.contain('ENOSPC');
      }
      expect(readdirSync(disk()).sort()).to.deep.equal(['perf_metrics_1.csv', 'perf_metrics_1.json']);
      expect(JSON.parse(readFileSync(small.json, 'utf8'))).to.deep.equal(reportOf(1, 1));
    });

    it('or on one that is read-only: an error that says so, and what was there stays', async () => {
      const before = readdirSync(disk());
      spawnSync('mount', ['-o', 'remount,ro', disk()]);
      const error = await rejected(MetricsWriteError, writePerfFiles(disk(), reportOf(1, 4)));
      spawnSync('mount', ['-o', 'remount,rw', disk()]);
      expect(error.message).to.contain(disk()).and.to.contain('EROFS');
      expect(readdirSync(disk())).to.deep.equal(before);
    });

    it('is reported by the log, and the next report is written when there is room', async () => {
      const { log, lines } = memoryLogger();
      let dir = disk();
      const flows = (): ReturnType<FlowMetrics['report']> => ({
        ...new FlowMetrics(10).report([], 0),
        connections: Array.from({ length: 5000 }, (_, i) => connection(i)),
      });
      const reporter = new PerfReporter({ dir: () => dir, node: 'a', flows, log, usage: () => USAGE, now: () => 3 });
      const first = reporter.write();
      dir = folder('room');
      const second = await reporter.write();
      expect(await first).to.equal(undefined);
      expect(second?.json).to.equal(at('room', 'perf_metrics_3.json'));
      expect(lines.map(({ level }) => level)).to.deep.equal(['error', 'info']);
      expect(lines[0]?.message).to.contain(disk());
      expect(lines[0]?.fields).to.include({ code: 'TLSHUB_METRICS_WRITE' });
    });
  });

  it('a report that cannot be made is a line in the log, not the end of the agent', async () => {
    const { log, lines } = memoryLogger();
    const usage = (): never => {
      throw new Error('no /proc');
    };
    const flows = (): ReturnType<FlowMetrics['report']> => new FlowMetrics(10).report([], 0);
    const reporter = new PerfReporter({ dir: () => folder('unmade'), node: 'a', flows, log, usage });
    expect(await reporter.write()).to.equal(undefined);
    expect(await reporter.report()).to.equal(undefined);
    expect(lines.map(({ level }) => level)).to.deep.equal(['error', 'error']);
  });

  it('takes CPU and memory from /proc, whatever the process is called', () => {
    const proc = folder('proc');
    mkdirSync(`${proc}/self`);
    const rest = Array.from({ length: 40 }, (_, i) => 1000 + i);
    [rest[10], rest[11], rest[18]] = [150, 50, 2000];
    writeFileSync(`${proc}/self/stat`, `7 (a) b) ) S ${rest.join(' ')}\n`);
    writeFileSync(`${proc}/self/status`, 'Name:\tx\nVmHWM:\t    99 kB\nVmRSS:\t    77 kB\n');
    writeFileSync(`${proc}/uptime`, '30.00 1.00\n');
    expect(processUsage(proc)).to.deep.equal({ cpuPercent: 20, cpuSeconds: 2, residentKb: 77 });
    const own = processUsage();
    const { user, system } = process.cpuUsage();
    expect(own.cpuSeconds).to.be.closeTo((user + system) / 1e6, 0.2);
    expect(own.residentKb).to.be.closeTo(process.memoryUsage.rss() / 1024, 20_000);
  });
});
