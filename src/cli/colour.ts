// SPDX-License-Identifier: Apache-2.0
/** Signs of good and bad, in colour on a terminal whose user has not set NO_COLOR (no-color.org). */
import type { CliContext } from './context.js';

export type Mood = 'good' | 'warning' | 'bad';

const SIGNS: Record<Mood, string> = { good: '✔', warning: '!', bad: '✘' };
/** SGR colours (ECMA-48 section 8.3.117). */
const COLOURS: Record<Mood, string> = { good: '32', warning: '33', bad: '31' };

export type Paint = (mood: Mood, text: string) => string;

export function paintFor({ terminal, env }: Pick<CliContext, 'terminal' | 'env'>): Paint {
  const plain = terminal === undefined || (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb';
  return plain ? (_, text) => text : (mood, text) => `\u001b[${COLOURS[mood]}m${text}\u001b[0m`;
}

export function sign(paint: Paint, mood: Mood): string {
  return paint(mood, SIGNS[mood]);
}
