// SPDX-License-Identifier: Apache-2.0
/** One run of tlshub_bench: the engine works, this side counts, reports and writes. */
import { statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isIPv4 } from 'node:net';
import { monotonicNs } from '../shared/kernel/clock.js';
import { EXIT, TlshubError, UsageError } from '../shared/errors/errors.js';
import { writeNew, writeWhole } from '../shared/files/atomic-file.js';
import { decodeConnections, type Connection } from './connection.js';
import { loadAddon, type EngineStatus, type NativeEngine } from '../shared/kernel/load-addon.js';
import { DEFAULT_CONNECTIONS, type BenchOptions } from './options.js';
import { csvOf, resultOf, type BenchResult, type Usage } from './result.js';
import { Tally } from './tally.js';

export interface Surroundings {
  out(text: string): void;
  err(text: string): void;
  /** standard error is a terminal: a line of progress is wanted */
  terminal: boolean;
  /** fires for each request to end; the second one means at once */
  onStop(stop: (graceSeconds: number) => void): void;
}

/** How often what has ended is taken from the engine. */
const TICK_MS = 50;
const PROGRESS_MS = 500;
/** After SIGINT, for connections under way. */
export const GRACE_SECONDS = 2;
/** Descriptors beside the connections' own. */
const OTHER_FILES = 64;

/** The net's own addresses are many: enough for a million connections a minute. */
function sourcesFor({ sourceIp, targetIp }: BenchOptions): string[] {
  if (sourceIp.length > 0 || !isIPv4(targetIp) || !targetIp.startsWith('127.')) return sourceIp;
  return Array.from({ length: 64 }, (_, at) => (at === 0 ? '127.0.0.1' : `127.77.0.${at}`));
}

function openEngine(options: BenchOptions): NativeEngine {
  const addon = loadAddon();
  const files = addon.raiseFileLimit();
  if (options.mode === 'server') {
    return new addon.Engine('server', {
      listenIp: options.listenIp,
      listenPort: options.listenPort,
      connections: options.totalConnections ?? 0,
      durationSeconds: options.duration,
    });
  }
  if (options.concurrency + OTHER_FILES > files)
    throw new UsageError(`--concurrency ${options.concurrency}: this process may open ${files} files only`, {
      remedy: 'Raise the hard limit (ulimit -Hn, as root), or ask for less.',
    });
  return new addon.Engine('client', {
    targetIp: options.targetIp,
    targetPort: options.targetPort,
    sourceIps: sourcesFor(options),
    dataSize: options.dataSize,
    requestsPerConnection: options.requestsPerConnection,
    connections: options.totalConnections ?? (options.duration > 0 ? 0 : DEFAULT_CONNECTIONS),
    concurrency: options.concurrency,
    rate: options.rate,
    durationSeconds: options.duration,
    holdSeconds: options.hold,
    timeoutSeconds: options.timeout,
  });
}

function lineOf(connection: Connection): string {
  const { id, state, error, bytesSent, bytesReceived, firstByteMs } = connection;
  const latency = firstByteMs === null ? 'no byte' : `first byte after ${firstByteMs.toFixed(3)} ms`;
  return `connection ${id}: ${state}${error === '' ? '' : ` (${error})`}, sent ${bytesSent}, received ${bytesReceived}, ${latency}\n`;
}

/** What is there already and is no regular file (/dev/stdout, a pipe) is written to, never replaced. */
function isSpecial(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && !stat.isFile();
}

/** Whole or not at all: what stands under the name is never half a file. */
async function saveAs(file: string, text: string): Promise<void> {
  if (isSpecial(file)) writeFileSync(file, text);
  else await writeWhole(file, text, { replace: true });
}

/**
 * Both results: to the files that were named, else beside each other under a name of their own, since nobody has asked for that: what is there is
 * another run's.
 * @returns the files
 * @throws TlshubError TLSHUB_BENCH_FILE
 */
async function saveBoth(result: BenchResult, { csv, json }: BenchOptions, stem: string): Promise<string[]> {
  const texts = { '': csvOf(result), '.json': `${JSON.stringify(result, null, 1)}\n` };
  const named = { '': csv, '.json': json };
  // The CSV file has none: its name is the contract of the command.
  const endings = ['', '.json'] as const;
  const unnamed = endings.filter((ending) => named[ending] === undefined);
  let file = '';
  try {
    for (const ending of endings) {
      file = named[ending] ?? '';
      if (file !== '') await saveAs(file, texts[ending]);
    }
    file = `${stem}${unnamed[0] ?? ''}`;
    if (unnamed.length === 0) return [];
    return await writeNew(stem, Object.fromEntries(unnamed.map((ending) => [ending, [texts[ending]]])));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TlshubError('TLSHUB_BENCH_FILE', `the results cannot be written to ${file}: ${reason}`, { cause: error });
  }
}

