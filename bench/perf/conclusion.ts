// SPDX-License-Identifier: Apache-2.0
/** What a comparison comes to, in a sentence or two, and what is to be said against it. Pure. */
import { BULK, CONNECTIONS, HOLD, bestOf, spreadIn, type Figure } from './figures.js';
import type { ModeSummary } from './rounds.js';

/** From this share of the machine on, work of others is worth a warning, in percent. */
export const BUSY_PERCENT = 10;

/** What others did on the machine meanwhile. */
export interface Others {
  /** of all its processors' time */
  percent: number;
  /** a phrase: when and where that was measured */
  measured: string;
}

interface Headline {
  figure: Figure;
  unit: string;
  wins: string;
  /** as a noun, where there is no winner */
  what: string;
}

const HEADLINES: readonly Headline[] = [
  { figure: HOLD, unit: ' ms', wins: 'holds a new connection for the shortest time', what: 'how long one is held' },
  { figure: CONNECTIONS, unit: ' a second', wins: 'makes the most new connections', what: 'new connections' },
  { figure: BULK, unit: ' Mbit/s', wins: 'moves the most data', what: 'bulk throughput' },
];

const shown = ({ digits }: Figure, value: number): string => value.toFixed(digits);

/** One or a few sentences; claims nothing that the rounds' spread does not bear. */
export function conclusionOf(modes: readonly ModeSummary[]): string {
  const [first] = modes;
  if (first === undefined) return 'Nothing was measured.';
  if (modes.length === 1) {
    const figures = HEADLINES.map(({ figure, unit }) => shown(figure, spreadIn(figure, first).median) + unit);
    return `${first.mode} alone: a connection is held for ${figures[0]} (p50), ${figures[1]} are made, and bulk data move at ${figures[2]}. There is nothing to compare it with.`;
  }
  if (modes.some(({ rounds }) => rounds.length < 2))
    return 'One round says nothing of how much the figures vary, so nothing is concluded from their differences: --rounds 3 or more would.';
  const won: string[] = [];
  const open: string[] = [];
  let last = '';
  for (const { figure, unit, wins, what } of HEADLINES) {
    const best = bestOf(figure, modes);
    if (best === undefined) {
      open.push(what);
      continue;
    }
    const by = `${shown(figure, best.spread.median)}${unit}, next ${best.next}: ${shown(figure, best.nextSpread.median)}`;
    won.push(`${best.mode === last ? '' : `${best.mode} `}${wins} (${by})`);
    last = best.mode;
  }
  const sentences = won.length === 0 ? [] : [`${listed(won)}.`];
  if (open.length === HEADLINES.length)
    sentences.push('No difference is shown: in each figure of weight the rounds of the best two overlap.');
  else if (open.length > 0) sentences.push(`No difference is shown in ${listed(open)}: there the rounds overlap.`);
  return sentences.join(' ');
}

function listed(parts: readonly string[]): string {
  const head = parts.slice(0, -1).join(', ');
  return head === '' ? (parts[0] ?? '') : `${head} and ${parts.at(-1) ?? ''}`;
}

/** What a reader must know before he believes a difference; empty: nothing. */
export function warningsOf(modes: readonly ModeSummary[], others: Others | undefined): string[] {
  const warnings: string[] = [];
  const failed = modes.filter(({ failed_connections: count }) => count > 0);
  if (failed.length > 0)
    warnings.push(
      `Connections failed: ${failed.map((mode) => `${mode.failed_connections} of ${mode.total_connections} with ${mode.mode}`).join(', ')}. The CSV files say why.`,
    );
  if (others !== undefined && others.percent >= BUSY_PERCENT)
    warnings.push(
      `The machine was busy with other work: ${others.percent.toFixed(0)} % of its processors (${others.measured}). Differences may be its doing: measure again when it is quiet.`,
    );
  return warnings;
}
