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
  interface Said {
    status: number | null;
    err: string;
  }
  function setupWith(env: Record<string, string>, bin: string, ...args: string[]): Said {
    const { status, stderr } = spawnSync('/bin/bash', ['scripts/setup', ...args], {
      encoding: 'utf8',
      env: { BORINGSSL_INCLUDE: '/usr/include/android', ...env, PATH: bin },
    });
    return { status, err: stderr };
  }
  const setup = (bin: string, ...args: string[]): Said => setupWith({}, bin, ...args);
  /** As /etc/os-release of a system. */
  function system(name: string, text: string): { OS_RELEASE: string } {
    const file = path(`${name}.os-release`);
    writeFileSync(file, text);
    return { OS_RELEASE: file };
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

  const BUILD_TOOLS = Object.fromEntries(
    ['g++', 'make', 'clang', 'llvm-strip', 'bpftool', 'python3'].map((tool) => [tool, '']),
  );

  it('names on other systems what is missing, for Fedora by its packages', () => {
    const fedora = system('fedora', 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=43\nPLATFORM_ID="platform:f43"\n');
    // dpkg is a tool that other systems have too.
    const bin = programs('fedora', { node: REAL, npm: '', 'dpkg-query': 'exit 9' });
    const { status, err } = setupWith(fedora, bin, '--product');
    expect(status).to.equal(69);
    expect(err).to.match(/^setup: this is no Debian, and g\+\+ make clang llvm-strip .*python3 .*is missing\. /);
    const packages = /On Fedora: dnf install ([^.]*)\./.exec(err)![1]!.split(' ');
    expect(packages).to.have.members(
      'gcc-c++ make clang llvm libbpf-devel bpftool elfutils-libelf-devel zlib-devel openssl-devel python3'.split(' '),
    );
    expect(packages.some((name) => name.endsWith('-dev'))).to.equal(false);
  });

  it('goes on elsewhere where all is there, and says what a build without BoringSSL lacks', () => {
    const fedora = system('ready', 'ID=rocky\nID_LIKE="rhel centos fedora"\n');
    const bin = programs('ready', { node: REAL, npm: '', ...BUILD_TOOLS });
    expect(setupWith(fedora, bin, '--product')).to.deep.equal({ status: 0, err: '' });
    const { status, err } = setupWith({ ...fedora, BORINGSSL_INCLUDE: path('nowhere') }, bin, '--product');
    expect(status).to.equal(0);
    expect(err).to.match(/^setup: BoringSSL is not there, .*: what is built has no mode = boringssl\n$/);
    const made = (include: string): string =>
      spawnSync(
        'make',
        ['-n', '-C', 'native', `OBJ=${path('obj')}`, `OUT=${path('out')}`, `BORINGSSL_INCLUDE=${include}`],
        {
          encoding: 'utf8',
        },
      ).stdout;
    expect(made(path('nowhere')))
      .to.include('/tlshub_openssl.node')
      .and.not.match(/boringssl/i);
    expect(made('/usr/include/android')).to.include('/tlshub_boringssl.node');
  });

  it('takes Ubuntu for what it is, and bpftool from where Ubuntu has it', () => {
    const ubuntu = system('ubuntu', 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n');
    const installs = (name: string, known: boolean, os = ubuntu): string[] => {
      const none = { 'dpkg-query': 'exit 1', id: 'echo 1000', 'apt-cache': `exit ${known ? 0 : 100}` };
      const tools = TOOLS.filter((tool) => tool !== 'id');
      const { err } = setupWith(os, programs(name, { node: REAL, npm: '', ...none }, tools), '--product');
      const [, names = err] = /^setup: installing \d+ Debian packages: (.*)$/m.exec(err) ?? [];
      return names.split(' ');
    };
    expect(installs('noble', false)).to.include('linux-tools-generic').and.not.include('bpftool');
    expect(installs('later', true)).to.include('bpftool').and.not.include('linux-tools-generic');
    const mint = system('mint', 'ID=linuxmint\nID_LIKE="ubuntu debian"\n');
    expect(installs('mint', true, mint)).to.include.members(['libbpf-dev', 'android-libboringssl-dev']);
  });

  it('says on arm64 what that means', () => {
    const tools = TOOLS.filter((tool) => tool !== 'uname');
    const { err } = setup(programs('arm', { node: REAL, npm: '', uname: 'echo aarch64' }, tools), '--product');
    expect(err).to.match(
      /^setup: this is aarch64\. The agent is tested on x86-64 alone; .* On arm64 it builds what is its own, untested$/m,
    );
  });

  it('is what the list of packages has its headings for', () => {
    const headings = readFileSync('scripts/packages.txt', 'utf8').match(/^# To (build|check).*$/gm) ?? [];
    expect(headings.map((line) => line.slice(0, 10))).to.deep.equal(['# To build', '# To check']);
  });
});
