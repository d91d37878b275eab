// SPDX-License-Identifier: Apache-2.0
/** tlshub_bench as a user runs it: processes on loopback, against itself and against peers that misbehave. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { BenchResult } from '../../src/load/result.js';
import { monotonicNs } from '../../src/shared/kernel/clock.js';

const TOOL = resolve('dist/cli/tlshub_bench.js');

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

describe('tlshub_bench', function () {
  this.timeout(60_000);
  let folder: string;
  const children: ChildProcess[] = [];
  const peers: Server[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-bench-'));
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const peer of peers.splice(0)) peer.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the tool finds in its environment beside ours. */
  let environment: Record<string, string> = {};
  afterEach(() => (environment = {}));

  function start(...args: string[]): { child: ChildProcess; ended: Promise<Ended>; said: () => string } {
    const child = spawn(process.execPath, [TOOL, ...args], {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    const ended = new Promise<Ended>((done) => child.on('close', (code) => done({ code, stdout, stderr })));
    return { child, ended, said: () => stderr };
  }
  const client = (port: number, ...args: string[]): Promise<Ended> =>
    start('-m', 'client', '-p', `${port}`, '-j', 'client.json', '-o', 'client.csv', ...args).ended;
  const json = (name: string): BenchResult => JSON.parse(readFileSync(join(folder, name), 'utf8')) as BenchResult;

  async function server(...args: string[]): Promise<ReturnType<typeof start> & { port: number }> {
    const running = start('-m', 'server', '-l', '0', '-j', 'server.json', '-o', 'server.csv', ...args);
    const port = await new Promise<number>((found, reject) => {
      running.child.stderr?.on('data', () => {
        const [, digits] = /port (\d+)\n/.exec(running.said()) ?? [];
        if (digits !== undefined) found(Number(digits));
      });
      running.child.on('close', () => reject(new Error(`the server ended: ${running.said()}`)));
    });
    return { ...running, port };
  }

  /** A peer that does something else than echo. */
  async function peer(behave: (socket: Socket) => void): Promise<number> {
    const listener = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      behave(socket);
    });
    peers.push(listener);
    await new Promise<void>((listening) => listener.listen(0, '127.0.0.1', listening));
    return (listener.address() as AddressInfo).port;
  }

  it('both sides count the same connections and bytes, in JSON and CSV', async () => {
    const { child, ended, port } = await server();
    const { code, stdout } = await client(
      port,
      '-n',
      '300',
      '-c',
      '20',
      '-s',
      '5000',
      '--requests-per-connection',
      '3',
    );
    expect(code).to.equal(0);
    expect(stdout).to.include('300 (300 completed, 0 failed, 0 interrupted)');
    child.kill('SIGINT');
    expect((await ended).code).to.equal(0);
    for (const [name, bytes] of [
      ['client', 300 * 3 * 5000],
      ['server', 300 * 3 * 5000],
    ] as const) {
      const {
        summary_metrics: summary,
        connection_details: details,
        test_configuration: configuration,
      } = json(`${name}.json`);
      expect(configuration.mode).to.equal(name);
      expect(summary).to.include({ total_connections: 300, successful_connections: 300, failed_connections: 0 });
      expect(summary).to.include({ total_bytes_sent: bytes, total_bytes_received: bytes });
      expect(details.map(({ bytes_sent }) => bytes_sent)).to.deep.equal(new Array(300).fill(15_000));
      expect(new Set(details.map(({ conn_id }) => conn_id)).size).to.equal(300);
      for (const { state, connection_latency_ms: latency, throughput_mbps: throughput } of details) {
        expect(state).to.equal('completed');
        expect(latency).to.be.above(0);
        expect(throughput).to.be.above(0);
      }
      const mean = details.reduce((sum, { connection_latency_ms }) => sum + (connection_latency_ms ?? NaN), 0) / 300;
      expect(summary.avg_connection_latency_ms).to.be.closeTo(mean, 0.001);

      const [first, second] = readFileSync(join(folder, `${name}.csv`), 'utf8').split('\n\n# details\n');
      expect(first).to.match(/^# summary\nmetric,value\n/);
      expect(first!.split('\n')).to.include('successful_connections,300');
      const [head, ...rows] = second!.trim().split('\n');
      expect(head).to.match(/^conn_id,state,bytes_sent,bytes_received,connection_latency_ms,throughput_mbps,/);
      expect(rows.map((row) => row.split(',').slice(0, 4).join())).to.deep.equal(
        details.map(({ conn_id, bytes_sent }) => `${conn_id},completed,${bytes_sent},${bytes_sent}`),
      );
    }
    const requests = json('client.json').summary_metrics;
    expect(requests.total_requests).to.equal(900);
    expect(requests.request_latency_percentiles_ms.max).to.be.above(0);
  });

  it('writes bench_metrics_<time> and bench_metrics_<time>.json when no file is named, and many megabytes come back whole, over IPv6 too', async () => {
    const { port } = await server('--listen-ip', '::');
    const { code, stderr } = await start(
      '-m',
      'client',
      '-t',
      '::1',
      '-p',
      `${port}`,
      '-s',
      '20M',
      '-c',
      '2',
      '-n',
      '3',
    ).ended;
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    const [csv = '', metrics = ''] = readdirSync(folder)
      .filter((name) => name.startsWith('bench_metrics_'))
      .sort();
    expect(csv).to.match(/^bench_metrics_\d+$/);
    expect(metrics).to.equal(`${csv}.json`);
    expect(json(metrics).summary_metrics.successful_connections).to.equal(3);
  });

  it('writes the other one too when one file is named', async () => {
    const { port } = await server();
    for (const [option, named, other] of [
      ['-o', 'mine', /^bench_metrics_\d+\.json$/],
      ['-j', 'mine too', /^bench_metrics_\d+$/],
    ] as const) {
      const { code, stdout } = await start('-m', 'client', '-p', `${port}`, '-n', '1', option, named).ended;
      expect(code).to.equal(0);
      const made = readdirSync(folder).find((name) => other.test(name));
      expect(made, `beside ${named}`).to.be.a('string');
      expect(stdout).to.include(`written: ${named}, ${made}\n`);
    }
  });

  it('prints a dash where there is no figure', async () => {
    const port = await peer(() => undefined);
    peers.splice(0).forEach((listener) => listener.close());
    const { code, stdout } = await client(port, '-n', '3');
    expect(code).to.equal(1);
    expect(stdout).to.include('connection latency, ms: avg - p50 - p90 - p99 - p99.9 - max -\n');
    expect(stdout).to.match(/, - a connection; 0 bytes sent, 0 received$/m);
    const { ended, child } = await server();
    child.kill('SIGTERM');
    const idle = (await ended).stdout;
    expect(idle)
      .to.match(/^connections: 0 .*: -\/s$/m)
      .and.match(/^throughput, Mbit\/s: - in all, - a connection/m);
  });

  const MISBEHAVIOURS: Record<string, [RegExp, (socket: Socket) => void]> = {
    'one byte is another': [
      /content that came back differs/,
      (socket) =>
        socket.on('data', (data) => {
          data[data.length - 1]! ^= 1;
          socket.write(data);
        }),
    ],
    'the peer closes in the middle': [
      /closed before all of the echo/,
      (socket) => socket.on('data', (data) => socket.end(data.subarray(0, -1))),
    ],
    'the peer resets': [/ECONNRESET/, (socket) => socket.on('data', () => socket.resetAndDestroy())],
    'more comes back than was sent': [
      /more came back|content that came back differs/,
      (socket) => {
        socket.on('data', (data) => socket.write(Buffer.concat([data, data])));
        socket.on('end', () => socket.end());
      },
    ],
    'nothing comes back': [/timeout/, (socket) => socket.on('data', () => undefined)],
    'two connections get the bytes of each other': [
      /content that came back differs/,
      (() => {
        let other: [Socket, Buffer] | undefined;
        return (socket: Socket) =>
          socket.once('data', (data) => {
            if (other === undefined) {
              other = [socket, data];
              return;
            }
            other[0].write(data);
            socket.write(other[1]);
          });
      })(),
    ],
  };
  for (const [title, [reason, behave]] of Object.entries(MISBEHAVIOURS)) {
    it(`exit status 1 when ${title}`, async () => {
      const { code, stdout } = await client(await peer(behave), '-n', '2', '-c', '2', '-s', '1000', '--timeout', '1');
      expect(code).to.equal(1);
      const { summary_metrics: summary, connection_details: details } = json('client.json');
      expect(summary).to.include({ total_connections: 2, successful_connections: 0, failed_connections: 2 });
      for (const { state, error } of details) {
        expect(state).to.equal('failed');
        expect(error).to.match(reason);
      }
      expect(stdout).to.match(reason);
    });
  }

  it('exit status 1 when nobody listens', async () => {
    const port = await peer(() => undefined);
    peers.splice(0).forEach((listener) => listener.close());
    expect((await client(port)).code).to.equal(1);
    expect(json('client.json').summary_metrics.failures).to.deep.equal({ ECONNREFUSED: 10 });
  });

  it('with a schedule, what waits behind a slow connection is charged for its wait', async () => {
    let first = true;
    const port = await peer((socket) => {
      socket.on('data', (data) => {
        setTimeout(() => socket.write(data), first ? 400 : 0);
        first = false;
      });
      socket.on('end', () => socket.end());
    });
    expect((await client(port, '-c', '1', '-n', '40', '--rate', '100', '-s', '10')).code).to.equal(0);
    const { connection_details: details, summary_metrics: summary } = json('client.json');
    // The first one alone took 400 ms, in which 40 were due.
    expect(details.filter(({ late_ms }) => late_ms > 5).length).to.be.above(30);
    for (const { connection_latency_ms: latency, late_ms: late } of details) expect(latency).to.be.least(late);
    expect(summary.connection_latency_percentiles_ms.p50).to.be.above(summary.uncorrected_latency_percentiles_ms.p50);
  });

  it('totals are exact and details are of the last connections, however many there are', async () => {
    const { port } = await server();
    expect((await client(port, '-n', '2000', '-c', '8', '-s', '1', '--details', '7')).code).to.equal(0);
    const {
      summary_metrics: summary,
      connection_details: details,
      connection_details_limit: limit,
    } = json('client.json');
    expect(summary.successful_connections).to.equal(2000);
    expect(limit).to.equal(7);
    expect(details).to.have.length(7);
    for (const { conn_id } of details) expect(conn_id).to.be.above(1980);
  });

  it('takes a duration with all the digits that a program computes', async () => {
    const { port } = await server();
    const args = ['-m', 'client', '-p', `${port}`, '--duration', `${1 / 3}`, '-j', 'client.json', '-o', 'client.csv'];
    expect((await start(...args).ended).code).to.equal(0);
    expect(json('client.json').summary_metrics.successful_connections).to.be.above(0);
  });

  it('SIGINT ends it with its results written', async () => {
    const { port } = await server();
    const running = start(
      '-m',
      'client',
      '-p',
      `${port}`,
      '-j',
      'client.json',
      '-o',
      'client.csv',
      '--duration',
      '100',
      '-v',
    );
    await new Promise<void>((some) => running.child.stderr?.on('data', () => some()));
    running.child.kill('SIGINT');
    expect((await running.ended).code).to.equal(0);
    const { total_connections: total, successful_connections: successful } = json('client.json').summary_metrics;
    expect(successful).to.be.above(0);
    expect(total).to.equal(successful);
    expect(existsSync(join(folder, 'client.csv'))).to.equal(true);
  });

  it('connections are open at the same time, and those that are held are no failure', async () => {
    const { child, ended, port } = await server();
    const running = start(
      '-m',
      'client',
      '-p',
      `${port}`,
      '-c',
      '200',
      '-n',
      '200',
      '--hold',
      '1000',
      '-o',
      'client.csv',
      '-j',
      'client.json',
    );
    // A connection's line comes at its end: the server's own count of open ones is not shown, so the kernel's is read.
    const open = (): number => {
      const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
      return readFileSync('/proc/net/tcp', 'latin1')
        .split('\n')
        .filter((line) => line.trim().split(/\s+/)[2]?.endsWith(suffix) === true && / 01 /.test(line)).length;
    };
    while (open() < 200) await new Promise((later) => setTimeout(later, 20));
    running.child.kill('SIGTERM');
    expect((await running.ended).code).to.equal(0);
    expect(json('client.json').summary_metrics.successful_connections).to.equal(200);
    child.kill('SIGTERM');
    expect((await ended).code).to.equal(0);
  });

  it('the server ends after so many connections', async () => {
    const { ended, port } = await server('-n', '3');
    expect((await client(port, '-n', '3')).code).to.equal(0);
    expect((await ended).code).to.equal(0);
    expect(json('server.json').summary_metrics.total_connections).to.equal(3);
  });

  it('exit status 64 for a wrong command line, and the message says what is allowed', async () => {
    for (const args of [
      [],
      ['-m', 'both'],
      ['-m', 'client', '-n', '0'],
      ['-m', 'client', '-s', '1X'],
      ['-m', 'client', '-p', '65536'],
      ['-m', 'client', '-t', 'localhost'],
      ['-m', 'client', '--rate', '-1'],
      ['-m', 'client', 'more'],
      ['-m', 'client', '--source-ip', '::1'],
    ]) {
      const { code, stderr } = await start(...args).ended;
      expect(stderr, args.join(' ')).to.not.equal('');
      expect(code, args.join(' ')).to.equal(64);
    }
    // More connections than the process may open files.
    const few = `ulimit -n 100 && exec "$0" "$@"`;
    const limited = spawnSync('/bin/sh', ['-c', few, process.execPath, TOOL, '-m', 'client', '-c', '101'], {
      encoding: 'utf8',
    });
    expect(limited.stderr).to.include('100 files');
    expect(limited.status).to.equal(64);
    const { code, stdout } = await start('-h').ended;
    expect(code).to.equal(0);
    for (const option of ['-m', '-t', '-p', '-l', '-s', '-c', '-n', '-j', '-o', '-v', '-h'])
      expect(stdout).to.include(`${option}, --`);
    expect(stdout).to.match(/client connects to port 8080, a server listens on port 9090/);
  });

  it('exit status 1, and no half file, when results cannot be written', async () => {
    const { port } = await server();
    const { code, stderr } = await start('-m', 'client', '-p', `${port}`, '-o', 'missing/file.csv').ended;
    expect(code).to.equal(1);
    expect(stderr).to.include('missing/file.csv');
    const full = await start('-m', 'client', '-p', `${port}`, '-o', '/dev/full').ended;
    expect(full.code).to.equal(1);
    expect(full.stderr).to.include('ENOSPC');
    expect(statSync('/dev/full').isCharacterDevice(), 'a device is not replaced by a file').to.equal(true);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  describe('on a small disk', () => {
    const disk = (): string => join(folder, 'disk');
    const mount = (...args: string[]): void => {
      const { status, stderr } = spawnSync('mount', [...args, disk()], { encoding: 'utf8' });
      if (status !== 0) throw new Error(`this test must mount a tmpfs: ${stderr}`);
    };
    beforeEach(() => {
      mkdirSync(disk());
      mount('-t', 'tmpfs', '-o', 'size=64k', 'none');
    });
    afterEach(() => spawnSync('umount', [disk()]));

    it('that is full: the last results stay whole, and nothing else is left', async () => {
      const { port } = await server();
      const into = ['-j', 'disk/r.json', '-o', 'disk/r.csv'];
      const run = (connections: number): Promise<Ended> =>
        start('-m', 'client', '-p', `${port}`, '-c', '8', '-n', `${connections}`, ...into).ended;
      expect((await run(3)).code).to.equal(0);
      const before = ['r.csv', 'r.json'].map((name) => readFileSync(join(disk(), name), 'utf8'));
      // The CSV of 200 has room and their JSON has not; of 2000 neither.
      for (const [connections, file] of [
        [200, 'disk/r.json'],
        [2000, 'disk/r.csv'],
      ] as const) {
        const { code, stderr } = await run(connections);
        expect(code, stderr).to.equal(1);
        expect(stderr).to.include(`cannot be written to ${file}`).and.to.include('ENOSPC');
        expect(readdirSync(disk()).sort()).to.deep.equal(['r.csv', 'r.json']);
      }
      expect(readFileSync(join(disk(), 'r.json'), 'utf8')).to.equal(before[1]);
      expect(readFileSync(join(disk(), 'r.csv'), 'utf8')).to.match(/\ntotal_connections,200\n/);
    });

    it('that is read-only: an error, and the results there stay', async () => {
      const { port } = await server();
      writeFileSync(join(disk(), 'r.csv'), 'those of yesterday');
      mount('-o', 'remount,ro');
      const { code, stderr } = await start('-m', 'client', '-p', `${port}`, '-o', 'disk/r.csv').ended;
      expect(code).to.equal(1);
      expect(stderr).to.include('disk/r.csv').and.to.include('EROFS');
      expect(readFileSync(join(disk(), 'r.csv'), 'utf8')).to.equal('those of yesterday');
    });
  });

  describe('while the time of day is being set', () => {
    /** test/programs/clock_steps.c */
    const LD_PRELOAD = resolve('build/programs/clock_steps');

    it('measures what a clock that is not set says', async () => {
      environment = { LD_PRELOAD };
      const begun = performance.now();
      const { port, child } = await server();
      const { code, stderr } = await client(port, '-n', '40', '-c', '4', '--hold', '0.05', '--rate', '100');
      expect(code, stderr).to.equal(0);
      const ended = new Promise((done) => child.on('close', done));
      child.kill('SIGTERM');
      await ended;
      const tookMs = performance.now() - begun;
      for (const name of ['client.json', 'server.json']) {
        const { test_configuration: configuration, summary_metrics: summary, connection_details: details } = json(name);
        // So the clock was set indeed.
        expect(Math.abs(Number(configuration.begun_at) - Date.now() / 1000)).to.be.closeTo(86_400, 60);
        expect(Number(configuration.begun_monotonic_sec) * 1000).to.be.closeTo(monotonicNs() / 1e6, tookMs);
        expect(summary.total_test_duration_sec)
          .to.be.greaterThan(0.4)
          .and.lessThan(tookMs / 1000);
        expect(summary.cpu_usage_percent).to.be.greaterThan(0).and.lessThan(400);
        expect(details).to.have.length(40);
        for (const detail of details) {
          expect(detail.begin_ms).to.be.at.least(0).and.lessThan(tookMs);
          expect(detail.connection_latency_ms).to.be.greaterThan(0).and.lessThan(tookMs);
          expect(detail.duration_ms).to.be.greaterThan(0).and.lessThan(tookMs);
          expect(detail.late_ms).to.be.at.least(0).and.lessThan(tookMs);
        }
      }
      expect(json('client.json').summary_metrics.connection_latency_percentiles_ms.max).to.be.lessThan(tookMs);
    });

    it('replaces no results of another run that began at the same time by the clock', async () => {
      const { port } = await server();
      environment = { LD_PRELOAD, CLOCK_AT: '1800000000' };
      const named = 'bench_metrics_1800000000';
      for (const [connections, name] of [
        [2, named],
        [3, `${named}-2`],
        [4, `${named}-3`],
      ] as const) {
        const { code, stdout, stderr } = await start('-m', 'client', '-p', `${port}`, '-n', `${connections}`).ended;
        expect(code, stderr).to.equal(0);
        expect(stdout).to.include(`written: ${name}, ${name}.json\n`);
      }
      expect(readdirSync(folder).sort()).to.deep.equal(
        [named, `${named}-2`, `${named}-3`].flatMap((name) => [name, `${name}.json`]).sort(),
      );
      expect(readFileSync(join(folder, named), 'utf8')).to.include('\ntotal_connections,2\n');
      expect(readFileSync(join(folder, `${named}-2`), 'utf8')).to.include('\ntotal_connections,3\n');
    });
  });

  it('an address that is taken is an error that names it', async () => {
    const { port } = await server();
    const { code, stderr } = await start('-m', 'server', '-l', `${port}`).ended;
    expect(code).to.equal(1);
    expect(stderr).to.include('bind').and.include('in use');
  });
});
