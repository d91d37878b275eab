/** The figures of one contender. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { lab, type Program } from '../../test/vm/harness/index.js';
import { waitFor } from '../../test/vm/harness/wait.js';
import { processUsage } from '../report/machine.js';
import { percentile } from '../support.js';
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
}

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

export async function connections(
  contender: Contender,
  slots: number,
  seconds: number,
  count = 0,
): Promise<LoadFigures> {
  const [[elapsed = NaN] = [], ...rows] = await load(contender, slots, 1, seconds, count);
  const times = rows.map(([us = NaN]) => us / 1000);
  return {
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

/** Memory at `count` idle connections, over that at one: buffers and code that the first one needs are not counted. */
export async function idle(contender: Contender, pids: readonly number[], count: number): Promise<IdleFigures> {
  const hold = async (wanted: number): Promise<Program> => {
    const { host, port, how, captured } = contender;
    const client = lab.spawn('a', [LOAD, 'idle', host, `${port}`, how, PKI, 'a', `${wanted}`], { outside: !captured });
    const ready = (): boolean => {
      if (!client.running) throw new Error(`${contender.name}: ${client.stderr}`);
      return client.stdout.includes('ready');
    };
    await waitFor(ready, 600_000, `${wanted} idle connections of ${contender.name}`);
    await sleep(2000); // what was allocated in passing is given back
    return client;
  };
  const first = await hold(1);
  const before = { machine: availableBytes(), tls: residentBytes(pids), client: residentBytes([first.pid]) };
  const many = await hold(count);
  const after = { machine: availableBytes(), tls: residentBytes(pids), client: residentBytes([many.pid]) };
  await first.stop();
  await many.stop();
  return {
    connections: count,
    tlsProcessBytes: (after.tls - before.tls) / count,
    clientBytes: (after.client - before.client) / count,
    machineBytes: (before.machine - after.machine) / count,
  };
}
