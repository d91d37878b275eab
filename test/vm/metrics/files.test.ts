// SPDX-License-Identifier: Apache-2.0
/** The metrics files of a running supervisor: on SIGUSR2 and at exit, what is in them, and what happens when they cannot be written. */
import { expect } from 'chai';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { ConnectionRecord } from '../../../src/metrics/connection-record.js';
import type { PerfReport } from '../../../src/metrics/perf-report.js';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import { parsePcap } from '../../wire/pcap.js';
import { parseSegment } from '../../wire/segments.js';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import { ADDRESS, exchange, expectFlows } from './support.js';

const CAPTURE = '/tmp/tlshub-metrics.pcap';
/**
 * What two clocks may differ by in an emulated machine with two processors: a thread that has read the clock is sent to sleep before it
 * does what it has read the clock for.
 */
const TOLERANCE_MS = 100;

interface Files {
  names: string[];
  report: PerfReport;
  rows: Record<string, string>[];
}

const isHidden = (name: string): boolean => name.startsWith('.');

/** The reports in a folder, oldest first. What is hidden is being written, or has its name already and is about to lose this one. */
function reports(folder: string): Files[] {
  const names = readdirSync(folder)
    .filter((name) => !isHidden(name))
    .sort();
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => {
      const [head = '', ...lines] = readFileSync(join(folder, name.replace('.json', '.csv')), 'utf8')
        .trimEnd()
        .split('\n');
      const columns = head.split(',');
      const rows = lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [columns[i] ?? '', cell])));
      return { names, report: JSON.parse(readFileSync(join(folder, name), 'utf8')) as PerfReport, rows };
    });
}

function metricsDir(node: MeshNode): string {
  return join(dirname(lab.config(node)), 'metrics');
}

/** Asks for a report and waits until it is there. */
async function ask(node: MeshNode, count: number): Promise<Files> {
  const folder = metricsDir(node);
  lab.signal(node, 'SIGUSR2');
  await waitFor(() => reports(folder).length === count, 20_000, `report ${count} of node ${node}`);
  return reports(folder)[count - 1]!;
}

const total = (connections: readonly ConnectionRecord[], field: 'bytes_sent' | 'bytes_received'): number =>
  connections.reduce((sum, connection) => sum + Number(connection[field]), 0);

/** When the wire saw what a negotiation consists of, in ms; all as the bridge between the nodes saw it. */
function wireTimes(port: number): { opened: number; clientHello: number; clientFinished: number; firstData: number } {
  const { linkType, frames } = parsePcap(readFileSync(CAPTURE));
  const seen = frames.flatMap(({ time, data }) => {
    const segment = parseSegment(linkType, data);
    if (segment?.src !== ADDRESS.a || segment.sport !== port) return [];
    return [{ ms: time * 1000, segment }];
  });
  const opened = seen.find(({ segment }) => !segment.syn);
  // The client's flights: its hello, then certificate and Finished; then the program's 24 bytes, in a record of 46.
  const withData = seen.filter(({ segment }) => segment.payload.length > 0);
  const [clientHello] = withData;
  const clientFinished = withData.at(-2);
  const firstData = withData.at(-1);
  if (!opened || !clientHello || !clientFinished || firstData?.segment.payload.length !== 46) {
    throw new Error(`no handshake: ${withData.map(({ segment }) => segment.payload.length).join(' ')}`);
  }
  return { opened: opened.ms, clientHello: clientHello.ms, clientFinished: clientFinished.ms, firstData: firstData.ms };
}

