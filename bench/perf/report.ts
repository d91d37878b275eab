// SPDX-License-Identifier: Apache-2.0
/** A comparison of modes: the table for the terminal, the page for the browser. */
import { machineText, type Machine } from '../report/machine.js';
import { pageOf, type Cell } from '../report/page.js';
import { distributionPlot, linePlot, modePlot, type Bar, type Series } from '../report/plots.js';
import { tableOf } from '../support.js';
import { conclusionOf, warningsOf, type Others } from './conclusion.js';
import {
  AGENT_A_CPU,
  AGENT_B_CPU,
  BULK,
  BULK_CPU,
  CONNECTIONS,
  FIGURES,
  bestOf,
  spreadIn,
  type Figure,
} from './figures.js';
import type { Measurement, Settings } from './measure.js';
import type { ModeSummary } from './rounds.js';
import type { SampleRow } from './rows.js';

export interface Summary {
  generated: string;
  machine: Machine;
  settings: Settings;
  /** not known in a virtual machine, whose host is asked for it afterwards */
  others?: Others;
  modes: ModeSummary[];
  conclusion?: string;
  warnings?: string[];
}

const COUNTS: readonly [string, (summary: ModeSummary) => string][] = [
  ['connections completed', (s) => `${s.successful_connections}`],
  ['connections failed', (s) => `${s.failed_connections}`],
  ['keys agreed on', (s) => Object.keys(s.exchanges).join(', ')],
];

/** A figure of a mode: its median, and how far the rounds lie apart; empty where there was one round. */
function figureCell(figure: Figure, mode: ModeSummary, modes: readonly ModeSummary[]): Required<Cell> {
  const { median, min, max } = spreadIn(figure, mode);
  const text = (value: number): string => value.toFixed(figure.digits);
  const note = mode.rounds.length < 2 ? '' : `${text(min)}–${text(max)}`;
  return { text: text(median), note, best: bestOf(figure, modes)?.mode === mode.mode };
}

/** Conclusion and warnings as they stand in summary.json. */
export function withConclusion(summary: Summary): Summary {
  const { modes, others } = summary;
  return { ...summary, conclusion: conclusionOf(modes), warnings: warningsOf(modes, others) };
}

export const BEST_MARK = '★';
const BEST_MEANS = `${BEST_MARK}: better in each of its rounds than every other in any.`;

/**
 * The comparison for a terminal: medians, with the range of the rounds, or, where that is too wide, with the largest distance from the median in percent.
 * @param columns of the terminal; undefined: the output goes elsewhere, where lines may be as long as they are
 */
export function comparisonText({ modes }: Summary, columns?: number): string {
  const table = (spread: (figure: Figure, mode: ModeSummary, range: string) => string): string =>
    tableOf(
      ['', ...modes.map(({ mode }) => mode)],
      [
        ...COUNTS.map(([name, cell]) => [name, ...modes.map(cell)]),
        ...FIGURES.map((figure) => [
          figure.name,
          ...modes.map((mode) => {
            const { text, note, best } = figureCell(figure, mode, modes);
            return `${best ? `${BEST_MARK} ` : ''}${text}${note === '' ? '' : spread(figure, mode, note)}`;
          }),
        ]),
      ],
    );
  const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
  let text = table((_figure, _mode, range) => ` (${range})`);
  let means = '(from–to): of the rounds';
  if (columns !== undefined && widest(text) > columns) {
    means = '±: the round farthest from the median';
    text = table((figure, mode) => {
      const { median, min, max } = spreadIn(figure, mode);
      const percent = median === 0 ? 0 : (Math.max(max - median, median - min) / Math.abs(median)) * 100;
      return ` ±${percent.toFixed(0)}%`;
    });
  }
  if (modes.some(({ rounds }) => rounds.length < 2)) return text;
  const medians = `Medians of ${modes[0]?.rounds.length ?? 0} rounds. ${means}.`;
  return `${text}\n${medians}${modes.length < 2 ? '' : `\n${BEST_MEANS}`}`;
}

/** Percent of one processor between samples. */
function cpuPoints(samples: readonly SampleRow[], column: 'agent_a_cpu_s' | 'agent_b_cpu_s'): [number, number][] {
  const points: [number, number][] = [];
  for (const [at, sample] of samples.entries()) {
    const before = samples[at - 1];
    if (before === undefined || sample.time_ms <= before.time_ms) continue;
    points.push([sample.time_ms / 1000, ((sample[column] - before[column]) / (sample.time_ms - before.time_ms)) * 1e5]);
  }
  return points;
}

