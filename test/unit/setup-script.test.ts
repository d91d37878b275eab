// SPDX-License-Identifier: Apache-2.0
/** scripts/setup: the sentence for a Node.js that will not do comes before all else, --product asks for no more than a build takes, other systems are told names. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from './support/temporary.js';

/** What the script itself calls. */
const TOOLS = ['bash', 'sed', 'cat', 'comm', 'sort', 'grep', 'uname', 'find', 'mktemp', 'rm', 'id', 'env'];

describe('scripts/setup', () => {
  const path = temporaryFolder();

  /** A PATH with these programs and no others. */
  function programs(name: string, fakes: Record<string, string>, tools = TOOLS): string {
    const bin = path(name);
    mkdirSync(bin);
    for (const tool of tools) {
      const file = ['/usr/bin', '/bin']
        .map((folder) => join(folder, tool))
        .find((one) => spawnSync('test', ['-x', one]).status === 0);
      if (file !== undefined) symlinkSync(file, join(bin, tool));
    }
    for (const [tool, text] of Object.entries(fakes)) {
      writeFileSync(join(bin, tool), `#!/bin/bash\n${text}\n`);
      chmodSync(join(bin, tool), 0o755);
    }
    return bin;
  }
  function setup(bin: string, ...args: string[]): { status: number | null; err: string } {
    const { status, stderr } = spawnSync('/bin/bash', ['scripts/setup', ...args], {
      encoding: 'utf8',
      env: { PATH: bin },
    });
    return { status, err: stderr };
  }
  const REAL = `exec ${process.execPath} "$@"`;

  it('says first that a Node.js will not do, and which would', () => {
    const old = 'case $1 in --version) echo v18.20.0 ;; -e) exit 1 ;; esac';
    const { status, err } = setup(programs('old', { node: old, npm: 'exit 9' }));
    expect(status).to.equal(69);
    expect(err).to.match(/^setup: Node\.js v18\.20\.0 is not supported: install Node\.js 24 .*\n$/);
    expect(setup(programs('none', {})).err).to.match(/^setup: node is missing: install Node\.js 24/);
  });

  it('says that the headers of Node.js are missing before it installs anything', () => {
    const bare = `case $1 in -e) exit 0 ;; -p) echo ${path('nowhere')} ;; esac`;
    const { status, err } = setup(programs('bare', { node: bare, npm: '', 'apt-get': 'exit 9' }));
    expect(status).to.equal(69);
    expect(err).to.match(/without its headers .*nowhere\/node_api\.h.*libnode-dev/);
  });

  it('asks with --product for what a build takes, and for no browser, database, emulator or program under test', () => {
    const list = (...args: string[]): string[] =>
      spawnSync('scripts/setup', ['--list', ...args], { encoding: 'utf8' })
        .stdout.trim()
        .split('\n');
    const [product, all] = [list('--product'), list()];
    expect(product).to.include.members(['g++', 'make', 'clang', 'libbpf-dev', 'bpftool', 'android-libboringssl-dev']);
    for (const name of ['chromium', 'postgresql', 'qemu-system-x86', 'nginx-light', 'tshark', 'shellcheck']) {
      expect(product).to.not.include(name);
      expect(all).to.include(name);
    }
    expect(all).to.include.members(product);
  });

  it('names on other systems what is missing, for Fedora by its packages, and goes on where nothing is', () => {
    const fakes = { node: REAL, npm: '' };
    const lacking = setup(programs('fedora', fakes), '--product');
    expect(lacking.status).to.equal(69);
    expect(lacking.err).to.match(
      /this is no Debian, and g\+\+ make clang .* is missing\. On Fedora: dnf install gcc-c\+\+ make clang llvm libbpf-devel/,
    );
    const present = Object.fromEntries(
      ['g++', 'make', 'clang', 'llvm-strip', 'bpftool', 'python3'].map((tool) => [tool, '']),
    );
    const { status, err } = setup(programs('arch', { ...fakes, ...present }), '--product');
    expect({ status, err }).to.deep.equal({ status: 0, err: '' });
  });

  it('says on arm64 what that means', () => {
    const tools = TOOLS.filter((tool) => tool !== 'uname');
    const { err } = setup(programs('arm', { node: REAL, npm: '', uname: 'echo aarch64' }, tools), '--product');
    expect(err).to.match(/^setup: this is aarch64\. The agent is tested on x86-64 alone/);
  });

  it('is what the list of packages has its headings for', () => {
    const headings = readFileSync('scripts/packages.txt', 'utf8').match(/^# To (build|check).*$/gm) ?? [];
    expect(headings.map((line) => line.slice(0, 10))).to.deep.equal(['# To build', '# To check']);
  });
});
