// SPDX-License-Identifier: Apache-2.0
/** What is in the Debian package. That it installs, upgrades and goes again is shown in minimal systems by `npm run test:deb`. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { patience } from '../speed.js';
import { temporaryFolder } from './support/temporary.js';

const LIB = 'usr/lib/tlshub';

describe('the Debian package', function () {
  this.timeout(patience(300_000));
  const path = temporaryFolder();
  const run = (file: string, ...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(file, args, {
      encoding: 'utf8',
      // Nothing is compressed, which would take longer than all else.
      env: { ...process.env, npm_config_offline: 'true', DPKG_DEB_COMPRESSOR_TYPE: 'none' },
      timeout: patience(280_000),
    });
  const inside = (...parts: string[]): string => path('root', ...parts);
  const control = (name: string): string => readFileSync(path('control', name), 'utf8');
  let files: Map<string, { mode: string; owner: string; target: string | undefined }>;

  before(() => {
    // This Node.js in the place of the one that is fetched.
    mkdirSync(path('node', 'bin'), { recursive: true });
    symlinkSync(process.execPath, path('node', 'bin', 'node'));
    writeFileSync(path('node', 'LICENSE'), 'its licence\n');
    const options = ['--no-build', '--version', '1.2.3-4', '--node', path('node'), '--out', path('out')];
    const { status, stdout, stderr } = run('scripts/deb', ...options);
    expect(status, stderr).to.equal(0);
    const deb = stdout.trim();
    expect(deb).to.match(/\/out\/tlshub-ebpf_1\.2\.3-4_\w+\.deb$/);
    expect(run('dpkg-deb', '-x', deb, inside()).status).to.equal(0);
    expect(run('dpkg-deb', '-e', deb, path('control')).status).to.equal(0);
    files = new Map(
      run('dpkg-deb', '-c', deb)
        .stdout.trimEnd()
        .split('\n')
        .map((line) => {
          const [, mode, owner, name, target] = /^(\S+) +(\S+) +\d+ \S+ \S+ \.(\/.*?)(?: -> (.*))?$/.exec(line)!;
          return [name!, { mode: mode!, owner: owner!, target }] as const;
        }),
    );
  });

  it('has what deploy/install installs, and its own Node.js for it', () => {
    const { bin } = JSON.parse(readFileSync('package.json', 'utf8')) as { bin: Record<string, string> };
    for (const [name, program] of Object.entries(bin)) {
      expect(files.get(`/usr/bin/${name}`)?.target, name).to.equal(`../lib/tlshub/${program}`);
      expect(readFileSync(inside(LIB, program), 'utf8').split('\n')[0]).to.equal(`#!/${LIB}/node/bin/node`);
      expect(files.get(`/${LIB}/${program}`)?.mode, program).to.equal('-rwxr-xr-x');
    }
    expect(files.get(`/${LIB}/node/bin/node`)?.mode).to.equal('-rwxr-xr-x');
    for (const file of [
      'node/LICENSE',
      'dist/THIRD-PARTY-LICENSES',
      'dist/bpf/tlshub.bpf.o',
      'dist/workers/installer.js',
    ])
      expect(files.has(`/${LIB}/${file}`), file).to.equal(true);
    for (const file of readdirSync('dist/native').filter((name) => /^tlshub-|\.node$|\.so$/.test(name)))
      expect(files.has(`/${LIB}/dist/native/${file}`), file).to.equal(true);
    expect([...files.keys()].filter((name) => /node_modules|\.d\.ts$|\/deploy\/debian/.test(name))).to.deep.equal([]);
    expect(new Set([...files.values()].map(({ owner }) => owner))).to.deep.equal(new Set(['root/root']));
    expect(files.get('/var/lib/tlshub/')?.mode).to.equal('drwx------');
  });

  it('runs from there', () => {
    const node = inside(LIB, 'node/bin/node');
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    for (const program of ['dist/cli/tlshubctl.js', 'dist/supervisor.js'])
      expect(run(node, inside(LIB, program), '--version').stdout).to.equal(`${version}\n`);
    // Stripped of what nobody needs, addons and Node.js are still what they were.
    const load = `
      const { RTLD_NOW, RTLD_DEEPBIND } = require('os').constants.dlopen;
      for (const file of process.argv.slice(1)) process.dlopen({ exports: {} }, file, RTLD_NOW | RTLD_DEEPBIND);`;
    const addons = readdirSync(inside(LIB, 'dist/native')).filter((name) => name.endsWith('.node'));
    const loaded = run(node, '-e', load, ...addons.map((name) => inside(LIB, 'dist/native', name)));
    expect(loaded.status, loaded.stderr).to.equal(0);
  });

  it('has the units of deploy/systemd, with the Node.js of the package', () => {
    for (const file of readdirSync('deploy/systemd')) {
      const unit = readFileSync(inside('usr/lib/systemd/system', file), 'utf8');
      expect(unit, file).to.not.include('/usr/bin/node');
    }
    const unit = readFileSync(inside('usr/lib/systemd/system/tlshub.service'), 'utf8');
    expect(unit).to.include(`ExecStart=/${LIB}/node/bin/node /${LIB}/dist/supervisor.js /etc/tlshub/capture.conf`);
    // Where Debian's tools of before /usr was one would have them.
    expect([...files.keys()].filter((name) => name.startsWith('/lib/'))).to.deep.equal([]);
  });

  it('leaves it to the operator when the agent runs for the first time, and hands a running one over to the next', () => {
    const postinst = control('postinst');
    expect(postinst).to.match(/if \[ -n "\$2" \]; then\s+deb-systemd-invoke try-restart 'tlshub.service'/);
    expect(postinst.match(/deb-systemd-invoke/g)).to.have.length(1);
    expect(readdirSync(path('control')), 'nothing is stopped before an upgrade').to.not.include('preinst');
    expect(postinst).to.include('deb-systemd-helper debian-installed');
  });

  it('refuses to go while an agent may have its gate, and takes with a purge only what is not the owner’s', () => {
    writeFileSync(path('capture.conf'), `  bpf_pin_dir = ${path('pins')}   # here\n`);
    const script = control('prerm').replace('/etc/tlshub/capture.conf', path('capture.conf'));
    const remove = (): SpawnSyncReturns<string> => run('sh', '-c', script, 'prerm', 'remove');
    mkdirSync(path('pins'));
    const { status, stderr } = remove();
    expect(status).to.equal(1);
    expect(stderr).to.include(path('pins')).and.include('tlshubctl release --wait 60');
    // An upgrade is none of that.
    expect(run('sh', '-c', script, 'prerm', 'upgrade', '1.2.3-5').status).to.equal(0);
    const removed = control('postrm').match(/rm -rf.*/g);
    expect(removed).to.have.length(1);
    expect(removed![0]).to.not.include('/etc');
  });

  it('keeps what operators write: conffiles are the two of /etc/tlshub, and no other', () => {
    const conffiles = control('conffiles').trim().split('\n').sort();
    expect(conffiles).to.deep.equal(['/etc/tlshub/capture.conf', '/etc/tlshub/pod_node_mapping.conf']);
    expect([...files.keys()].filter((name) => name.startsWith('/etc/') && !name.endsWith('/')).sort()).to.deep.equal(
      conffiles,
    );
  });

  it('has the manual pages', () => {
    for (const page of readdirSync('docs/man')) {
      const name = `usr/share/man/man${page.split('.').pop()!}/${page}.gz`;
      expect(run('zcat', inside(name)).stdout, name).to.equal(readFileSync(join('docs/man', page), 'utf8'));
    }
  });

  it('has a completion that zsh finds by itself, and that answers at the first word', () => {
    const program = resolve('test/programs/complete-in-zsh.py');
    const file = path('fpath.zsh');
    const folder = inside('usr/share/zsh/vendor-completions');
    writeFileSync(file, `fpath=(${folder} $fpath)\nautoload -Uz compinit && compinit -u -D\n`);
    const { status, stdout, stderr } = run('python3', program, file, 'tlshubctl mapping l', 'tlshubctl flows --st');
    expect(status, stderr).to.equal(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.trimEnd()),
    ).to.deep.equal(['tlshubctl mapping list', 'tlshubctl flows --state']);
  });
});