/** A line for each round of each mode, those of a mode alike. */
function overTime(
  measurements: ReadonlyMap<string, Measurement>,
  points: (samples: readonly SampleRow[]) => [number, number][],
): Series[] {
  return [...measurements].flatMap(([mode, { samples }]) =>
    [...new Set(samples.map(({ round }) => round))].map((round) => ({
      name: mode,
      points: points(samples.filter((sample) => sample.round === round)),
    })),
  );
}

export function reportOf(summary: Summary, measurements: ReadonlyMap<string, Measurement>): string {
  const { modes, machine, settings, generated, others } = summary;
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
  const bars = (figure: Figure): Bar[] => modes.map((mode) => ({ name: mode.mode, ...spreadIn(figure, mode) }));
  const cpu = (column: 'agent_a_cpu_s' | 'agent_b_cpu_s'): Series[] =>
    overTime(measurements, (samples) => cpuPoints(samples, column));
  const memory = (column: 'agent_a_rss_kb' | 'agent_b_rss_kb'): Series[] =>
    overTime(measurements, (samples) => samples.map((sample) => [sample.time_ms / 1000, sample[column] / 1024]));
  const several = settings.rounds > 1;
  const sections = [
    {
      title: 'The figures',
      text: [
        ...(several
          ? [
              `Medians of ${settings.rounds} rounds, and below them the lowest and the highest.${modes.length < 2 ? '' : ` ${BEST_MEANS}`}`,
            ]
          : []),
        ...modes.filter(({ note }) => note !== '').map(({ mode, note }) => `${mode}: ${note}.`),
      ],
      table: {
        head: ['', ...names],
        rows: [
          ...COUNTS.map(([name, cell]) => [name, ...modes.map(cell)]),
          ...FIGURES.map((figure) => [figure.name, ...modes.map((mode) => figureCell(figure, mode, modes))]),
        ],
      },
    },
    {
      title: 'Hold and negotiation',
      text: [
        'hold: from the connection being established to the gate opening, at the connecting side. negotiation: of it, the time with the key provider. ' +
          'connection latency: from connect() to the first byte that came back. A colour is a mode, in all plots; a dark stroke on a bar goes from the lowest ' +
          'to the highest round.',
      ],
      plots: [
        distributionPlot('Hold', 'ms', values('hold_ms')),
        distributionPlot('Negotiation', 'ms', values('negotiation_ms')),
        distributionPlot('Connection latency', 'ms', values('connection_latency_ms')),
        modePlot('New connections', 'per second', bars(CONNECTIONS)),
      ],
    },
    {
      title: 'Throughput',
      plots: [
        modePlot('Bulk throughput, both directions', 'Mbit/s', bars(BULK)),
        modePlot('Whole machine: CPU per GB', 'CPU s per GB', bars(BULK_CPU)),
      ],
    },
    {
      title: 'CPU of the agents',
      plots: [
        modePlot('Agent a (connects): CPU for each connection', 'ms', bars(AGENT_A_CPU)),
        modePlot('Agent b (accepts): CPU for each connection', 'ms', bars(AGENT_B_CPU)),
        linePlot('Agent a over time', 's', '% of one processor', cpu('agent_a_cpu_s')),
        linePlot('Agent b over time', 's', '% of one processor', cpu('agent_b_cpu_s')),
      ],
    },
    {
      title: 'Memory of the agents',
      plots: [
        linePlot('Agent a: resident memory', 's', 'MB', memory('agent_a_rss_kb')),
        linePlot('Agent b: resident memory', 's', 'MB', memory('agent_b_rss_kb')),
      ],
    },
    {
      title: 'What was measured, and on what',
      text: [
        `${generated}. ${machineText(machine)}.`,
        `Modes in turns, ${settings.rounds} ${several ? 'rounds' : 'round'}, each with a fresh pair of nodes; tlshub_bench as an unmodified program in captured ` +
          `cgroups on both. Phase "connections": ${settings.duration} s for each mode` +
          `${settings.connections > 0 ? ` or ${settings.connections} connections` : ''}, ${settings.concurrency} open at once, ${settings.dataSize} bytes there and back in each. ` +
          'Phase "bulk": two connections at once of 4 MiB there and back each, again and again. All content was checked, and every connection was ' +
          'reported by both agents as secured by the provider named. The machine carries both nodes, so all figures include both ends.',
        others === undefined
          ? 'Whether the machine had other work meanwhile was not measured.'
          : `Other work took ${others.percent.toFixed(0)} % of the machine's processors (${others.measured}).`,
      ],
    },
    {
      title: 'To repeat it',
      code: `test/perf_test.sh --modes ${names.join(',')} --rounds ${settings.rounds} --duration ${settings.duration} --connections ${settings.connections} --out DIR`,
    },
  ];
  const { conclusion = '', warnings = [] } = withConclusion(summary);
  return pageOf('TLShub-eBPF: key providers compared', sections, { lead: conclusion, warnings });
}
