// SPDX-License-Identifier: Apache-2.0
/** The Chinese of what the sources say in English (tools/zh): all of it is there, nothing else is, and it speaks of the same keys, codes and numbers. */
import { expect } from 'chai';
import { KEY_NAMES, keySpec } from '../../src/config/keys.js';
import { ERROR_CATALOG } from '../../src/shared/errors/catalog.js';
import { chinese } from '../../tools/zh/chinese.js';
import { ERROR_TEXTS } from '../../tools/zh/errors.js';
import { KEY_TEXTS } from '../../tools/zh/keys.js';

const ERRORS = Object.values(ERROR_CATALOG).flatMap(({ meaning, remedy }) => [meaning, remedy]);
const KEYS = KEY_NAMES.flatMap((name) => {
  const { doc, format, defaultNote, restart } = keySpec(name);
  return [doc, format.allowed, format.unit, defaultNote, restart].filter((text) => text !== undefined);
});

/** What has no language: code, error codes, keys whose names are no words, files, options, numbers. */
function named(text: string): string[] {
  const keys = KEY_NAMES.filter((name) => /[_.]/.test(name)).map((name) => name.replaceAll('.', '\\.'));
  const forms = [
    '`[^`]+`',
    'TLSHUB_\\w+',
    'docs/\\w+\\.md',
    '(?<![\\w-])--[a-z]+',
    '\\b\\d{2,}\\b',
    `\\b(?:${keys.join('|')})\\b`,
  ];
  return [...new Set(text.match(new RegExp(forms.join('|'), 'g')) ?? [])].sort();
}

describe('the Chinese of the configuration and of the errors', () => {
  it('is there for every key and every error code', () => {
    const missing = [...ERRORS, ...KEYS].filter((text) => {
      try {
        return chinese(text) === '';
      } catch {
        return true;
      }
    });
    expect(missing, 'without Chinese in tools/zh/errors.ts or keys.ts').to.deep.equal([]);
  });

  it('is of nothing that the sources do not say any more', () => {
    const stale = (texts: Readonly<Record<string, string>>, said: string[]): string[] =>
      Object.keys(texts).filter((text) => !said.includes(text));
    expect(stale(ERROR_TEXTS, ERRORS), 'tools/zh/errors.ts').to.deep.equal([]);
    expect(stale(KEY_TEXTS, KEYS), 'tools/zh/keys.ts').to.deep.equal([]);
  });

  it('names the same keys, codes, commands and numbers', () => {
    for (const text of new Set([...ERRORS, ...KEYS])) expect(named(chinese(text)), text).to.deep.equal(named(text));
  });

  it('fails for a text that nobody has translated, and is not asked for names and ranges', () => {
    expect(() => chinese('A key that was made a moment ago.')).to.throw(/no Chinese in tools\/zh\/ for: A key/);
    expect(chinese('strict, permissive')).to.equal('strict、permissive');
    expect(chinese('a power of two from 1 to 16384')).to.equal('2 的幂，1 到 16384');
  });
});
