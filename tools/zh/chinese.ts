// SPDX-License-Identifier: Apache-2.0
/**
 * The Chinese of texts that are written in the sources in English: errors.ts and keys.ts have it by the English text, as gettext does, so a
 * text that changes has no Chinese until somebody has looked at it. Lists of names and ranges of numbers are the same in every text, and made here.
 */
import { ERROR_TEXTS } from './errors.js';
import { KEY_TEXTS } from './keys.js';

const UNITS = ['milliseconds', 'bytes'] as const;
const units = UNITS.join('|');
const RANGE = new RegExp(`^a (whole number|power of two) from (\\d+) to (\\d+)(?: \\((${units})\\))?$`);
const SOME_OF = /^one or more of ([\w, -]+), the preferred one first, separated by commas or spaces$/;
/** Names that are written as they are: a list, or one. */
const NAMES = /^[\w.-]+(?:, [\w.-]+)*$/;

const inChinese = (names: string): string => names.replaceAll(', ', '、');

/** @throws Error if there is none */
export function chinese(text: string): string {
  const known = ERROR_TEXTS[text] ?? KEY_TEXTS[text];
  if (known !== undefined) return known;
  const [, kind, from, to, unit] = RANGE.exec(text) ?? [];
  if (kind !== undefined) {
    const number = kind === 'whole number' ? '整数' : '2 的幂';
    return `${number}，${from} 到 ${to}${unit === undefined ? '' : `（${chinese(unit)}）`}`;
  }
  const [, names] = SOME_OF.exec(text) ?? [];
  if (names !== undefined) return `${inChinese(names)} 中的一个或几个，首选在前，以逗号或空格分隔`;
  if (NAMES.test(text)) return inChinese(text);
  throw new Error(`there is no Chinese in tools/zh/ for: ${text}`);
}
