// SPDX-License-Identifier: Apache-2.0
/** capture.conf as text: `key = value` lines, each key once, no key that the schema does not have. */
import { ConfigError, type Place } from '../shared/errors/errors.js';
import { clip, textLines } from '../shared/files/text-file.js';
import { KEY_NAMES, isKeyName, type KeyName } from './keys.js';

/** The text of a value with its place: what the loader decodes. */
export interface Setting {
  key: KeyName;
  text: string;
  place: Place;
}

/** @throws ConfigError for the first line that is no `key = value`, has an unknown key, or repeats one */
export function parseSettings(contents: Uint8Array | string, file: string): Map<KeyName, Setting> {
  const settings = new Map<KeyName, Setting>();
  const fail = (line: number, problem: string): Error =>
    new ConfigError('TLSHUB_CONFIG_SYNTAX', { file, line }, `${problem}; a line is \`key = value\` or a # comment`);
  for (const { line, text } of textLines(contents, fail)) {
    const equals = text.indexOf('=');
    if (equals === -1) throw fail(line, `"${clip(text)}" has no "="`);
    const name = text.slice(0, equals).trim();
    if (name === '') throw fail(line, 'there is no key before the "="');
    const place: Place = { file, line, key: clip(name) };
    if (!isKeyName(name)) throw unknownKey(name, place);
    const earlier = settings.get(name);
    if (earlier !== undefined) {
      throw new ConfigError('TLSHUB_CONFIG_DUPLICATE_KEY', place, `set twice, before in line ${earlier.place.line}`);
    }
    settings.set(name, { key: name, text: text.slice(equals + 1).trim(), place });
  }
  return settings;
}

function unknownKey(name: string, place: Place): ConfigError {
  const near = nearest(name.toLowerCase(), KEY_NAMES);
  const hint = near === undefined ? `the keys are ${KEY_NAMES.join(', ')}` : `did you mean ${near}?`;
  return new ConfigError('TLSHUB_CONFIG_UNKNOWN_KEY', place, `there is no such key; ${hint}`);
}

/** The candidate that the fewest edits away is, if that is few enough to be a slip. */
export function nearest(text: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(4, Math.ceil(text.length / 2));
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - text.length) >= bestDistance) continue;
    const distance = editDistance(text, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance: insertions, deletions and replacements. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
