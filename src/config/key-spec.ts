// SPDX-License-Identifier: Apache-2.0
/** What a key of capture.conf is: its format, default and meaning. */
import { integer, type Format } from './formats.js';

export interface KeySpec<T> {
  format: Format<T>;
  default: T;
  doc: string;
  /** shown instead of the default where that differs from host to host */
  defaultNote?: string;
  /** why it cannot change while the agent runs; undefined: a reload puts it in force */
  restart?: string;
}

export function key<T>(
  format: Format<T>,
  fallback: NoInfer<T>,
  doc: string,
  more: Pick<KeySpec<T>, 'defaultNote' | 'restart'> = {},
): KeySpec<T> {
  return { format, default: fallback, doc, ...more };
}

export const milliseconds = (min: number, max: number): Format<number> => integer({ min, max, unit: 'milliseconds' });

export const HOUR_MS = 3_600_000;
