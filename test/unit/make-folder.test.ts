// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { makeFolder } from '../../src/shared/files/make-folder.js';
import { patience } from '../speed.js';
import { temporaryFolder } from './support/temporary.js';

describe('making a folder', () => {
  const at = temporaryFolder();

  it('makes all that leads to it, with the mode, and takes what is there', () => {
    makeFolder(at('one/two/three'), 0o700);
    makeFolder(at('one/two/three'), 0o700);
    for (const folder of ['one', 'one/two', 'one/two/three']) expect(statSync(at(folder)).mode & 0o777).to.equal(0o700);
    symlinkSync(at('one'), at('link'));
    makeFolder(at('link/four'));
    expect(statSync(at('one/four')).isDirectory()).to.equal(true);
  });

  it('says what is in the way', () => {
    writeFileSync(at('file'), '');
    expect(() => makeFolder(at('file'))).to.throw('EEXIST');
    expect(() => makeFolder(at('file/below'))).to.throw('ENOTDIR');
    symlinkSync(at('nowhere'), at('broken'));
    expect(() => makeFolder(at('broken'))).to.throw('ENOENT');
  });

  // In a process of its own: what is tested here would never come back.
  it('comes back where no name can be made', () => {
    const module = new URL('../../src/shared/files/make-folder.js', import.meta.url).href;
    const script = `import { makeFolder } from ${JSON.stringify(module)};
      try { makeFolder('/proc/none/below/it'); } catch (error) { console.log(error.code); }`;
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: patience(20_000),
      killSignal: 'SIGKILL',
    });
    expect([stdout.trim(), signal]).to.deep.equal(['ENOENT', null]);
  });
});
