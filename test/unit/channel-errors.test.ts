// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ERROR_CODES } from '../../src/shared/errors/catalog.js';

function sources(): string[] {
  const all = ['src', 'native/domain', 'native/addon'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  );
  return all.filter((file) => /\.(ts|cc|h)$/.test(file) && !file.startsWith('src/shared/errors/catalog/'));
}

describe('the errors of a channel', () => {
  it('have an entry each, and there is none that nobody uses', () => {
    const text = sources().map((file) => readFileSync(file, 'utf8'));
    const used = new Set(text.join('\n').match(/(?<=['"])TLSHUB_CHANNEL_[A-Z_]+(?=['"])/g));
    expect([...used].sort()).to.deep.equal(ERROR_CODES.filter((code) => code.startsWith('TLSHUB_CHANNEL_')).sort());
  });
});
