// SPDX-License-Identifier: Apache-2.0
/** charts/tlshub-ebpf, rendered by Helm: with the values it comes with, and with others for each of them. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as models from '@kubernetes/client-node';
import { expect } from 'chai';
import { load, loadAll } from 'js-yaml';
import { keySpec } from '../../src/config/keys.js';
import { parseConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { CHART, EXTRA_KEYS, SCHEMA, renderChartReadme, renderSchema } from '../../tools/chart.js';
import { MANIFEST, renderManifest } from '../../tools/manifest.js';
import { printedCommands } from '../printed.js';
import { patience } from '../speed.js';
import { complaints, type Manifest, type Shape } from './support/manifests.js';
import { temporaryFolder } from './support/temporary.js';

const read = (file: string): string => readFileSync(file, 'utf8');
const helm = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync('scripts/helm', args, { encoding: 'utf8', timeout: patience(120_000) });

describe('the Helm chart', function () {
  this.timeout(300_000);
  const path = temporaryFolder();

  const template = (values: object, ...more: string[]): SpawnSyncReturns<string> => {
    writeFileSync(path('values.json'), JSON.stringify(values));
    return helm('template', 'tlshub', CHART, '--namespace', 'mesh', '-f', path('values.json'), ...more);
  };

  /** What the chart makes of these values; every object is a valid one. */
  const render = (values: object) => {
    const { status, stdout, stderr } = template(values);
    expect(status, stderr).to.equal(0);
    const manifests = (loadAll(stdout) as (Manifest | null)[]).filter((one) => one !== null);
    expect(manifests.flatMap(complaints)).to.deep.equal([]);
    const of = (kind: string): Manifest | undefined => manifests.find((one) => one.kind === kind);
    const daemonSet = of('DaemonSet') as Shape<models.V1DaemonSet>;
    const { metadata, spec } = daemonSet.spec!.template;
    const container = spec!.containers[0]!;
    const files = (of('ConfigMap') as Shape<models.V1ConfigMap>).data!;
    const env = Object.fromEntries(
      container.env!.map(({ name, value }) => [name, value?.replaceAll('$(TLSHUB_NODE_NAME)', 'node-a') ?? 'node-a']),
    );
    const config = (): Config => parseConfig(files['capture.conf']!, '/etc/tlshub/config/capture.conf', env);
    return { manifests, of, daemonSet, metadata: metadata!, pod: spec!, container, files, config };
  };

  it('has the versions of the package', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(load(read(join(CHART, 'Chart.yaml')))).to.include({ version, appVersion: version });
  });

  it('passes its linter', () => {
    const { status, stdout, stderr } = helm('lint', '--strict', CHART);
    expect(status, stdout + stderr).to.equal(0);
  });

  it('has a schema and a README that are up to date', () => {
    expect(JSON.parse(read(SCHEMA)), 'node build/tools/docs.js writes it').to.deep.equal(JSON.parse(renderSchema('.')));
    expect(read(join(CHART, 'README.md')), 'node build/tools/docs.js writes it').to.equal(renderChartReadme('.'));
  });

  it('puts the boot gate on the nodes, or takes it away, if one wants', () => {
    const { pod: usual } = render({});
    expect(usual.initContainers).to.equal(undefined);
    expect(usual.volumes!.filter(({ hostPath }) => hostPath?.path === '/')).to.deep.equal([]);
    for (const bootGate of ['install', 'remove']) {
      const { pod, container } = render({ bootGate });
      const [init] = pod.initContainers!;
      expect(init!.command).to.deep.equal(['/usr/lib/tlshub/deploy/boot-gate', bootGate, '/host']);
      expect(init!.image).to.equal(container.image);
      const [host] = init!.volumeMounts!;
      expect(pod.volumes!.find(({ name }) => name === host!.name)?.hostPath?.path).to.equal('/');
      expect(
        container.volumeMounts!.map(({ name }) => name),
        'the agent does without',
      ).to.not.include(host!.name);
    }
    const elsewhere = template({ bootGate: 'install', stateHostPath: '/srv/tlshub' });
    expect(elsewhere.status).to.not.equal(0);
    expect(elsewhere.stderr).to.include('needs stateHostPath: /var/lib/tlshub');
  });

  it('is what the plain manifest is made from', () => {
    expect(read(MANIFEST), 'node build/tools/manifest.js writes it').to.equal(renderManifest('.'));
  });

  it('has every value of every template in its schema, with a meaning', () => {
    interface Schema {
      description?: string;
      additionalProperties?: unknown;
      properties?: Record<string, Schema>;
    }
    const schema = JSON.parse(read(SCHEMA)) as Schema;
    const used = readdirSync(join(CHART, 'templates')).flatMap((file) =>
      [...read(join(CHART, 'templates', file)).matchAll(/\.Values((?:\.\w+)+)/g)].map(([, name]) => name!.slice(1)),
    );
    for (const name of new Set(used)) {
      const found = name.split('.').reduce<Schema | undefined>((at, part) => at?.properties?.[part], schema);
      expect(found?.description, name).to.be.a('string').and.not.equal('');
    }
    const described = (at: Schema): void => {
      for (const [key, inner] of Object.entries(at.properties ?? {})) {
        expect(inner.description, key).to.be.a('string');
        described(inner);
      }
    };
    described(schema);
    expect(Object.keys(load(read(join(CHART, 'values.yaml'))) as object)).to.have.members(
      Object.keys(schema.properties!),
    );
  });

  it('gives the agent a configuration that it takes, with each value where it belongs', () => {
    const { config, files } = render({
      mode: 'boringssl',
      hold: 'sleep',
      policy: 'strict',
      policyExclude: [':53', '10.0.0.0/8:9100', '[fd00::/8]:443'],
      policyRequire: ['10.1.0.0/16'],
      channel: { address: '10.0.0.1', port: 9477, endpoints: 'node-a 10.0.0.1:9477\nnode-b 10.0.0.2:9477\n' },
      capture: { cgroups: ['/sys/fs/cgroup/kubepods/burstable', '/sys/fs/cgroup/kubepods/besteffort/*-pod?'] },
      mapping: { namespace: 'shop', labelSelector: 'app=web,tier!=cache', hostNetwork: true, services: false },
      certificates: { ca: 'roots.pem', cert: '$(TLSHUB_NODE_NAME).crt', key: '$(TLSHUB_NODE_NAME).key' },
      health: { address: '[::1]', port: 9499 },
      accessLog: { destination: 'stdout', format: 'text', percent: 0 },
    });
    const made = config();
    expect(made).to.deep.include({
      ...{ mode: 'boringssl', hold: 'sleep', policy: 'strict', nodeName: 'node-a', exchange: 'channel' },
      policyExclude: [':53', '10.0.0.0/8:9100', '[fd00::/8]:443'],
      policyRequire: ['10.1.0.0/16'],
      channelListen: '10.0.0.1:9477',
      nodeEndpoints: '/etc/tlshub/config/node_endpoints.conf',
      healthListen: '[::1]:9499',
      ...{ accessLog: 'stdout', accessLogFormat: 'text', accessLogPercent: 0 },
      guardianGraceMs: 60_000,
    });
    expect(made.capture.cgroup).to.have.length(2);
    expect(made.kubernetes).to.include({
      namespace: 'shop',
      labelSelector: 'app=web,tier!=cache',
      hostNetwork: true,
      services: false,
    });
    expect(made.tls).to.include({
      ca: '/etc/tlshub/pki/roots.pem',
      cert: '/etc/tlshub/pki/node-a.crt',
      key: '/etc/tlshub/pki/node-a.key',
    });
    expect(files['node_endpoints.conf']).to.equal('node-a 10.0.0.1:9477\nnode-b 10.0.0.2:9477\n');
  });

  it('opens no port of the node with exchange: in-band', () => {
    const { files, config } = render({ exchange: 'in-band' });
    expect(files['capture.conf']).to.not.include('channel_listen');
    expect(config().exchange).to.equal('in-band');
  });

  it('takes every further key of the agent, numbers and booleans as such, and the agent takes what comes of it', () => {
    const typed = (text: string): unknown => (/^(\d+|true|false)$/.test(text) ? JSON.parse(text) : text);
    // An empty value is for those that may be.
    const values = EXTRA_KEYS.map((key) => [key, typed(keySpec(key).format.encode(keySpec(key).default))] as const);
    const { files, config } = render({ config: Object.fromEntries(values) });
    config();
    for (const [key, value] of values)
      expect(files['capture.conf']!.split('\n').map((line) => line.trim())).to.include(
        `${key} = ${String(value)}`.trim(),
      );
    // Large numbers are none with an exponent.
    expect(render({ config: { overload_timeout_ms: 3_600_000, ring_bytes: 1 << 30 } }).config()).to.include({
      overloadTimeoutMs: 3_600_000,
      ringBytes: 1 << 30,
    });
  });

  it('refuses what would be no configuration, before anything is installed', () => {
    for (const [values, said] of [
      [{ polcy: 'strict' }, /polcy/],
      [{ policy: 'stric' }, /policy/],
      [{ config: { no_such_key: 1 } }, /no_such_key/],
      [{ config: { mode: 'openssl' } }, /mode/],
      [{ config: { keylog_file: '/tmp/keys' } }, /keylog_file/],
      [{ config: { log_level: 'info\npolicy_exclude = 0.0.0.0/0' } }, /log_level/],
      [{ mapping: { labelSelector: 'a=b\npolicy_exclude = 0.0.0.0/0' } }, /labelSelector/],
      [{ capture: { cgroups: [] } }, /cgroups/],
      [{ capture: { cgroups: ['/var/lib'] } }, /cgroups/],
      [{ channel: { port: '9466' } }, /port/],
      [{ channel: { port: 9467 } }, /channel\.endpoints has to say/],
      [{ mapping: { source: 'file' } }, /mapping\.pods is empty/],
      [{ updateStrategy: { rollingUpdate: { maxSurge: 1 } } }, /maxSurge/],
      [{ certificates: { csi: { readOnly: true } } }, /driver/],
    ] as const) {
      const { status, stderr } = template(values);
      expect(status, JSON.stringify(values)).to.equal(1);
      expect(stderr).to.match(said);
    }
  });

  it('asks for rights only for what it follows, and in one namespace where that is all', () => {
    const one = render({ mapping: { namespace: 'shop', services: false } });
    expect(one.of('ClusterRole')).to.equal(undefined);
    const role = one.of('Role') as Shape<models.V1Role>;
    expect(role.metadata.namespace).to.equal('shop');
    expect(role.rules).to.deep.equal([{ apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] }]);
    const { roleRef, subjects, metadata } = one.of('RoleBinding') as Shape<models.V1RoleBinding>;
    expect(metadata.namespace).to.equal('shop');
    expect(roleRef).to.include({ kind: 'Role', name: role.metadata.name });
    expect(subjects![0]).to.include({ name: one.pod.serviceAccountName, namespace: 'mesh' });

    const file = render({
      mapping: { source: 'file', pods: 'web node-a 10.1.0.10\n' },
      serviceAccount: { create: false },
    });
    expect(file.manifests.map(({ kind }) => kind)).to.have.members(['ConfigMap', 'DaemonSet']);
    expect(file.pod.automountServiceAccountToken).to.equal(false);
    expect(file.pod.serviceAccountName).to.equal('default');
    expect(file.config().podNodeConfig).to.equal('/etc/tlshub/config/pod_node_mapping.conf');
    expect(file.files['pod_node_mapping.conf']).to.equal('web node-a 10.1.0.10\n');
    expect(render({ rbac: { create: false } }).of('ClusterRole')).to.equal(undefined);
  });

  it('takes certificates from a folder, a Secret or a CSI volume, one of them', () => {
    const pki = (certificates: object): models.V1Volume =>
      render({ certificates }).pod.volumes!.find(({ name }) => name === 'pki')!;
    expect(pki({ hostPath: '/srv/pki' }).hostPath!.path).to.equal('/srv/pki');
    // An agent does not start with a key that others can read.
    expect(pki({ secretName: 'nodes' })).to.deep.equal({
      name: 'pki',
      secret: { secretName: 'nodes', defaultMode: 0o400 },
    });
    const csi = { driver: 'csi.example.org', readOnly: true, volumeAttributes: { issuer: 'nodes' } };
    expect(pki({ secretName: 'nodes', csi })).to.deep.equal({ name: 'pki', csi });
  });

  it('puts on the Pods what operators ask for', () => {
    const wanted = {
      tolerations: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' }],
      nodeSelector: { mesh: 'yes' },
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'gpu', operator: 'DoesNotExist' }] }],
          },
        },
      },
      priorityClassName: 'mesh-critical',
      terminationGracePeriodSeconds: 60,
      imagePullSecrets: [{ name: 'registry' }],
    };
    const resources = { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '2Gi' } };
    const { daemonSet, metadata, pod, container, of } = render({
      ...wanted,
      resources,
      image: {
        repository: 'registry.example.org/tlshub-ebpf',
        digest: `sha256:${'0a'.repeat(32)}`,
        pullPolicy: 'Always',
      },
      updateStrategy: { type: 'OnDelete', rollingUpdate: null },
      podAnnotations: { one: '1' },
      podLabels: { two: '2' },
      serviceAccount: { name: 'agents', annotations: { three: '3' } },
      health: { address: '0.0.0.0' },
      metrics: { annotations: true },
      fullnameOverride: 'mesh-agent',
    });
    expect(pod).to.deep.include(wanted);
    expect(container.resources).to.deep.equal(resources);
    expect(container.image).to.equal(`registry.example.org/tlshub-ebpf@sha256:${'0a'.repeat(32)}`);
    expect(container.imagePullPolicy).to.equal('Always');
    expect(daemonSet.spec!.updateStrategy).to.deep.equal({ type: 'OnDelete' });
    expect(metadata.annotations).to.include({ one: '1', 'prometheus.io/port': '9465', 'prometheus.io/scrape': 'true' });
    expect(metadata.labels).to.include({ two: '2' }).and.to.include(daemonSet.spec!.selector.matchLabels!);
    expect(of('ServiceAccount')!.metadata).to.deep.include({ name: 'agents', annotations: { three: '3' } });
    expect(daemonSet.metadata.name).to.equal('mesh-agent');
    // Kubelet cannot connect to all addresses.
    expect(container.livenessProbe!.httpGet).to.include({ host: '127.0.0.1', port: 9465 });
  });

  it('replaces the agents when their configuration changes, and only then', () => {
    const sum = (values: object): string => render(values).metadata.annotations!['checksum/config']!;
    expect(sum({ policy: 'strict' })).to.not.equal(sum({}));
    expect(sum({ nodeSelector: { a: 'b' } })).to.equal(sum({}));
  });

  it('says after an installation what to look at, and what the values lack', () => {
    const notes = (values: object): string => {
      writeFileSync(path('values.json'), JSON.stringify(values));
      const options = ['--namespace', 'mesh', '--dry-run=client', '-f', path('values.json')];
      const { status, stdout, stderr } = helm('install', 'tlshub', CHART, ...options);
      expect(status, stderr).to.equal(0);
      return stdout.slice(stdout.indexOf('NOTES:'));
    };
    expect(notes({})).to.include('kubectl rollout status -n mesh ds/tlshub').and.not.include('no effect');
    expect(notes({ metrics: { annotations: true } })).to.include('metrics.annotations has no effect');
    expect(notes({ certificates: { secretName: 'nodes' } })).to.include('Every agent can read all of it');
  });

  it('takes the commands that the documents print', () => {
    const commands = printedCommands('docs/KUBERNETES.md').filter(({ command }) => command.startsWith('helm '));
    expect(commands.length).to.be.at.least(3);
    for (const { command } of commands) {
      // Without a cluster there is nothing to upgrade or to take away: what would be upgraded to is rendered, the rest is a matter of usage.
      const words = command.replace('REGISTRY', 'registry.example.org').split(' ').slice(1);
      const args =
        words[0] === 'uninstall'
          ? [...words, '--help']
          : [...words.map((word) => (word === 'upgrade' ? 'template' : word)), '--dry-run=client'].filter(
              (word) => word !== '--reuse-values',
            );
      const { status, stderr } = helm(...args);
      expect(status, `${command}: ${stderr}`).to.equal(0);
    }
  });
});
