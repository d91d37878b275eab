// SPDX-License-Identifier: Apache-2.0
/** Flows as a table for people: on a terminal as many columns as fit, elsewhere all, and with -o wide all there are. */
import type { FlowReport } from '../report/flow.js';
import { printable } from '../shared/text/printable.js';
import { table } from './tables.js';

interface Column {
  head: string;
  cell: (flow: FlowReport) => string;
  /** only with -o wide */
  wide?: true;
  /** 1: always there; the higher, the sooner it is left out where there is no room */
  rank: number;
}

const NONE = '-';

function endpoint(address: string, port: number): string {
  // An end that the kernel had not chosen yet when the connection was refused.
  if (port === 0 && /^(?:::ffff:)?[0:.]+$/.test(address)) return NONE;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function milliseconds(value: number | null): string {
  return value === null ? NONE : value.toFixed(value < 10 ? 2 : 1);
}

/** `5s`, `12m`, `3h`, `4d`: of its largest unit as many as are full. */
export function age(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/** In the order of the table: what one looks for first stands first. */
const COLUMNS: readonly Column[] = [
  { head: 'STATE', rank: 1, cell: ({ state }) => state },
  { head: 'AGE', rank: 4, cell: ({ ageMs }) => age(ageMs) },
  { head: 'PROGRAM', rank: 2, cell: ({ pid, comm }) => (pid === null ? NONE : `${comm ?? '?'} (${pid})`) },
  { head: 'SOURCE', rank: 3, cell: ({ src, sport }) => endpoint(src, sport) },
  { head: 'DESTINATION', rank: 1, cell: ({ dst, dport }) => endpoint(dst, dport) },
  { head: 'NODE', rank: 5, cell: ({ peerNode }) => peerNode ?? NONE },
  { head: 'CODE', rank: 1, cell: ({ code }) => code || NONE },
  { head: 'POD', rank: 9, cell: ({ pod }) => pod ?? NONE },
  { head: 'PROVIDER', rank: 6, cell: ({ provider }) => provider ?? NONE },
  { head: 'CIPHER', rank: 7, cell: ({ cipher }) => cipher ?? NONE },
  { head: 'HOLD ms', rank: 8, cell: ({ holdMs }) => milliseconds(holdMs) },
  { head: 'ULP', rank: 10, cell: ({ kernelUlp }) => kernelUlp ?? NONE },
  { head: 'COOKIE', rank: 11, wide: true, cell: ({ cookie }) => cookie },
  { head: 'ROLE', rank: 11, wide: true, cell: ({ role }) => role },
  { head: 'EXCHANGE', rank: 11, wide: true, cell: ({ exchange }) => exchange ?? NONE },
  { head: 'EPOCH', rank: 11, wide: true, cell: ({ epoch }) => (epoch === null ? NONE : String(epoch)) },
  { head: 'HOLD', rank: 11, wide: true, cell: ({ hold }) => hold },
  { head: 'REASON', rank: 5, cell: ({ reason }) => reason || NONE },
  { head: 'REMEDY', rank: 11, wide: true, cell: ({ remedy }) => remedy || NONE },
];

/** Every figure of a flow under the name of its column; '-' for what is not known. */
export function cellsOf(flow: FlowReport): [head: string, cell: string][] {
  return COLUMNS.map(({ head, cell }) => [head, cell(flow)]);
}

export interface Layout {
  /** with all columns */
  wide?: boolean;
  /** of the terminal; undefined: lines may be as long as they are */
  columns?: number | undefined;
}

const GAP = 2;
/** Less than this of a sentence says nothing. */
const SHORTEST_REASON = 24;

export function flowsTable(flows: readonly FlowReport[], { wide = false, columns }: Layout = {}): string {
  if (flows.length === 0) return 'no flows';
  const all = COLUMNS.filter((column) => wide || column.wide !== true).map((column) => ({
    ...column,
    cells: flows.map((flow) => printable(column.cell(flow))),
  }));
  const shown = wide || columns === undefined ? all : fitting(all, columns);
  const drawn = table(
    flows.map((_, row) => shown.map(({ cells }) => cells[row] ?? '')),
    shown.map(({ head }) => head),
  );
  return wide || columns === undefined ? drawn : cut(drawn, columns);
}

type Filled = Column & { cells: string[] };

/** Those that have something to say, by rank, as long as there is room. The reason takes what is left. */
function fitting(all: readonly Filled[], columns: number): Filled[] {
  const useful = all.filter(({ cells }) => cells.some((cell) => cell !== NONE));
  const width = ({ head, cells }: Filled): number => {
    const longest = Math.max(head.length, ...cells.map((cell) => cell.length));
    return GAP + (head === 'REASON' ? Math.min(longest, SHORTEST_REASON) : longest);
  };
  const chosen = new Set<Filled>();
  let used = -GAP;
  for (const column of [...useful].sort((a, b) => a.rank - b.rank)) {
    if (column.rank > 1 && used + width(column) > columns) continue;
    chosen.add(column);
    used += width(column);
  }
  return useful.filter((column) => chosen.has(column));
}

/** Lines of that many columns at most; what is cut off shows that it is. */
function cut(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => (line.length <= columns ? line : `${line.slice(0, columns - 1)}…`))
    .join('\n');
}