/** What is for people: a dash where there is no figure, which is not a figure of 0. */
function summaryText({ summary_metrics: s }: BenchResult, tally: Tally, files: readonly string[]): string {
  const ms = (value: number): string => (tally.firstByte.count === 0 ? '-' : value.toFixed(3));
  const each = tally.successful === 0 ? '-' : s.avg_throughput_mbps.toFixed(2);
  const all = tally.total === 0 ? '-' : s.total_throughput_mbps.toFixed(2);
  const perSecond = tally.total === 0 ? '-' : s.connections_per_second.toFixed(1);
  const p = s.connection_latency_percentiles_ms;
  const failures = Object.entries(s.failures).map(([reason, count]) => `  failed: ${reason}: ${count}\n`);
  return (
    `connections: ${s.total_connections} (${s.successful_connections} completed, ${s.failed_connections} failed, ` +
    `${s.interrupted_connections} interrupted) in ${s.total_test_duration_sec.toFixed(2)} s: ${perSecond}/s\n` +
    failures.join('') +
    `connection latency, ms: avg ${ms(s.avg_connection_latency_ms)} p50 ${ms(p.p50)} p90 ${ms(p.p90)} p99 ${ms(p.p99)} ` +
    `p99.9 ${ms(p.p99_9)} max ${ms(p.max)}\n` +
    `throughput, Mbit/s: ${all} in all, ${each} a connection; ` +
    `${s.total_bytes_sent} bytes sent, ${s.total_bytes_received} received\n` +
    `this process: CPU ${s.cpu_usage_percent.toFixed(1)} %, memory ${s.memory_usage_mb.toFixed(1)} MB` +
    `${s.port_waits > 0 ? `; waited for a free port or descriptor ${s.port_waits} times` : ''}\n` +
    `written: ${files.join(', ')}\n`
  );
}

class Progress {
  #last = { at: 0, total: 0 };

  show(surroundings: Surroundings, tally: Tally, status: EngineStatus): void {
    const at = performance.now();
    if (!surroundings.terminal || at - this.#last.at < PROGRESS_MS) return;
    const rate = ((tally.total - this.#last.total) / (at - this.#last.at)) * 1000;
    this.#last = { at, total: tally.total };
    surroundings.err(
      `\r\x1b[K${status.elapsedSeconds.toFixed(0)} s: ${tally.total} ended, ${tally.failed} failed, ${status.open} open, ${rate.toFixed(0)}/s`,
    );
  }

  clear(surroundings: Surroundings): void {
    if (surroundings.terminal && this.#last.at > 0) surroundings.err('\r\x1b[K');
  }
}

/** @returns the exit status; @throws TlshubError, or an error of the engine, for what is none of the connections' */
export async function runBench(options: BenchOptions, surroundings: Surroundings): Promise<number> {
  const begunAt = Date.now() / 1000;
  const begunMonotonic = monotonicNs() / 1e9;
  const tally = new Tally(options.details);
  const cpu = process.cpuUsage();
  const engine = openEngine(options);
  const progress = new Progress();
  let memoryBytes = 0;
  let status = engine.status();
  surroundings.onStop((graceSeconds) => engine.stop(graceSeconds));
  if (options.mode === 'server') surroundings.err(`listening on ${options.listenIp} port ${status.port}\n`);
  try {
    while (true) {
      status = engine.status();
      const { connections, requests } = engine.take();
      for (const connection of decodeConnections(connections)) {
        tally.add(connection);
        if (options.verbose) surroundings.err(lineOf(connection));
      }
      for (const ns of requests) tally.addRequest(Number(ns) / 1e6);
      memoryBytes = Math.max(memoryBytes, process.memoryUsage.rss());
      if (status.finished) break;
      progress.show(surroundings, tally, status);
      await sleep(TICK_MS);
    }
  } finally {
    engine.close();
    progress.clear(surroundings);
  }
  if (status.error !== '') throw new TlshubError('TLSHUB_SYS', status.error);
  const { user, system } = process.cpuUsage(cpu);
  const usage: Usage = {
    seconds: status.elapsedSeconds,
    cpuSeconds: (user + system) / 1e6,
    memoryBytes,
    portWaits: status.waits,
    begunAt,
    begunMonotonic,
  };
  const result = resultOf(options, tally, usage);
  const unasked = await saveBoth(result, options, `bench_metrics_${Math.floor(begunAt)}`);
  const files = [options.csv, options.json].filter((file) => file !== undefined);
  surroundings.out(summaryText(result, tally, [...files, ...unasked]));
  return tally.failed === 0 ? EXIT.ok : EXIT.failed;
}
