// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ERROR_CODES } from '../../src/shared/errors/catalog.js';

describe('the errors of a channel', () => {
  it('have an entry each, and there is none that the session does not use', () => {
    const source = readFileSync('native/domain/channel/session.cc', 'utf8');
    const used = new Set(source.match(/TLSHUB_CHANNEL_[A-Z_]+/g));
    expect([...used].sort()).to.deep.equal(ERROR_CODES.filter((code) => code.startsWith('TLSHUB_CHANNEL_')).sort());
  });
});
