// SPDX-License-Identifier: Apache-2.0
/** docs/man: up to date, complete, and roff that its readers take. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { KEY_NAMES } from '../../src/config/keys.js';
import { renderTlshubConf, renderTlshubctl, renderTlshubd } from '../../tools/man.js';

const read = (page: string): string => readFileSync(join('docs/man', page), 'utf8');
const shown = (page: string): string => {
  const { stdout, error } = spawnSync('mandoc', ['-T', 'ascii', join('docs/man', page)], { encoding: 'utf8' });
  expect(error, 'mandoc is missing: scripts/packages.txt names it').to.equal(undefined);
  // Bold is a character, a backspace and the same character again.
  return stdout.replace(/.[\b]/g, '');
};

describe('the manual pages', () => {
  it('are up to date', () => {
    const remedy = 'node build/tools/docs.js writes it';
    expect(read('tlshubctl.1'), remedy).to.equal(renderTlshubctl());
    expect(read('tlshubd.8'), remedy).to.equal(renderTlshubd());
    expect(read('tlshub.conf.5'), remedy).to.equal(renderTlshubConf());
  });

  it('are well-formed', () => {
    for (const page of readdirSync('docs/man')) {
      const { stdout, error } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', join('docs/man', page)], {
        encoding: 'utf8',
      });
      expect(error, 'mandoc is missing: scripts/packages.txt names it').to.equal(undefined);
      // A date would be another one with every build.
      expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).to.deep.equal([]);
    }
  });

  it('have every key, and every command with its options as they are typed', () => {
    const conf = shown('tlshub.conf.5');
    for (const key of KEY_NAMES) expect(conf).to.match(new RegExp(`^ +${key.replaceAll('.', '\\.')}(?: |$)`, 'm'));
    const ctl = shown('tlshubctl.1');
    for (const text of ['tlshub set-peer <node>', 'pki issue <node>', '--replace-networks', 'completion <shell>'])
      expect(ctl).to.include(text);
    expect(ctl).to.include(String.raw`select(.change == \"new\")`);
  });
});
