// SPDX-License-Identifier: Apache-2.0
/** The figures of one contender. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { lab, type Program } from '../../test/vm/harness/index.js';
import { waitFor } from '../../test/vm/harness/wait.js';
import { busySeconds, processUsage } from '../report/machine.js';
import { median, percentile } from '../support.js';
import { LOAD, PKI, type Contender } from './contenders.js';

export interface BulkFigures {
  megabytesPerSecond: number;
  cpuSecondsPerGb: number;
}

export interface LoadFigures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  samples: number;
  /** processor time of a connection, on the whole machine: both nodes and the kernel between them */
  machineCpuMs: number;
  /** of that, what the processes that do TLS had, proxies and agents of both nodes; 0 where the program does TLS itself */
  tlsCpuMs: number;
}

/** What each idle connection adds, from the count before this one on: from one connection, in the first. */
export interface IdleFigures {
  connections: number;
  /** growth of the resident sets of the processes that do TLS, both nodes together; proxies and agents. Bytes per connection */
  tlsProcessBytes: number;
  /** growth of peer_load's client, which has the TLS state where the program does TLS itself */
  clientBytes: number;
  /** what the whole machine has less of (MemAvailable): sockets, kernel TLS, processes of both nodes */
  machineBytes: number;
}

/** One row a request after the totals of the run. */
async function load(
  contender: Contender,
  slots: number,
  bytes: number,
  seconds: number,
  count: number,
): Promise<number[][]> {
  const { host, port, how, captured } = contender;
  const command = [LOAD, 'load', host, `${port}`, how, PKI, 'a', `${slots}`, `${bytes}`, `${seconds}`, `${count}`];
  const { code, stdout, stderr } = await lab.exec('a', command, { outside: !captured, timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`${contender.name}: ${stderr}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
}

export async function bulk(contender: Contender, bytes: number, seconds: number): Promise<BulkFigures> {
  const [[, sent = NaN, flowing = NaN, busy = NaN] = []] = await load(contender, 1, bytes, seconds, 0);
  return { megabytesPerSecond: sent / flowing / 1e6, cpuSecondsPerGb: busy / (sent / 1e9) };
}

const tlsCpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + processUsage(pid).cpuSeconds, 0);

/** @param pids of the processes that do TLS */
export async function connections(
  contender: Contender,
  pids: readonly number[],
  slots: number,
  seconds: number,
  count = 0,
): Promise<LoadFigures> {
  const before = { machine: busySeconds(), tls: tlsCpuSeconds(pids) };
  const [[elapsed = NaN] = [], ...rows] = await load(contender, slots, 1, seconds, count);
  const times = rows.map(([us = NaN]) => us / 1000);
  const each = (cpuSeconds: number): number => (cpuSeconds * 1000) / times.length;
  return {
    machineCpuMs: each(busySeconds() - before.machine),
    tlsCpuMs: each(tlsCpuSeconds(pids) - before.tls),
    perSecond: times.length / elapsed,
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
    samples: times.length,
  };
}

function availableBytes(): number {
  const [, kb = NaN] = /^MemAvailable: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1')) ?? [];
  return Number(kb) * 1024;
}

const residentBytes = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + processUsage(pid).residentKb * 1024, 0);

/** For what was allocated in passing to be given back, in ms; agents rest for longer, since a collector of garbage waits until its program does. */
const REST_MS = 2000;
/** Agents look through the kernel's list every five seconds, and what that leaves behind comes and goes: a reading each second of three such turns. */
const READINGS = 15;

interface Memory {
  machine: number;
  tls: number;
  clients: number;
}

/**
 * Memory at so many idle connections, which stay while more are made.
 * @param counts ascending
 * @param agentsRestMs before memory is read where agents are measured
 * @param warm connections that are made and closed before
 */
export async function idle(
  contender: Contender,
  pids: readonly number[],
  counts: readonly number[],
  agentsRestMs: number,
  warm: number,
): Promise<IdleFigures[]> {
  const clients: Program[] = [];
  const { host, port, how, captured } = contender;
  const open = async (wanted: number): Promise<Program> => {
    const client = lab.spawn('a', [LOAD, 'idle', host, `${port}`, how, PKI, 'a', `${wanted}`], { outside: !captured });
    const ready = (): boolean => {
      if (!client.running) throw new Error(`${contender.name}: ${client.stderr}`);
      return client.stdout.includes('ready');
    };
    await waitFor(ready, 1_800_000, `${wanted} idle connections of ${contender.name}`);
    return client;
  };
  const hold = async (wanted: number): Promise<Memory> => {
    const client = await open(wanted);
    clients.push(client);
    await sleep(captured ? agentsRestMs : REST_MS);
    const readings: Memory[] = [];
    while (readings.length < (captured ? READINGS : 1)) {
      if (readings.length > 0) await sleep(1000);
      // Each client is a process of its own, and what one has without connections is the first one's.
      const own = residentBytes([client.pid]) - (clients.length === 1 ? 0 : residentBytes([clients[0]?.pid ?? 0]));
      readings.push({ machine: availableBytes(), tls: residentBytes(pids), clients: own });
    }
    return {
      machine: median(readings.map(({ machine }) => machine)),
      tls: median(readings.map(({ tls }) => tls)),
      clients: median(readings.map((reading) => reading.clients)),
    };
  };
  if (warm > 0) await (await open(warm)).stop();
  let there = 1;
  let before = await hold(there);
  const figures: IdleFigures[] = [];
  for (const connections of counts) {
    const more = connections - there;
    const after = await hold(more);
    figures.push({
      connections,
      tlsProcessBytes: (after.tls - before.tls) / more,
      clientBytes: after.clients / more,
      machineBytes: (before.machine - after.machine) / more,
    });
    there = connections;
    before = after;
  }
  for (const client of clients) await client.stop();
  return figures;
}
