// SPDX-License-Identifier: Apache-2.0
/**
 * `tlshubctl flows --watch`: asks again and again on one connection. On a terminal the screen is drawn anew each time; elsewhere, and with
 * --json, a line is written for each flow that is new, has changed or is gone, so that the output can be piped. While the supervisor is
 * away (a restart, an upgrade) it waits for the next one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlClient } from '../control/client.js';
import type { FlowReport } from '../report/flow.js';
import { FLOW_STATES } from '../report/flow.js';
import type { FlowQuery } from '../control/flow-query.js';
import { ControlError } from '../shared/errors/errors.js';
import { printable } from '../shared/text/printable.js';
import type { CliContext, GlobalOptions, TerminalSize } from './context.js';
import { sortFlows, type FlowOrder } from './flow-order.js';
import { cellsOf, flowsTable } from './flow-table.js';

/** How flows are shown. */
export interface FlowLook {
  wide: boolean;
  sort: FlowOrder;
}

/** What becomes of one answer, or of none. */
interface View {
  draw(flows: FlowReport[]): string;
  /** the supervisor has gone; once until it draws again */
  away(): string;
  /** what leaves the terminal as it was */
  end: string;
}

/**
 * Until the user ends it.
 * @throws (rejects with) TlshubError when there is no supervisor at the beginning, or one that refuses
 */
export async function watchFlows(
  context: CliContext,
  options: GlobalOptions,
  query: FlowQuery,
  intervalMs: number,
  look: FlowLook,
): Promise<void> {
  let client: ControlClient | undefined = await ControlClient.connect(options.socket);
  const signal = context.untilInterrupted();
  const view = viewFor(context, options, intervalMs, look);
  let away = false;
  try {
    while (!signal.aborted) {
      try {
        client ??= await ControlClient.connect(options.socket);
        context.out(view.draw(await client.request('flows', query)));
        away = false;
      } catch (error) {
        if (!isAway(error)) throw error;
        client?.close();
        client = undefined;
        if (!away) context.out(view.away());
        away = true;
      }
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    client?.close();
    if (view.end !== '') context.out(view.end);
  }
}

function isAway(error: unknown): boolean {
  if (!(error instanceof ControlError)) return false;
  return error.code === 'TLSHUB_CONTROL_CLOSED' || error.code === 'TLSHUB_CONTROL_UNREACHABLE';
}

function viewFor(context: CliContext, options: GlobalOptions, intervalMs: number, look: FlowLook): View {
  if (options.json === true) return new Changes(jsonLine, jsonNews);
  const { terminal } = context;
  if (terminal === undefined) return new Changes(textLine, textNews);
  return new Screen(terminal, intervalMs, look);
}

const AWAY = 'the supervisor went away: waiting for it';

type Change = 'present' | 'new' | 'changed' | 'gone';
/** of the supervisor */
type News = 'away' | 'back';

/** Lines for what is different from the last time. */
class Changes implements View {
  readonly end = '';
  private known = new Map<string, { flow: FlowReport; text: string }>();
  private first = true;

  private gone = false;

  constructor(
    private readonly line: (change: Change, flow: FlowReport) => string,
    private readonly news: (news: News) => string,
  ) {}

  away(): string {
    this.gone = true;
    return `${this.news('away')}\n`;
  }

  draw(flows: FlowReport[]): string {
    const now = new Map<string, { flow: FlowReport; text: string }>();
    const lines = this.gone ? [this.news('back')] : [];
    this.gone = false;
    for (const flow of flows) {
      const text = JSON.stringify({ ...flow, ageMs: 0 });
      now.set(flow.cookie, { flow, text });
      const before = this.known.get(flow.cookie);
      if (before === undefined) lines.push(this.line(this.first ? 'present' : 'new', flow));
      else if (before.text !== text) lines.push(this.line('changed', flow));
    }
    for (const [cookie, { flow }] of this.known) if (!now.has(cookie)) lines.push(this.line('gone', flow));
    this.known = now;
    this.first = false;
    return lines.map((line) => `${line}\n`).join('');
  }
}

function jsonLine(change: Change, flow: FlowReport): string {
  return JSON.stringify({ at: new Date().toISOString(), change, flow });
}

function jsonNews(news: News): string {
  return JSON.stringify({ at: new Date().toISOString(), change: news });
}

function textNews(news: News): string {
  const text = news === 'away' ? AWAY : 'the supervisor answers again';
  return `${new Date().toISOString()}  ${news.padEnd(7)}  ${text}`;
}

function textLine(change: Change, flow: FlowReport): string {
  const cells = cellsOf(flow).map(([head, cell]) => `${head.toLowerCase()}=${printable(cell)}`);
  return [new Date().toISOString(), change.padEnd(7), ...cells.filter((cell) => !/=-?$/.test(cell))].join('  ');
}

/** Control sequences of ECMA-48, and xterm's for the alternate screen. */
const ESC = '\u001b[';
const ENTER = `${ESC}?1049h${ESC}?25l`;
const LEAVE = `${ESC}?25h${ESC}?1049l`;
const HOME = `${ESC}H`;
const END_OF_LINE = `${ESC}K`;
const END_OF_SCREEN = `${ESC}J`;

class Screen implements View {
  readonly end = LEAVE;
  private entered = false;
  private last: FlowReport[] = [];

  constructor(
    private readonly terminal: () => TerminalSize,
    private readonly intervalMs: number,
    private readonly look: FlowLook,
  ) {}

  /** What was seen last stays on the screen. */
  away(): string {
    return this.paint(this.last, `${AWAY} since ${new Date().toISOString().slice(11, 19)}Z, Ctrl-C ends`);
  }

  draw(flows: FlowReport[]): string {
    this.last = flows;
    const counts = FLOW_STATES.map((state) => [state, flows.filter((flow) => flow.state === state).length] as const);
    const parts = counts.filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
    const title = `${flows.length} flows${parts.length === 0 ? '' : `: ${parts.join(', ')}`}   every ${this.intervalMs / 1000} s, Ctrl-C ends`;
    return this.paint(flows, title);
  }

  private paint(flows: readonly FlowReport[], title: string): string {
    const { columns, rows } = this.terminal();
    const { wide, sort } = this.look;
    const table = flowsTable(sortFlows(flows, sort), { wide, columns }).split('\n');
    const room = Math.max(1, rows - 3);
    const shown = table.length <= room + 1 ? table : [...table.slice(0, room), `... ${table.length - room} more`];
    const lines = [title, '', ...shown].map((line) => line.slice(0, columns) + END_OF_LINE);
    const start = this.entered ? '' : ENTER;
    this.entered = true;
    return start + HOME + lines.join('\r\n') + END_OF_SCREEN;
  }
}
