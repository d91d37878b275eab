// SPDX-License-Identifier: Apache-2.0
/** The comparison with peers as a table and a page. */
import { machineText, type Machine } from '../report/machine.js';
import { pageOf } from '../report/page.js';
import { barPlot } from '../report/plots.js';
import type { BulkFigures, IdleFigures, LoadFigures } from './measure.js';

export interface ContenderFigures {
  name: string;
  title: string;
  /** medians over the rounds */
  bulk: BulkFigures;
  rounds: BulkFigures[];
  /** eight at once */
  connect: LoadFigures;
  /** one at a time */
  firstByte: LoadFigures;
  idle: IdleFigures[];
}

export interface PeersResult {
  generated: string;
  machine: Machine;
  versions: Record<string, string>;
  command: string;
  contenders: ContenderFigures[];
  aims: Aim[];
}

export interface Aim {
  text: string;
  value: number;
  met: boolean;
}

/** What the project promises; ratios of one run. */
export function aimsOf(contenders: readonly ContenderFigures[]): Aim[] {
  const of = (name: string): ContenderFigures | undefined => contenders.find((contender) => contender.name === name);
  const [own, inBand, stunnel, nginx] = [of('tlshub'), of('tlshub-in-band'), of('stunnel'), of('nginx')];
  const [plaintext, ktls] = [of('plaintext'), of('openssl-ktls')];
  const aims: Aim[] = [];
  const add = (text: string, value: number, met: boolean): void => void aims.push({ text, value, met });
  if (own !== undefined && stunnel !== undefined) {
    const speed = own.bulk.megabytesPerSecond / stunnel.bulk.megabytesPerSecond;
    const cpu = own.bulk.cpuSecondsPerGb / stunnel.bulk.cpuSecondsPerGb;
    add("bulk throughput, to the stunnel pair's (at least 1.4)", speed, speed >= 1.4);
    add("CPU per GB, to the stunnel pair's (at most 0.7)", cpu, cpu <= 0.7);
  }
  if (own !== undefined && ktls !== undefined) {
    const speed = own.bulk.megabytesPerSecond / ktls.bulk.megabytesPerSecond;
    add("bulk throughput, to OpenSSL's own kTLS (at least 0.95)", speed, speed >= 0.95);
  }
  if (own !== undefined && nginx !== undefined) {
    const speed = own.connect.perSecond / nginx.connect.perSecond;
    add("new connections a second, to the nginx pair's (at least 3)", speed, speed >= 3);
  }
  if (own !== undefined && plaintext !== undefined) {
    const speed = own.connect.perSecond / plaintext.connect.perSecond;
    add("new connections a second, to plaintext's (at least a third)", speed, speed >= 1 / 3);
  }
  if (own !== undefined && inBand !== undefined) {
    const cpu = own.connect.tlsCpuMs / inBand.connect.tlsCpuMs;
    add("the agents' CPU of a connection, to in-band's (at most 0.2)", cpu, cpu <= 0.2);
  }
  const last = own?.idle.at(-1);
  if (last !== undefined)
    add(
      'bytes of the agents for an idle secured connection, both nodes together (at most 64 in each)',
      last.tlsProcessBytes,
      last.tlsProcessBytes <= 128,
    );
  return aims;
}

export function peersTable(contenders: readonly ContenderFigures[]): { head: string[]; rows: string[][] } {
  const counts = contenders[0]?.idle.map(({ connections }) => connections) ?? [];
  const kb = (bytes: number | undefined): string => (bytes === undefined ? '' : (bytes / 1024).toFixed(2));
  return {
    head: [
      '',
      'bulk MB/s',
      'CPU s/GB',
      'new conn/s',
      'TLS processes CPU ms/conn',
      'machine CPU ms/conn',
      'first byte p50 ms',
      'p99 ms',
      ...counts.flatMap((count, i) => [
        `TLS processes KB/conn, ${counts[i - 1] ?? 1} to ${count}`,
        'program KB/conn',
        'machine KB/conn',
      ]),
    ],
    rows: contenders.map(({ title, bulk, connect, firstByte, idle }) => [
      title,
      bulk.megabytesPerSecond.toFixed(1),
      bulk.cpuSecondsPerGb.toFixed(1),
      connect.perSecond.toFixed(1),
      connect.tlsCpuMs.toFixed(2),
      connect.machineCpuMs.toFixed(2),
      firstByte.p50Ms.toFixed(2),
      firstByte.p99Ms.toFixed(2),
      ...idle.flatMap((figures) => [kb(figures.tlsProcessBytes), kb(figures.clientBytes), kb(figures.machineBytes)]),
    ]),
  };
}

export function peersPage(result: PeersResult): string {
  const { contenders, aims, machine, generated, versions, command } = result;
  const names = contenders.map(({ name }) => name);
  const bars = (title: string, unit: string, value: (figures: ContenderFigures) => number): string =>
    barPlot(title, unit, names, { [unit]: contenders.map(value) });
  const last = (figures: ContenderFigures): IdleFigures | undefined => figures.idle.at(-1);
  return pageOf('TLShub-eBPF and what else a user could pick', [
    {
      title: 'What was measured, and on what',
      text: [
        `${generated}. ${machineText(machine)}. ${Object.entries(versions)
          .map((pair) => pair.join(' '))
          .join(', ')}.`,
        'All in one run on the same pair of nodes joined by veth and a bridge, in turns. The same program makes the load everywhere; TLS 1.3, ' +
          'TLS_AES_128_GCM_SHA256, X25519, certificates verified on both sides, no resumption. The agents run and their hooks are loaded for all ' +
          'contenders. Bulk: one connection, one direction, after its first byte. CPU: all processors of the machine, so both ends and everything between. ' +
          'New connections: eight at once. First byte: one at a time, from before connect() to the answer of the server.',
      ],
      table: peersTable(contenders),
    },
    {
      title: 'Aims',
      table: {
        head: ['', 'measured', 'met'],
        rows: aims.map(({ text, value, met }) => [text, value.toFixed(2), met ? 'yes' : 'no']),
      },
    },
    {
      title: 'Plots',
      plots: [
        bars('Bulk throughput', 'MB/s', ({ bulk }) => bulk.megabytesPerSecond),
        bars('CPU of the whole machine per GB', 'CPU s per GB', ({ bulk }) => bulk.cpuSecondsPerGb),
        bars('New connections', 'per second', ({ connect }) => connect.perSecond),
        bars('CPU of the whole machine for a new connection', 'CPU ms', ({ connect }) => connect.machineCpuMs),
        barPlot('Time to the first byte', 'ms', names, {
          p50: contenders.map(({ firstByte }) => firstByte.p50Ms),
          p99: contenders.map(({ firstByte }) => firstByte.p99Ms),
        }),
        ...(contenders.some((figures) => last(figures) !== undefined)
          ? [
              bars(
                'Processes that do TLS, for an idle connection',
                'KB',
                (figures) => (last(figures)?.tlsProcessBytes ?? 0) / 1024,
              ),
              bars(
                'The whole machine, for an idle connection',
                'KB',
                (figures) => (last(figures)?.machineBytes ?? 0) / 1024,
              ),
            ]
          : []),
      ],
    },
    { title: 'To repeat it', code: command },
  ]);
}
