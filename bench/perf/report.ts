// SPDX-License-Identifier: Apache-2.0
/** A comparison of modes: the table for the terminal, the page for the browser. */
import { machineText, type Machine } from '../report/machine.js';
import { pageOf } from '../report/page.js';
import { barPlot, distributionPlot, linePlot, type Series } from '../report/plots.js';
import type { Measurement, Settings } from './measure.js';
import type { SampleRow } from './rows.js';
import type { ModeSummary } from './summary.js';

export interface Summary {
  generated: string;
  machine: Machine;
  settings: Settings;
  modes: ModeSummary[];
}

const fixed =
  (digits: number) =>
  (value: number): string =>
    value.toFixed(digits);

const ROWS: readonly [string, (summary: ModeSummary) => string][] = [
  ['connections completed', (s) => `${s.successful_connections}`],
  ['connections failed', (s) => `${s.failed_connections}`],
  ['keys agreed on', (s) => Object.keys(s.exchanges).join(', ')],
  ['new connections per second', (s) => fixed(1)(s.connections_per_second)],
  ['connection latency p50, ms', (s) => fixed(2)(s.connection_latency_ms.p50)],
  ['connection latency p99, ms', (s) => fixed(2)(s.connection_latency_ms.p99)],
  ['hold p50, ms', (s) => fixed(2)(s.hold_ms.p50)],
  ['hold p99, ms', (s) => fixed(2)(s.hold_ms.p99)],
  ['negotiation p50, ms', (s) => fixed(2)(s.negotiation_ms.p50)],
  ['negotiation p99, ms', (s) => fixed(2)(s.negotiation_ms.p99)],
  ['install p50, ms', (s) => fixed(2)(s.install_ms.p50)],
  ['bulk throughput, Mbit/s', (s) => fixed(1)(s.bulk_throughput_mbps)],
  ['whole machine, CPU s per GB', (s) => fixed(2)(s.bulk_cpu_seconds_per_gb)],
  ['agent a, CPU ms per connection', (s) => fixed(2)(s.agent_a_cpu_ms_per_connection)],
  ['agent b, CPU ms per connection', (s) => fixed(2)(s.agent_b_cpu_ms_per_connection)],
  ['agents, CPU % during bulk', (s) => fixed(2)(s.agents_bulk_cpu_percent)],
  ['agent a, highest memory, MB', (s) => fixed(1)(s.agent_a_max_rss_kb / 1024)],
  ['agent b, highest memory, MB', (s) => fixed(1)(s.agent_b_max_rss_kb / 1024)],
];

export function comparison({ modes }: Summary): { head: string[]; rows: string[][] } {
  return {
    head: ['', ...modes.map(({ mode }) => mode)],
    rows: ROWS.map(([name, cell]) => [name, ...modes.map(cell)]),
  };
}

/** Percent of one processor between samples. */
function cpuSeries(name: string, samples: readonly SampleRow[], column: 'agent_a_cpu_s' | 'agent_b_cpu_s'): Series {
  const points: [number, number][] = [];
  for (const [at, sample] of samples.entries()) {
    const before = samples[at - 1];
    if (before === undefined || sample.time_ms <= before.time_ms) continue;
    points.push([sample.time_ms / 1000, ((sample[column] - before[column]) / (sample.time_ms - before.time_ms)) * 1e5]);
  }
  return { name, points };
}

export function reportOf(summary: Summary, measurements: ReadonlyMap<string, Measurement>): string {
  const { modes, machine, settings, generated } = summary;
  const names = modes.map(({ mode }) => mode);
  const values = (column: 'hold_ms' | 'negotiation_ms' | 'connection_latency_ms'): Record<string, number[]> =>
    Object.fromEntries(
      [...measurements].map(([mode, { rows }]) => [
        mode,
        rows
          .filter(({ phase, state }) => phase === 'connections' && state === 'completed')
          .map((row) => row[column])
          .filter((value) => value !== null),
      ]),
    );
  const overTime = (column: 'agent_a_rss_kb' | 'agent_b_rss_kb'): Series[] =>
    [...measurements].map(([mode, { samples }]) => ({
      name: mode,
      points: samples.map((sample) => [sample.time_ms / 1000, sample[column] / 1024] as const),
    }));
  const cpuOverTime = (column: 'agent_a_cpu_s' | 'agent_b_cpu_s'): Series[] =>
    [...measurements].map(([mode, { samples }]) => cpuSeries(mode, samples, column));
  return pageOf('TLShub-eBPF: key providers compared', [
    {
      title: 'What was measured, and on what',
      text: [
        `${generated}. ${machineText(machine)}.`,
        `For each mode a fresh pair of nodes; tlshub_bench as an unmodified program in captured cgroups on both. Phase "connections": ${settings.duration} s` +
          `${settings.connections > 0 ? ` or ${settings.connections} connections` : ''}, ${settings.concurrency} open at once, ${settings.dataSize} bytes there and back in each. ` +
          'Phase "bulk": two connections at once of 4 MiB there and back each, again and again. All content was checked, and every connection was ' +
          'reported by both agents as secured by the provider named. The machine carries both nodes, so all figures include both ends.',
        ...modes.filter(({ note }) => note !== '').map(({ mode, note }) => `${mode}: ${note}.`),
      ],
      table: comparison(summary),
    },
    {
      title: 'Hold and negotiation',
      text: [
        'hold: from the connection being established to the gate opening, at the connecting side. negotiation: of it, the time with the key provider. ' +
          'connection latency: from connect() to the first byte that came back.',
      ],
      plots: [
        distributionPlot('Hold', 'ms', values('hold_ms')),
        distributionPlot('Negotiation', 'ms', values('negotiation_ms')),
        distributionPlot('Connection latency', 'ms', values('connection_latency_ms')),
        barPlot('New connections', 'per second', names, { 'per second': modes.map((s) => s.connections_per_second) }),
      ],
    },
    {
      title: 'Throughput',
      plots: [
        barPlot('Bulk throughput, both directions', 'Mbit/s', names, {
          'Mbit/s': modes.map((s) => s.bulk_throughput_mbps),
        }),
        barPlot('Whole machine: CPU per GB', 'CPU s per GB', names, {
          'CPU s per GB': modes.map((s) => s.bulk_cpu_seconds_per_gb),
        }),
      ],
    },
    {
      title: 'CPU of the agents',
      plots: [
        barPlot('CPU for each connection', 'ms', names, {
          'agent a (connects)': modes.map((s) => s.agent_a_cpu_ms_per_connection),
          'agent b (accepts)': modes.map((s) => s.agent_b_cpu_ms_per_connection),
        }),
        linePlot('Agent a over time', 's', '% of one processor', cpuOverTime('agent_a_cpu_s')),
        linePlot('Agent b over time', 's', '% of one processor', cpuOverTime('agent_b_cpu_s')),
      ],
    },
    {
      title: 'Memory of the agents',
      plots: [
        linePlot('Agent a: resident memory', 's', 'MB', overTime('agent_a_rss_kb')),
        linePlot('Agent b: resident memory', 's', 'MB', overTime('agent_b_rss_kb')),
      ],
    },
    {
      title: 'To repeat it',
      code: `test/perf_test.sh --modes ${names.join(',')} --duration ${settings.duration} --connections ${settings.connections} --out DIR`,
    },
  ]);
}
