// SPDX-License-Identifier: Apache-2.0
/** `npm pack`: what it makes installs without a network, a compiler or another package, and runs. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { patience } from '../speed.js';
import { temporaryFolder } from './support/temporary.js';

describe('the npm package', function () {
  this.timeout(patience(120_000));
  const path = temporaryFolder();
  const npm = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync('npm', args, { encoding: 'utf8', env: { ...process.env, npm_config_offline: 'true' } });

  it('carries its native parts and its commands', () => {
    // What is built is taken as it is: `prepack` would build it.
    const packed = npm('pack', '--ignore-scripts', '--silent', '--pack-destination', path());
    expect(packed.status, packed.stderr).to.equal(0);
    const archive = path(packed.stdout.trim());
    const installed = npm('install', '--global', '--silent', '--prefix', path('prefix'), archive);
    expect(installed.status, installed.stderr).to.equal(0);
    const { version, bin } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      version: string;
      bin: Record<string, string>;
    };
    for (const name of Object.keys(bin)) {
      const { status, stdout, stderr } = spawnSync(path('prefix/bin', name), ['--help'], { encoding: 'utf8' });
      expect(status, name + stderr).to.equal(0);
      expect(stdout.toLowerCase(), name).to.include(`usage: ${name}`);
    }
    const tlshubctl = (...args: string[]): SpawnSyncReturns<string> =>
      spawnSync(path('prefix/bin/tlshubctl'), args, { encoding: 'utf8' });
    expect(tlshubctl('--version').stdout).to.equal(`${version}\n`);
    // It loads the addon of the kernel; what this kernel lacks is said.
    expect(tlshubctl('check').status).to.be.oneOf([0, 69]);
    const folder = path('prefix/lib/node_modules/tlshub-ebpf');
    const parts = (of: string): string[] =>
      readdirSync(resolve(of, 'dist/native')).filter((file) => /^tlshub-|\.node$|\.so$/.test(file));
    expect(parts(folder)).to.deep.equal(parts('.'));
    expect(readdirSync(join(folder, 'dist/bpf'))).to.include('tlshub.bpf.o');
  });
});
