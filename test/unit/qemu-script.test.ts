// SPDX-License-Identifier: Apache-2.0
/** scripts/vm-qemu, with emulators that only say a version, a cache of our own and an apt-get that reaches nobody. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';

const SCRIPT = resolve('scripts/vm-qemu');
const EMULATOR = 'qemu-system-x86_64';

describe('scripts/vm-qemu', () => {
  let folder: string, installed: string, cached: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-qemu-'));
    installed = join(folder, 'bin');
    cached = join(folder, 'cache/tlshub-ebpf/qemu/usr/bin');
    program(installed, 'apt-get', 'echo "nobody answers"; exit 100');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function program(at: string, name: string, text: string): string {
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return join(at, name);
  }

  const emulator = (at: string, version: string): string =>
    program(at, EMULATOR, `echo 'QEMU emulator version ${version} (Debian)'`);

  function run(
    path = `${installed}:${process.env['PATH'] ?? ''}`,
  ): Promise<{ status: number; out: string; err: string }> {
    const env = { ...process.env, PATH: path, XDG_CACHE_HOME: join(folder, 'cache') };
    return new Promise((done) =>
      execFile('/bin/bash', [SCRIPT], { env }, (error, out, err) =>
        done({ status: error === null ? 0 : Number(error.code), out, err }),
      ),
    );
  }

  it('takes the installed one from 8.1 on, by numbers', async () => {
    for (const version of ['8.1.0', '8.2.10', '10.0.2', '11.1.50']) {
      const at = emulator(installed, version);
      expect(await run(), version).to.deep.equal({ status: 0, out: `${at}\n`, err: '' });
    }
  });

  it('takes that of the cache where the installed one is older, without asking anybody', async () => {
    const at = emulator(cached, '10.0.2');
    for (const version of ['7.2.22', '8.0.5', '6.10.0']) {
      emulator(installed, version);
      expect(await run(), version).to.deep.equal({ status: 0, out: `${at}\n`, err: '' });
    }
  });

  it('fetches anew where that of the cache does not start; it cannot be had: 69, and what was tried', async () => {
    emulator(installed, '7.2.22');
    program(cached, EMULATOR, 'exit 127');
    const { status, out, err } = await run();
    expect({ status, out }, err).to.deep.equal({ status: 69, out: '' });
    expect(err).to.match(/the installed qemu is 7\.2, .*: fetching that of bookworm-backports/);
    expect(err).to.match(/apt-get update for bookworm-backports failed.*nobody answers/s);
  });

  it('is not there, or does not say what it is: 69, and what to do', async () => {
    // A path with what the script calls, and no emulator.
    for (const name of ['dirname', 'sed']) program(join(folder, 'few'), name, `exec /usr/bin/${name} "$@"`);
    const none = await run(join(folder, 'few'));
    expect(none.status, none.err).to.equal(69);
    expect(none.err).to.include(`${EMULATOR} is missing: run scripts/setup`);
    program(installed, EMULATOR, 'echo "error while loading shared libraries: libcapstone.so.4" >&2; exit 127');
    const broken = await run();
    expect(broken.status, broken.err).to.equal(69);
    expect(broken.err).to.match(/does not say its version: is it whole\? .*libcapstone/);
  });
});
