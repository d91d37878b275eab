// SPDX-License-Identifier: Apache-2.0
/** One mode in one round: a fresh pair of nodes, real traffic of tlshub_bench between captured programs, and what both agents say about it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchResult, ConnectionDetail } from '../../src/load/result.js';
import type { FlowReport } from '../../src/report/flow.js';
import { monotonicNs } from '../../src/shared/kernel/clock.js';
import { lab, waitFor, type MeshNode } from '../../test/vm/harness/index.js';
import { busySeconds, processUsage } from '../report/machine.js';
import type { ConnectionRow, SampleRow } from './rows.js';

export interface Settings {
  /** modes are measured in turns, so often each */
  rounds: number;
  /** of the phase `connections`, s, all rounds of a mode together; `bulk` takes a third of it, at least 3 s in a round */
  duration: number;
  /** in the phase `connections`, all rounds of a mode together, at most; 0: no limit */
  connections: number;
  concurrency: number;
  /** bytes that each of the short connections sends and gets back */
  dataSize: number;
}

export interface Measurement {
  rows: ConnectionRow[];
  samples: SampleRow[];
}

/** Of one round. */
export interface RoundMeasurement extends Measurement {
  /** of the processors' time, used by neither agents nor this program while no connection was under way; NaN unless asked for */
  othersPercent: number;
}

