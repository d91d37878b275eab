// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ERROR_CODES } from '../../src/shared/errors/catalog.js';

/** Where channels are made and used. */
const FILES = [
  ...['session', 'driver', 'tcp'].map((name) => `native/domain/channel/${name}.cc`),
  'src/workers/channel-host.ts',
  'src/supervisor/provider/channels.ts',
];

describe('the errors of a channel', () => {
  it('have an entry each, and there is none that nothing uses', () => {
    const source = FILES.map((file) => readFileSync(file, 'utf8')).join('\n');
    const used = new Set(source.match(/TLSHUB_CHANNEL_[A-Z_]+/g));
    expect([...used].sort()).to.deep.equal(ERROR_CODES.filter((code) => code.startsWith('TLSHUB_CHANNEL_')).sort());
  });
});