describe('metrics files', () => {
  let flows: Record<MeshNode, DetailedFlowReport[]>;

  before(async function () {
    this.timeout(60_000);
    await lab.up();
  });
  after(() => lab.down());

  it("a flow's times are parts of its hold on both sides, and agree with the packets", async () => {
    const sniffer = await lab.sniff(CAPTURE);
    const { client, server } = await exchange('a', 'b', 9000, ['24:1000:sized', '5000:1:half', '24:24:sized']);
    await sniffer.stop();
    flows = { a: await expectFlows('a', client), b: await expectFlows('b', server) };
    for (const { synMs, holdMs, dispatchMs, queueMs, negotiationMs, installMs } of [...flows.a, ...flows.b]) {
      expect(synMs).to.be.greaterThan(0);
      const parts = [dispatchMs, queueMs, negotiationMs, installMs].map(Number);
      expect(Math.min(...parts)).to.be.at.least(0);
      expect(parts.reduce((sum, part) => sum + part)).to.be.closeTo(Number(holdMs), 0.001);
    }
    for (const flow of flows.a.filter(({ bytesSent }) => bytesSent === 24)) {
      const wire = wireTimes(flow.sport);
      const { holdMs, negotiationMs } = flow as { holdMs: number; negotiationMs: number };
      // From the hello to Finished is a part of the negotiation, which is a part of what is between the handshake's ACK and the first byte.
      const told = JSON.stringify({ negotiationMs, holdMs, ...wire });
      expect(wire.clientFinished - wire.clientHello, told).to.be.at.most(negotiationMs + TOLERANCE_MS);
      expect(negotiationMs, told).to.be.at.most(wire.clientFinished - wire.opened + TOLERANCE_MS);
      expect(holdMs, told).to.be.at.most(wire.firstData - wire.opened + TOLERANCE_MS);
      expect(holdMs, told).to.be.at.least(wire.clientFinished - wire.opened - TOLERANCE_MS);
    }
  });

  it('SIGUSR2 writes what the flows say, as often as it is asked', async () => {
    const { report, rows, names } = await ask('a', 1);
    expect(names).to.deep.equal([`perf_metrics_${report.timestamp}.csv`, `perf_metrics_${report.timestamp}.json`]);
    const { summary, connections } = report;
    expect(report).to.include({ node: 'a', connections_total: 3, connections_kept: 3 });
    expect(summary).to.include({
      total_connections: 3,
      successful_connections: 3,
      failed_connections: 0,
      active_connections: 0,
      total_bytes_sent: 24 + 5000 + 24,
      total_bytes_received: 1000 + 1 + 24,
      connections_of_unknown_bytes: 0,
    });
    expect(summary.cpu_usage_percent).to.be.greaterThan(0);
    expect(summary.memory_usage_kb).to.be.greaterThan(10_000);
    expect(connections.map(({ connection_id: id }) => id)).to.deep.equal(flows.a.map(({ cookie }) => cookie));
    connections.forEach((connection, i) => {
      const flow = flows.a[i]!;
      expect(connection).to.include({
        connection_latency_ms: Number(flow.synMs) + Number(flow.holdMs),
        key_negotiation_ms: flow.negotiationMs,
        bytes_sent: flow.bytesSent,
        bytes_received: flow.bytesReceived,
        hold_ms: flow.holdMs,
        role: 'active',
        provider: 'openssl',
      });
      expect(connection.throughput_mbps).to.be.greaterThan(0);
      expect(rows[i]).to.include({ connection_id: flow.cookie, bytes_sent: String(flow.bytesSent) });
    });
    for (const name of ['syn_to_established', 'hold', 'dispatch', 'queue', 'negotiation', 'install'] as const) {
      const { count, p50, max } = report.latency_ms[name];
      expect(count, name).to.equal(3);
      expect(p50, name).to.be.at.most(Number(max));
    }
    const [first, second] = await Promise.all([ask('b', 1), ask('a', 2)]);
    expect(first.report.summary).to.include({ total_bytes_sent: 1025, total_bytes_received: 5048 });
    expect(second.report.summary.total_connections).to.equal(3);
  });

  it('at exit it writes them once more, with what runs until then', async () => {
    const server = lab.spawn('b', ['python3', '-c', SERVER]);
    await server.listening(9001);
    const client = lab.spawn('a', ['python3', '-c', CLIENT]);
    await waitFor(() => client.stdout.includes('there'), 30_000, `the client; it says ${client.stderr}`);
    const folder = metricsDir('a');
    const log = await lab.logs('a');
    lab.signal('a', 'SIGINT');
    await waitFor(() => reports(folder).length === 3, 30_000, `the report at exit; the log was ${log}`);
    const { report } = reports(folder)[2]!;
    expect(report.summary).to.include({ total_connections: 4, active_connections: 1, total_bytes_sent: 5048 + 700 });
    expect(report.connections.at(-1)).to.include({ state: 'secured', bytes_sent: 700, bytes_received: 900 });
    expect(total(report.connections, 'bytes_sent')).to.equal(report.summary.total_bytes_sent);
    await waitFor(() => !readdirSync(folder).some(isHidden), 20_000, 'the writer to tidy up');
    expect(readdirSync(folder).filter((name) => !name.startsWith('perf_metrics_'))).to.deep.equal([]);
    client.kill();
    await server.ended;
  });

  it('when they cannot be written the log says why, and so does the exit status', async () => {
    const config = lab.config('a');
    const ready = '/tmp/tlshub-metrics-ready';
    const nowhere = '/tmp/tlshub-metrics-nowhere';
    rmSync(ready, { force: true });
    rmSync(nowhere, { recursive: true, force: true });
    const text = readFileSync(config, 'utf8').replace(/^metrics_dir = .*$/m, `metrics_dir = ${nowhere}`);
    writeFileSync(`${config}.nowhere`, text);
    const supervisor = lab.spawn('a', ['node', resolve('dist/supervisor.js'), `${config}.nowhere`], {
      outside: true,
      env: { TLSHUB_READY_FILE: ready },
    });
    await waitFor(() => existsSync(ready), 60_000, `the supervisor; it says ${supervisor.stderr}`);
    const said = (): string => `${supervisor.stdout}${supervisor.stderr}`;
    process.kill(supervisor.pid, 'SIGUSR2');
    await waitFor(() => said().includes('TLSHUB_METRICS_WRITE'), 20_000, `the error; it says ${said()}`);
    expect(said()).to.contain(`cannot write metrics files to ${nowhere}: ENOENT`);
    // It goes on, and finds the folder when it is there.
    mkdirSync(nowhere);
    process.kill(supervisor.pid, 'SIGUSR2');
    await waitFor(() => reports(nowhere).length === 1, 20_000, `a report; it says ${said()}`);
    rmSync(nowhere, { recursive: true });
    process.kill(supervisor.pid, 'SIGINT');
    const { code } = await supervisor.ended;
    expect(code, said()).to.equal(1);
    expect(existsSync(nowhere)).to.equal(false);
  });
});

const SERVER = `import socket
s = socket.create_server(('', 9001)).accept()[0]
assert len(s.recv(700, socket.MSG_WAITALL)) == 700
s.sendall(bytes(900))
s.recv(1)`;

const CLIENT = `import socket, time
s = socket.create_connection(('10.77.0.2', 9001))
s.sendall(bytes(700))
assert len(s.recv(900, socket.MSG_WAITALL)) == 900
print('there', flush=True)
time.sleep(60)`;