/** A round could not be measured. What the agents said stands apart: the message is one line. */
export class MeasureError extends Error {
  constructor(
    mode: string,
    round: number,
    readonly logs: string,
    options: { cause: unknown },
  ) {
    const { cause } = options;
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${mode}, round ${round}: ${reason.trim().replaceAll(/\s*\n\s*/g, '; ')}`, options);
  }
}

const TOOL = resolve('dist/cli/tlshub_bench.js');
const LAB_DIR = process.env.TLSHUB_LAB_DIR ?? '/run/tlshub-lab';
const TARGET = '10.77.0.2';
const PORT = 9090;
const BULK_BYTES = 4 << 20;
const BULK_CONNECTIONS = 2;
const SAMPLE_MS = 250;
/** How long it is watched what others do. */
const QUIET_MS = 1000;
/** Flows of which the agents keep a report, so that every connection has one. */
const FLOWS_KEPT = 1_000_000;

const supervisorPid = (node: MeshNode): number => Number(readFileSync(`${LAB_DIR}/${node}/pid`, 'utf8'));
const monotonicMs = (): number => monotonicNs() / 1e6;
const rounded = (value: number): number => Math.round(value * 1000) / 1000;

class Sampler {
  readonly #samples: SampleRow[] = [];
  /** CLOCK_MONOTONIC, ms, as that of the loads: the time of day may be set meanwhile */
  readonly #begin = monotonicMs();
  readonly #pids = { a: supervisorPid('a'), b: supervisorPid('b') };
  readonly #timer = setInterval(() => this.#take(), SAMPLE_MS);

  constructor(private readonly round: number) {}

  #take(): void {
    const [a, b] = [processUsage(this.#pids.a), processUsage(this.#pids.b)];
    this.#samples.push({
      round: this.round,
      phase: 'between',
      time_ms: Math.round(monotonicMs() - this.#begin),
      agent_a_cpu_s: rounded(a.cpuSeconds),
      agent_a_rss_kb: a.residentKb,
      agent_b_cpu_s: rounded(b.cpuSeconds),
      agent_b_rss_kb: b.residentKb,
      machine_busy_s: rounded(busySeconds()),
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The samples, each with the phase in whose time it was taken. */
  labelled(loads: Readonly<Record<ConnectionRow['phase'], Load>>): SampleRow[] {
    return this.#samples.map((sample) => {
      const at = this.#begin + sample.time_ms;
      const within = ({ begunAtMs, seconds }: Load): boolean => at >= begunAtMs && at <= begunAtMs + seconds * 1000;
      const phase = within(loads.connections) ? 'connections' : within(loads.bulk) ? 'bulk' : 'between';
      return { ...sample, phase };
    });
  }
}

interface Load {
  details: ConnectionDetail[];
  /** CLOCK_MONOTONIC */
  begunAtMs: number;
  seconds: number;
}

async function load(folder: string, seconds: number, ...args: string[]): Promise<Load> {
  const json = join(folder, 'client.json');
  const to = ['-m', 'client', '-t', TARGET, '-p', `${PORT}`];
  const command = [TOOL, ...to, '--details', '10000000', '-j', json, '-o', '/dev/null', ...args];
  const { code, stdout, stderr } = await lab.exec('a', command, { timeoutMs: (seconds + 120) * 1000 });
  // 1: some connections failed, which the rows show.
  if (code !== 0 && code !== 1) throw new Error(`tlshub_bench: status ${code}: ${stderr}${stdout}`);
  const result = JSON.parse(readFileSync(json, 'utf8')) as BenchResult;
  return {
    details: result.connection_details.sort((x, y) => x.conn_id - y.conn_id),
    begunAtMs: Number(result.test_configuration.begun_monotonic_sec) * 1000,
    seconds: result.summary_metrics.total_test_duration_sec,
  };
}

/** Reports by the client's port; a port that was used again has several, the oldest first. */
function byPort(flows: readonly FlowReport[]): Map<number, FlowReport[]> {
  const ports = new Map<number, FlowReport[]>();
  for (const flow of flows) {
    if (flow.dport !== PORT) continue;
    const same = ports.get(flow.sport);
    if (same === undefined) ports.set(flow.sport, [flow]);
    else same.push(flow);
  }
  return ports;
}

function rowOf(
  round: number,
  phase: ConnectionRow['phase'],
  detail: ConnectionDetail,
  own?: FlowReport,
  peer?: FlowReport,
): ConnectionRow {
  const ms = (value: number | null | undefined): number | null =>
    value === null || value === undefined ? null : rounded(value);
  return {
    round,
    phase,
    conn_id: detail.conn_id,
    state: detail.state,
    bytes_sent: detail.bytes_sent,
    bytes_received: detail.bytes_received,
    begin_ms: detail.begin_ms,
    connection_latency_ms: detail.connection_latency_ms,
    duration_ms: detail.duration_ms,
    throughput_mbps: detail.throughput_mbps,
    provider: own?.provider ?? '',
    cipher: own?.cipher ?? '',
    exchange: own?.exchange ?? '',
    hold_ms: ms(own?.holdMs),
    negotiation_ms: ms(own?.negotiationMs),
    install_ms: ms(own?.installMs),
    peer_hold_ms: ms(peer?.holdMs),
    peer_negotiation_ms: ms(peer?.negotiationMs),
    peer_install_ms: ms(peer?.installMs),
    error: detail.error,
  };
}

/** A figure about another provider, or about plaintext, would be a lie. @throws Error */
function verify(mode: string, rows: readonly ConnectionRow[]): void {
  for (const row of rows) {
    if (row.state !== 'completed') continue;
    if (row.provider !== mode || row.hold_ms === null || row.peer_hold_ms === null)
      throw new Error(
        `connection ${row.conn_id} completed, but the agents do not report it as secured by ${mode}: ${JSON.stringify(row)}`,
      );
  }
  for (const phase of ['connections', 'bulk'])
    if (!rows.some((row) => row.phase === phase && row.state === 'completed'))
      throw new Error(
        `no connection of the phase ${phase} completed: ${rows.find(({ error }) => error !== '')?.error ?? 'there were none'}`,
      );
}

/** The first ones are in-band, until there is a channel. */
async function untilByName(connect: () => Promise<unknown>): Promise<void> {
  const byName = async (): Promise<boolean> => {
    await connect();
    return (await lab.flows('a')).at(-1)?.exchange === 'channel';
  };
  await waitFor(byName, 30_000, 'keys by name');
}

/** The share of the machine that others use, in percent: while no connection is under way, what agents and this program use is not theirs. */
async function othersPercent(): Promise<number> {
  const pids = [supervisorPid('a'), supervisorPid('b'), process.pid];
  const own = (): number => pids.reduce((sum, pid) => sum + processUsage(pid).cpuSeconds, 0);
  const [begun, busy, used] = [monotonicMs(), busySeconds(), own()];
  await sleep(QUIET_MS);
  const seconds = (monotonicMs() - begun) / 1000;
  return (Math.max(0, busySeconds() - busy - (own() - used)) / (seconds * cpus().length)) * 100;
}

/**
 * @param round from 1
 * @param watch whether to see what others do on this machine, which takes two seconds
 * @throws MeasureError when the nodes do not come up, or when what was measured was not this mode
 */
export async function measureRound(
  mode: string,
  round: number,
  settings: Settings,
  watch: boolean,
): Promise<RoundMeasurement> {
  const folder = mkdtempSync(join(tmpdir(), 'tlshub-perf-'));
  let sampler: Sampler | undefined;
  try {
    await lab.up({ mode, exchange: 'default', set: { flows_kept: FLOWS_KEPT } });
    // The client closes first and keeps the port for a minute: more than 28,000 connections need ports again before that.
    await lab.exec('a', ['sysctl', '-qw', 'net.ipv4.tcp_tw_reuse=1'], { outside: true });
    const server = lab.spawn('b', [TOOL, '-m', 'server', '-l', `${PORT}`, '-o', '/dev/null']);
    await server.listening(PORT);
    // The first connections wait for what is loaded on first use, in agents and programs alike.
    await load(folder, 30, '-n', '4', '-c', '2');
    if ((await lab.status('a')).exchange === 'channel') await untilByName(() => load(folder, 30, '-n', '1', '-c', '1'));
    const warm = (await lab.flows('a')).length;

    const others = [watch ? await othersPercent() : NaN];
    sampler = new Sampler(round);
    const { rounds, connections, concurrency, dataSize } = settings;
    const duration = settings.duration / rounds;
    const limit = connections > 0 ? ['-n', `${Math.ceil(connections / rounds)}`] : [];
    const short = ['--duration', `${duration}`, '-c', `${concurrency}`, '-s', `${dataSize}`, ...limit];
    const bulkSeconds = Math.max(Math.round(duration / 3), 3);
    const bulk = ['--duration', `${bulkSeconds}`, '-c', `${BULK_CONNECTIONS}`, '-s', `${BULK_BYTES}`];
    const shortLoad = await load(folder, duration, ...short);
    others.push(watch ? await othersPercent() : NaN);
    const loads = { connections: shortLoad, bulk: await load(folder, bulkSeconds, ...bulk) };
    sampler.stop();
    await server.stop('SIGTERM');

    const own = byPort((await lab.flows('a')).slice(warm));
    const peer = byPort((await lab.flows('b')).slice(warm));
    const rows = (['connections', 'bulk'] as const).flatMap((phase) =>
      loads[phase].details.map((detail) =>
        rowOf(round, phase, detail, own.get(detail.local_port)?.shift(), peer.get(detail.local_port)?.shift()),
      ),
    );
    verify(mode, rows);
    const samples = sampler.labelled(loads);
    return { rows, samples, othersPercent: others.reduce((sum, percent) => sum + percent, 0) / others.length };
  } catch (cause) {
    const logs = await Promise.all((['a', 'b'] as const).map((node) => lab.logs(node).catch(() => '')));
    throw new MeasureError(mode, round, logs.join('\n'), { cause });
  } finally {
    sampler?.stop();
    await lab.down();
    rmSync(folder, { recursive: true, force: true });
  }
}
