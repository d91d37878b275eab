// SPDX-License-Identifier: Apache-2.0
/** What is in deploy/: that it is valid, that its parts fit each other, and that it fits the build. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type * as models from '@kubernetes/client-node';
import { expect } from 'chai';
import { validate as validateDockerfile } from 'dockerfile-utils';
import { loadAll } from 'js-yaml';
import { DaemonSet } from 'kubernetes-models/apps/v1';
import { parseConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { parseListenAddress } from '../../src/shared/net/listen-address.js';
import { complaints, unknownFields, type Manifest, type Shape } from './support/manifests.js';
import { temporaryFolder } from './support/temporary.js';

const read = (file: string): string => readFileSync(file, 'utf8');
const MANIFESTS = 'deploy/kubernetes/tlshub.yaml';

describe('deploy/kubernetes', () => {
  const manifests = loadAll(read(MANIFESTS)) as Manifest[];
  const of = (kind: string): Manifest => manifests.find((one) => one.kind === kind)!;
  const daemonSet = of('DaemonSet') as Shape<models.V1DaemonSet>;
  const pod = daemonSet.spec!.template.spec!;
  const [container] = pod.containers as [models.V1Container];
  const config = (): Config => {
    const env = Object.fromEntries(container.env!.map(({ name, value }) => [name, value ?? 'node-a']));
    return parseConfig((of('ConfigMap') as Shape<models.V1ConfigMap>).data!['capture.conf']!, 'capture.conf', env);
  };

  it('has valid objects, without a field that the API does not know', () => {
    const kinds = ['ClusterRole', 'ClusterRoleBinding', 'ConfigMap', 'DaemonSet', 'Namespace', 'ServiceAccount'];
    expect(manifests.map(({ kind }) => kind).sort()).to.deep.equal(kinds);
    expect(manifests.flatMap(complaints)).to.deep.equal([]);
  });

  it('would not pass with a wrong type or a slip of the pen', () => {
    const wrong = structuredClone(daemonSet) as unknown as {
      spec: { template: { spec: { hostPID: unknown; hostPid?: unknown } } };
    };
    wrong.spec.template.spec.hostPID = 'yes';
    expect(() => new DaemonSet(wrong as never).validate()).to.throw('hostPID must be boolean');
    wrong.spec.template.spec.hostPid = true;
    expect(unknownFields(wrong, 'V1DaemonSet', 'DaemonSet')).to.deep.equal(['DaemonSet.spec.template.spec.hostPid']);
  });

  it('asks for no right but to follow Pods, and gives it to the agent', () => {
    expect((of('ClusterRole') as Shape<models.V1ClusterRole>).rules).to.deep.equal([
      { apiGroups: [''], resources: ['pods', 'services'], verbs: ['list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ]);
    const { roleRef, subjects } = of('ClusterRoleBinding') as Shape<models.V1ClusterRoleBinding>;
    expect(roleRef.name).to.equal(of('ClusterRole').metadata.name);
    expect(subjects![0]!.name).to.equal(pod.serviceAccountName);
    expect(subjects![0]!.namespace).to.equal(daemonSet.metadata.namespace);
    expect(of('ServiceAccount').metadata.name).to.equal(pod.serviceAccountName);
  });

  it('gives the agent a configuration that it takes, with the Pods of the cluster as its mapping', () => {
    const { podSource, kubernetes, nodeName } = config();
    expect(podSource).to.equal('kubernetes');
    expect(kubernetes.kubeconfig).to.equal('');
    expect(nodeName).to.equal('node-a');
  });

  it('mounts every path that the configuration names, the writable ones so that they can be written', () => {
    const mounts = container.volumeMounts!;
    const mountOf = (path: string): models.V1VolumeMount | undefined =>
      mounts.find(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`));
    const { tls, controlSocket, bpfPinDir, metricsDir, capture } = config();
    for (const path of [container.args![0]!, tls.ca, tls.cert, tls.key])
      expect(mountOf(path)?.readOnly, path).to.equal(true);
    for (const path of [controlSocket, bpfPinDir, metricsDir, ...capture.cgroup, '/tmp/x']) {
      expect(mountOf(path), path).to.not.equal(undefined);
      expect(mountOf(path)!.readOnly, path).to.equal(undefined);
    }
    // A volume is open to others; the socket's folder must not be, so it is one below.
    expect(mounts.map(({ mountPath }) => mountPath)).to.not.include(dirname(controlSocket));
    const volumes = new Set(pod.volumes!.map(({ name }) => name));
    expect(new Set(mounts.map(({ name }) => name))).to.deep.equal(volumes);
  });

  it('probes what the agent serves', () => {
    const listen = parseListenAddress(config().healthListen)!;
    for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      expect(probe!.httpGet).to.include({ host: listen.host, port: listen.port });
      expect(probe!.httpGet!.path).to.be.oneOf(['/readyz', '/healthz']);
    }
    expect(pod.hostNetwork).to.equal(true);
    expect(1000 * pod.terminationGracePeriodSeconds!).to.be.greaterThan(config().drainTimeoutMs + 5000);
  });
});

describe('deploy/Dockerfile', () => {
  const text = read('deploy/Dockerfile');

  it('is well-formed, and names what exists', () => {
    expect(validateDockerfile(text).map(({ message, range }) => [range.start.line + 1, message])).to.deep.equal([]);
    expect(validateDockerfile('FROM a\nRUNN x\n')).to.not.be.empty;
    for (const [, sources] of text.matchAll(/^COPY (?!--)(.*) \S+$/gm)) {
      for (const source of sources!.split(' ')) expect(existsSync(source), source).to.equal(true);
    }
    const [, commands] = /^RUN (scripts\/.*)$/m.exec(text)!;
    for (const command of commands!.split(' && ')) expect(existsSync(command.split(' ')[0]!), command).to.equal(true);
  });

  it('installs only packages that the set-up knows too', () => {
    const known = new Set(
      read('scripts/packages.txt')
        .split('\n')
        .map((line) => line.split(/\s/)[0]),
    );
    const [build] = text.matchAll(/apt-get install -y --no-install-recommends([^&]*)&&/g);
    const packages = build![1]!.split(/[\s\\]+/).filter(Boolean);
    expect(packages.length).to.be.greaterThan(5);
    expect(packages.filter((name) => !known.has(name))).to.deep.equal([]);
  });
});

describe('deploy/install', () => {
  const path = temporaryFolder();
  const run = (file: string, ...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(file, args, {
      encoding: 'utf8',
      cwd: process.cwd(),
      env: { ...process.env, npm_config_offline: 'true' },
    });
  const inside = (...parts: string[]): string => path('image', ...parts);

  before(function () {
    this.timeout(300_000);
    const { status, stderr } = run('deploy/install', '--destdir', path('image'));
    expect(status, stderr).to.equal(0);
  });

  it('installs commands that run from there, and nothing that only development needs', () => {
    const version = `${(JSON.parse(read('package.json')) as { version: string }).version}\n`;
    expect(run(inside('usr/bin/tlshubctl'), '--version').stdout).to.equal(version);
    expect(run(inside('usr/bin/tlshub_bench'), '--help').status).to.equal(0);
    expect(run(inside('usr/bin/tlshub_handshake'), '--help').status).to.equal(0);
    expect(run('node', inside('usr/lib/tlshub/dist/supervisor.js'), '--version').stdout).to.equal(version);
    // The packages are in the bundles, and their licences beside them.
    expect(read(inside('usr/lib/tlshub/dist/THIRD-PARTY-LICENSES'))).to.match(/^piscina \S+: MIT$/m);
    for (const folder of ['node_modules', 'src', 'test', 'build'])
      expect(existsSync(inside('usr/lib/tlshub', folder))).to.equal(false);
  });

  it('installs the licences with what they are for', () => {
    const { license } = JSON.parse(read('package.json')) as { license: string };
    const texts = license.split(' AND ').map((name) => `LICENSES/${name}.txt`);
    expect(texts).to.have.length(2);
    for (const file of ['LICENSE', ...texts]) expect(read(inside('usr/lib/tlshub', file)), file).to.equal(read(file));
  });

  it('installs all that the agent loads: addons, BPF object, guardian, threads, the client of Kubernetes', () => {
    const lib = inside('usr/lib/tlshub');
    const files = (folder: string, pattern: RegExp): string[] =>
      readdirSync(join(lib, 'dist', folder))
        .filter((file) => pattern.test(file))
        .map((file) => join(lib, 'dist', folder, file));
    const addons = files('native', /\.node$/);
    expect(addons).to.include(join(lib, 'dist/native/tlshub_kernel.node')).and.to.have.length.at.least(4);
    const late = files('late', /\.js$/);
    const client = late.find((file) => file.includes('/kube-config-'))!;
    writeFileSync(path('kubeconfig'), 'clusters: [{name: one, cluster: {server: "https://localhost:1"}}]\n');
    // A thread's file says at once that it is none here; what it may not say is that something is missing.
    const script = `
      import { constants } from 'node:os';
      const { RTLD_NOW, RTLD_DEEPBIND } = constants.dlopen;
      for (const file of ${JSON.stringify(addons)}) process.dlopen({ exports: {} }, file, RTLD_NOW | RTLD_DEEPBIND);
      for (const file of ${JSON.stringify(late)}) await import(file);
      for (const file of ${JSON.stringify(files('workers', /\.js$/))}) {
        await import(file).catch((error) => { if (!(error instanceof TypeError)) throw error; });
      }
      const { KubeConfig } = await import(${JSON.stringify(client)});
      const config = new KubeConfig();
      config.loadFromFile(${JSON.stringify(path('kubeconfig'))});
      process.stdout.write(config.getClusters().map(({ server }) => server).join());`;
    const { status, stderr, stdout } = run('node', '--input-type=module', '-e', script);
    expect(status, stderr).to.equal(0);
    expect(stdout).to.equal('https://localhost:1');
    for (const file of [
      'dist/bpf/tlshub.bpf.o',
      'dist/bpf/abi.json',
      'dist/workers/pool-thread.js',
      'dist/supervisor.js.map',
    ]) {
      expect(existsSync(join(lib, file)), file).to.equal(true);
    }
    expect(statSync(join(lib, 'dist/native/tlshub-guardian')).mode & 0o111).to.equal(0o111);
    // Without a library of the host: it runs before anything else does.
    const bootGate = run(join(lib, 'dist/native/tlshub-bootgate'), '--state', path('none'));
    expect({ status: bootGate.status, said: bootGate.stderr }).to.deep.include({ status: 0 });
    expect(bootGate.stderr).to.include('Nothing is known, so nothing is shut');
    expect(readFileSync(join(lib, 'dist/native/tlshub-bootgate'), 'latin1')).to.not.include('/lib64/ld-linux');
    // Nobody who has not asked for it has it at the next start.
    expect(existsSync(inside('usr/lib/systemd/system/tlshub-bootgate.service'))).to.equal(true);
    expect(existsSync(inside('etc/systemd/system'))).to.equal(false);
  });

  it('leaves a configuration alone that is there', function () {
    this.timeout(300_000);
    const file = inside('etc/tlshub/capture.conf');
    expect(() => parseConfig(readFileSync(file), file)).to.not.throw();
    writeFileSync(file, 'mode = boringssl\n');
    expect(run('deploy/install', '--destdir', path('image')).status).to.equal(0);
    expect(read(file)).to.equal('mode = boringssl\n');
  });

  it('installs the agent as a command of its own', () => {
    const version = `${(JSON.parse(read('package.json')) as { version: string }).version}\n`;
    const { bin } = JSON.parse(read('package.json')) as { bin: Record<string, string> };
    expect(bin.tlshubd).to.equal('dist/supervisor.js');
    expect(run(inside('usr/bin/tlshubd'), '--version').stdout).to.equal(version);
    expect(run(inside('usr/bin/tlshubd'), '--help').stdout).to.match(/^usage: tlshubd \[CONFIG\]/);
  });

  it('gives units that name another prefix and another Node.js, where systemd looks for them; and takes all away again', function () {
    this.timeout(300_000);
    for (const [prefix, units] of [
      ['/usr/local', 'usr/local/lib/systemd/system'],
      ['/opt/tlshub-1.0', 'etc/systemd/system'],
    ] as const) {
      const image = path(`image${prefix.replaceAll('/', '-')}`);
      const options = ['--destdir', image, '--prefix', prefix];
      expect(run('deploy/install', ...options, '--node', '/opt/node/bin/node', '--boot-gate').status).to.equal(0);
      const unit = read(join(image, units, 'tlshub.service'));
      expect(unit).to.include(
        `ExecStart=/opt/node/bin/node ${prefix}/lib/tlshub/dist/supervisor.js /etc/tlshub/capture.conf`,
      );
      expect(unit).to.include(`ExecReload=${prefix}/bin/tlshubctl reload`);
      expect(unit).to.include(`Documentation=file:${prefix}/lib/tlshub/docs/`);
      expect(unit).to.not.match(/\/usr\/(bin|lib)\//);
      expect(existsSync(join(image, units, 'tlshub.slice'))).to.equal(true);
      const bootGate = read(join(image, units, 'tlshub-bootgate.service'));
      expect(bootGate).to.include(`ExecStart=${prefix}/lib/tlshub/dist/native/tlshub-bootgate\n`);
      expect(bootGate).to.not.match(/\/usr\/(bin|lib)\//);
      const enabled = join(image, 'etc/systemd/system/sysinit.target.wants/tlshub-bootgate.service');
      expect(readlinkSync(enabled)).to.equal(`/${units}/tlshub-bootgate.service`);

      writeFileSync(join(image, prefix, 'bin', 'other'), '');
      const gone = run('deploy/install', ...options, '--uninstall');
      expect(gone.status, gone.stderr).to.equal(0);
      expect(gone.stdout).to.include('/etc/tlshub').and.include('/var/lib/tlshub');
      const left = readdirSync(image, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map(({ name }) => name);
      expect(left.sort()).to.deep.equal(['capture.conf', 'other', 'pod_node_mapping.conf']);
    }
    for (const wrong of [
      ['--prefix', 'usr'],
      ['--prefix', '/usr,x'],
      ['--node', '/a b'],
    ]) {
      expect(run('deploy/install', '--destdir', path('none'), ...wrong).status, wrong.join(' ')).to.equal(64);
    }
    expect(existsSync(path('none'))).to.equal(false);
  });

  it('is made from a build: npm pack builds before it packs', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect(scripts.prepack).to.equal('scripts/build --product');
  });

  describe('and the unit of the boot gate', () => {
    const file = 'deploy/systemd/tlshub-bootgate.service';
    const unit = read(file);

    it('is accepted by systemd, and as closed as the job allows', () => {
      mkdirSync(path('boot-units'));
      const placed = path('boot-units/tlshub-bootgate.service');
      writeFileSync(placed, unit.replaceAll('/usr/lib/tlshub', inside('usr/lib/tlshub')));
      writeFileSync(path('boot-units/tlshub.slice'), read('deploy/systemd/tlshub.slice'));
      const verified = run('systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', placed);
      expect({ status: verified.status, said: verified.stderr }).to.deep.equal({ status: 0, said: '' });
      const rated = run('systemd-analyze', 'security', '--offline=true', '--threshold=40', file);
      expect(rated.status, rated.stdout.split('\n').slice(-3).join('\n')).to.equal(0);
    });

    it('is put on a host by an image, enabled, whole or not at all, and taken away again', () => {
      const host = path('host');
      const bootGate = (verb: string): SpawnSyncReturns<string> =>
        run(inside('usr/lib/tlshub/deploy/boot-gate'), verb, host);
      const left = (): string[] =>
        readdirSync(host, { recursive: true, withFileTypes: true })
          .filter((entry) => !entry.isDirectory())
          .map((entry) => join(entry.parentPath, entry.name).slice(host.length + 1));
      expect(bootGate('install').status).to.equal(64);
      mkdirSync(join(host, 'etc'), { recursive: true });
      expect(bootGate('install').status, 'without systemd').to.equal(69);
      mkdirSync(join(host, 'usr/lib/systemd'), { recursive: true });
      mkdirSync(join(host, 'opt/tlshub/boot-gate-of-before'), { recursive: true });
      for (const time of ['once', 'again']) {
        const { status, stderr } = bootGate('install');
        expect(status, stderr).to.equal(0);
        const version = readlinkSync(join(host, 'opt/tlshub/boot-gate'));
        const files = ['bpf/abi.json', 'bpf/tlshub.bpf.o', 'native/tlshub-bootgate'];
        expect(left().sort(), time).to.deep.equal(
          [
            ...files.map((file) => `opt/tlshub/${version}/${file}`),
            ...['opt/tlshub/boot-gate', 'etc/systemd/system/tlshub-bootgate.service'],
            'etc/systemd/system/sysinit.target.wants/tlshub-bootgate.service',
          ].sort(),
        );
      }
      const installed = read(join(host, 'etc/systemd/system/tlshub-bootgate.service'));
      const [, program] = /^ExecStart=(\S+)$/m.exec(installed)!;
      expect(installed).to.not.include('/usr/lib');
      expect(run(join(host, program!), '--state', path('none')).status).to.equal(0);
      expect(bootGate('remove').status).to.equal(0);
      expect(left()).to.deep.equal([]);
    });

    it('is before whatever starts captured programs, and keeps nothing from starting', () => {
      const [, before] = /^Before=(sysinit\.target .*)$/m.exec(unit)!;
      for (const name of ['containerd', 'crio', 'docker', 'podman', 'kubelet', 'tlshub'])
        expect(before!.split(' ')).to.include(`${name}.service`);
      expect(before).to.include('tlshub.slice');
      expect(unit)
        .to.match(/^DefaultDependencies=no$/m)
        .and.match(/^WantedBy=sysinit\.target$/m);
      expect(unit).to.not.match(/^(RequiredBy|BindsTo|FailureAction)=/m);
      expect(read('deploy/systemd/tlshub.service')).to.not.include('Requires=tlshub-bootgate');
    });
  });

  describe('and the unit of systemd', () => {
    const unit = read('deploy/systemd/tlshub.service');
    /** The complaints of systemd-analyze but those that begin with another unit's name or file. */
    const aboutOurs = (stderr: string): string[] =>
      stderr.split('\n').filter((line) => line !== '' && !/^(\S*\/)?(?!tlshub\.)[^\s/:]+\.[a-z]+:/.test(line));

    it('is accepted, with the paths of the installation', () => {
      mkdirSync(path('units'));
      const node = process.execPath;
      const placed = unit
        .replaceAll('/usr/lib/tlshub', inside('usr/lib/tlshub'))
        .replaceAll('/usr/bin/tlshubctl', inside('usr/bin/tlshubctl'))
        .replaceAll('/usr/bin/node', node);
      writeFileSync(path('units/tlshub.service'), placed);
      writeFileSync(path('units/tlshub.slice'), read('deploy/systemd/tlshub.slice'));
      const good = run(
        'systemd-analyze',
        'verify',
        '--man=no',
        '--recursive-errors=no', // the units that ours depend on are this machine's, whatever may be wrong with them
        path('units/tlshub.service'),
        path('units/tlshub.slice'),
      );
      expect(good.error, 'systemd-analyze is missing: scripts/packages.txt names it').to.equal(undefined);
      expect({ status: good.status, said: aboutOurs(good.stderr) }).to.deep.equal({ status: 0, said: [] });
      writeFileSync(path('units/tlshub.service'), `${placed}\n[Service]\nExecStop=/no/such/file\nProtectHme=yes\n`);
      const bad = run('systemd-analyze', 'verify', '--man=no', path('units/tlshub.service'));
      expect(aboutOurs(bad.stderr).join('\n')).to.include('/no/such/file').and.include('ProtectHme');
    });

    it('is as closed as the job allows', () => {
      const rated = run(
        'systemd-analyze',
        'security',
        '--offline=true',
        // The holder's file system takes a device and the calls that make it, an exact FIONREAD CAP_SYSLOG.
        '--threshold=46',
        'deploy/systemd/tlshub.service',
      );
      expect(rated.status, rated.stdout.split('\n').slice(-3).join('\n')).to.equal(0);
      expect(
        run('systemd-analyze', 'security', '--offline=true', '--threshold=20', 'deploy/systemd/tlshub.service').status,
      ).to.not.equal(0);
    });

    it('names commands and options that exist', () => {
      for (const [, command] of unit.matchAll(/^Exec\w+=\/usr\/bin\/tlshubctl (.*)$/gm)) {
        const words = command!.replace('--wait 60', '--wait 0.1').split(' ');
        const { status } = run('node', 'dist/cli/tlshubctl.js', '--socket', path('none.sock'), ...words);
        expect(status, command).to.equal(1);
      }
      expect(unit).to.match(/^Documentation=file:\/usr\/lib\/tlshub\/(\S+)$/m);
      expect(existsSync(/^Documentation=file:\/usr\/lib\/tlshub\/(\S+)$/m.exec(unit)![1]!)).to.equal(true);
    });
  });
});
