// SPDX-License-Identifier: Apache-2.0
/** Whether two runs of a situation are the same to a program and its user. */
import type { Place, Step } from './place.js';
import { PORTS_EACH } from './ports.js';
import type { Situation } from './situation.js';

/** `known`: it differs as its situation says. `broken`: nothing was tried, since it does not work on plain TCP. */
export type Verdict = 'same' | 'known' | 'differs' | 'broken';

export interface Judgement {
  verdict: Verdict;
  plain: string;
  secured: string;
  /** what differs, or what is broken; empty when nothing is */
  detail: string;
}

/** Longer texts are not told in whole. */
const TOLD = 300;

/** Dates are of no interest: of HTTP, of syslog, of mail, and those with a clock's time. */
const DATES: readonly (readonly [RegExp, string])[] = [
  [/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d( GMT| [+-]\d{4})?/g, 'DATE'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?Z?/g, 'DATE'],
];

/** What a run was, without what differs between any two: its ports, its folder, dates, and what the situation itself names. */
export function comparable(
  place: Pick<Place, 'steps' | 'folder' | 'port'>,
  varies: readonly (readonly [RegExp, string])[],
): Step[] {
  const plain = (text: string): string => {
    let out = text.replaceAll(place.folder, 'FOLDER');
    for (let n = 0; n < PORTS_EACH; n++) out = out.replaceAll(String(place.port(n)), `PORT${n}`);
    return [...DATES, ...varies].reduce((rest, [pattern, word]) => rest.replace(pattern, word), out);
  };
  return place.steps.map((step) => ({ ...step, stdout: plain(step.stdout), stderr: plain(step.stderr) }));
}

function told(text: string): string {
  return JSON.stringify(text.length > TOLD ? `${text.slice(0, TOLD)}... (${text.length})` : text);
}

/** The two texts from where they part, or what little comes before that. */
function parting(plain: string, secured: string): string {
  let same = 0;
  while (same < plain.length && plain[same] === secured[same]) same += 1;
  const from = Math.max(0, same - 40);
  return `plain ${told(plain.slice(from))}, secured ${told(secured.slice(from))}`;
}

/** What differs, a line each; empty when nothing does. */
export function differences(plain: readonly Step[], secured: readonly Step[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < Math.max(plain.length, secured.length); i++) {
    const [one, other] = [plain[i], secured[i]];
    if (one === undefined || other === undefined) {
      lines.push(`${(one ?? other)!.what}: ${one === undefined ? 'secured' : 'plain'} only`);
      continue;
    }
    if (one.status !== other.status) lines.push(`${one.what}: status plain ${one.status}, secured ${other.status}`);
    if (one.stdout !== other.stdout) lines.push(`${one.what}: output ${parting(one.stdout, other.stdout)}`);
    if (one.stderr !== other.stderr) lines.push(`${one.what}: standard error ${parting(one.stderr, other.stderr)}`);
  }
  return lines;
}

/** How a run ended, in a cell of the table: each client's status, and how much they printed. */
export function summary(steps: readonly Step[]): string {
  const statuses = steps.flatMap(({ status }) => status ?? []);
  const counted =
    statuses.length > 3 && new Set(statuses).size === 1 ? `${statuses.length} × ${statuses[0]}` : statuses.join(', ');
  const bytes = steps.reduce((sum, { stdout, stderr }) => sum + stdout.length + stderr.length, 0);
  return `${counted}; ${bytes.toLocaleString('en')} B`;
}

/** By what differs, of a situation that works on plain TCP. */
export function verdictOn({ differs }: Situation, detail: string): Verdict {
  if (detail === '') return 'same';
  return differs?.seen.test(detail) === true ? 'known' : 'differs';
}
