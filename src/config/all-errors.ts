// SPDX-License-Identifier: Apache-2.0
/** All that is wrong with a file whose parser stops at the first error: each line with one is left out, and the rest is parsed again. */
import { placeOf } from '../shared/errors/errors.js';

/** Who has more mistakes than this has taken the wrong file. */
const MAX_ERRORS = 20;

/**
 * @param parse throws an error that names a line of the text (or, for what comes from elsewhere, none)
 * @returns what it threw, in the order of its looks; empty: there is nothing wrong
 */
export function allErrors(text: string, parse: (text: string) => unknown): Error[] {
  const lines = text.split('\n');
  const errors: Error[] = [];
  while (errors.length < MAX_ERRORS) {
    try {
      parse(lines.join('\n'));
      break;
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      const { line } = placeOf(error);
      errors.push(error);
      if (line === undefined || lines[line - 1] === undefined || lines[line - 1] === '') break;
      lines[line - 1] = '';
    }
  }
  return errors;
}
