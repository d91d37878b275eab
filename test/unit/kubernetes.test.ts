// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { parseConfig } from '../../src/config/load.js';
import { KubernetesMappingSource, type KubernetesMappingOptions } from '../../src/mapping/kubernetes/source.js';
import type { MappingChange } from '../../src/mapping/source.js';
import { podLines, podRecord, type PodRecord } from '../../src/mapping/kubernetes/pods.js';
import { NodeEndpoints, formatEndpoint } from '../../src/mapping/node-endpoints.js';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import { endpointsBy } from '../../src/supervisor/settings/endpoints.js';
import { KubernetesError } from '../../src/shared/errors/errors.js';
import { KubernetesApi, type FakePod, type KubernetesApiOptions } from '../fakes/kubernetes-api.js';
import { patience } from '../speed.js';
import { Random } from './support/random.js';
import { TOKEN, pod, serverCredentials, until, writeKubeconfig } from './support/kubernetes.js';
import { temporaryFolder } from './support/temporary.js';
import { rejected } from './support/thrown.js';

describe('Pods of Kubernetes as lines of the mapping', () => {
  const rules = { hostNetwork: false };
  const record = (one: FakePod, hostNetwork = false): PodRecord | undefined => podRecord(one, { hostNetwork });
  async function mapping(...pods: FakePod[]): Promise<Record<string, string>> {
    const records = pods.map((one) => record(one, true)).filter((one) => one !== undefined);
    const result: Record<string, string> = {};
    for (const { pod: name, node, addresses } of await PodNodeMapping.gather(podLines(records), 'test')) {
      result[name] = [node, ...addresses].join(' ');
    }
    return result;
  }

  it('keep name, node and the addresses of both families, each once', async () => {
    const both = pod('web/a', { node: 'Node-A', ips: ['10.0.0.1', 'FD00::0:1', '10.0.0.1', 'nonsense'] });
    expect(await mapping(both)).to.deep.equal({ 'web/a': 'node-a 10.0.0.1 fd00::1' });
    const old = { ...both, status: { podIP: '10.0.0.9' } };
    expect(await mapping(old)).to.deep.equal({ 'web/a': 'node-a 10.0.0.9' });
  });

  it("say where their nodes' own addresses are, which are the endpoints of channels", async () => {
    const at = (name: string, node: string, hostIP: unknown): PodRecord => {
      const one = pod(name, { node, ips: ['10.0.0.1'] });
      return record({ ...one, status: { ...one.status, hostIP } } as FakePod)!;
    };
    const records = [
      ...[at('web/a', 'a', '192.168.0.1'), at('web/b', 'b', 'FD00::0:2'), at('web/c', 'c', 'nonsense')],
      ...[at('web/d', 'd', '192.168.0.1'), at('web/e', 'e', '0.0.0.0'), at('web/f', 'a', '192.168.0.1')],
    ];
    const made = await PodNodeMapping.gather(podLines(records), 'test');
    const config = parseConfig('exchange = channel', '/etc/capture.conf');
    const endpoints = endpointsBy(config, undefined, made);
    const found = [...endpoints.nodes()].map((node) => `${node} ${formatEndpoint(endpoints.of(node)!)}`);
    expect(found).to.deep.equal(['a 192.168.0.1:9466', 'b [fd00::2]:9466']);
    expect(endpoints.nodesAt('fd00::2')).to.deep.equal(['b']);
    const file = NodeEndpoints.parse('z 10.9.9.9');
    expect(endpointsBy({ ...config, nodeEndpoints: '/a/file' }, file, made)).to.equal(file);
    expect(endpointsBy({ ...config, exchange: 'in-band' }, undefined, made).size).to.equal(0);
  });

  it('leave out Pods that nobody can be connected to', () => {
    expect(record(pod('web/a', { ips: ['10.0.0.1'] })), 'not scheduled').to.equal(undefined);
    expect(record(pod('web/a', { node: 'a' })), 'no address').to.equal(undefined);
    expect(record(pod('web/a', { node: 'a', ips: [''] })), 'empty address').to.equal(undefined);
    expect(record(pod('web/a', { node: '*.a', ips: ['10.0.0.1'] })), 'no node name').to.equal(undefined);
    for (const phase of ['Succeeded', 'Failed']) {
      expect(record(pod('web/a', { node: 'a', ips: ['10.0.0.1'], phase })), phase).to.equal(undefined);
    }
    for (const phase of ['Pending', 'Running', 'Unknown']) {
      expect(record(pod('web/a', { node: 'a', ips: ['10.0.0.1'], phase })), phase).to.not.equal(undefined);
    }
  });

  it('leave out Pods of the host network, unless they are wanted', () => {
    const agent = pod('kube-system/proxy', { node: 'a', ips: ['192.168.0.1'], hostNetwork: true });
    expect(record(agent)).to.equal(undefined);
    expect(record(agent, true)?.hostNetwork).to.equal(true);
  });

  it('give an address to the Pod that was started last, in whatever order they come', async () => {
    const before = pod('x/old', { node: 'a', ips: ['10.0.0.1', 'fd00::1'], started: '2026-01-01T00:00:00Z' });
    const after = pod('x/new', { node: 'b', ips: ['10.0.0.1'], started: '2026-01-01T00:00:05Z' });
    const wanted = { 'x/old': 'a fd00::1', 'x/new': 'b 10.0.0.1' };
    expect(await mapping(before, after)).to.deep.equal(wanted);
    expect(await mapping(after, before)).to.deep.equal(wanted);
  });

  it('put a Pod that is being deleted behind one that is not', async () => {
    const going = pod('x/going', { node: 'a', ips: ['10.0.0.1'], started: '2026-01-01T00:00:05Z', deleting: true });
    const there = pod('x/there', { node: 'b', ips: ['10.0.0.1'], started: '2026-01-01T00:00:00Z' });
    expect(await mapping(going, there)).to.deep.equal({ 'x/going': 'a', 'x/there': 'b 10.0.0.1' });
    expect(await mapping(going)).to.deep.equal({ 'x/going': 'a 10.0.0.1' });
  });

  it('share an address among Pods of the same second, and among those of one host', async () => {
    const [one, two] = ['x/one', 'x/two'].map((name, i) => pod(name, { node: 'ab'[i]!, ips: ['10.0.0.1'] }));
    expect(await mapping(one!, two!)).to.deep.equal({ 'x/one': 'a 10.0.0.1', 'x/two': 'b 10.0.0.1' });
    const host = (name: string): FakePod => pod(name, { node: 'a', ips: ['192.168.0.1'], hostNetwork: true });
    expect(await mapping(host('x/h1'), host('x/h2'))).to.deep.equal({
      'x/h1': 'a 192.168.0.1',
      'x/h2': 'a 192.168.0.1',
    });
    const claims = pod('x/own', { node: 'b', ips: ['192.168.0.1'] });
    expect(await mapping(host('x/h1'), claims)).to.deep.equal({ 'x/h1': 'a', 'x/own': 'b 192.168.0.1' });
  });

  it('survive objects of every shape', () => {
    const random = new Random(11);
    const values = [
      null,
      undefined,
      0,
      '',
      'x',
      [],
      {},
      [null],
      [{}],
      [{ ip: 7 }],
      { namespace: 'a', name: 'b' },
      true,
    ];
    for (let i = 0; i < 5000; i++) {
      const object = {
        metadata: random.pick(values),
        spec: random.pick(values),
        status: { podIPs: random.pick(values) },
      };
      const made = podRecord(object, rules);
      expect(made).to.equal(undefined);
    }
    for (const odd of [{}, { metadata: null, spec: null, status: null }])
      expect(podRecord(odd, rules)).to.equal(undefined);
  });
});

describe('mapping from the Kubernetes API', () => {
  const path = temporaryFolder();
  let tls: KubernetesApiOptions['tls'];
  let api: KubernetesApi;
  let port: number;
  let source: KubernetesMappingSource | undefined;
  const changes: MappingChange[] = [];
  const problems: Error[] = [];

  before(async () => {
    tls = await serverCredentials(path('pki'));
  });

  beforeEach(async () => {
    changes.length = problems.length = 0;
    api = new KubernetesApi({ tls, token: TOKEN });
    port = await api.listen();
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
    await api.close();
  });

  function kubeconfig(change: (text: string) => string = (text) => text): string {
    return writeKubeconfig(path('kubeconfig'), port, change);
  }

  function make(options: Partial<KubernetesMappingOptions> = {}): KubernetesMappingSource {
    source = new KubernetesMappingSource({
      kubeconfig: kubeconfig(),
      namespace: '',
      labelSelector: '',
      fieldSelector: '',
      hostNetwork: false,
      syncTimeoutMs: 5000,
      staleAfterMs: 60_000,
      ...options,
      timing: { firstPauseMs: 2, longestPauseMs: 20, ...options.timing },
    });
    source.on('change', (change) => changes.push(change));
    source.on('problem', (error) => problems.push(error));
    return source;
  }

  const nodes = (mapping: PodNodeMapping | undefined): Record<string, string> =>
    Object.fromEntries([...(mapping ?? [])].map(({ pod: name, node }) => [name, node]));
  const latest = (): PodNodeMapping | undefined => changes.at(-1)?.mapping;

  it('lists Pods page by page, and follows from the version of the list', async () => {
    for (let i = 0; i < 1234; i++) api.put(pod(`ns/p${i}`, { node: `n${i % 7}`, ips: [`10.1.${i >> 8}.${i & 255}`] }));
    const mapping = await make().read();
    expect(mapping.size).to.equal(1234);
    expect(mapping.nodesOfAddress('10.1.4.1')).to.deep.equal(['n3']);
    expect(api.lists()).to.have.length(5);
    expect(api.lists().every(({ query }) => query['resourceVersion'] === undefined)).to.equal(true);
    await until(() => api.watchers === 1, 'a watch');
    expect(api.watches()[0]!.query).to.include({ resourceVersion: '2234', allowWatchBookmarks: 'true' });
  });

  it('tells of Pods that come, move and go, after the first read only', async () => {
    api.put(pod('ns/stays', { node: 'a', ips: ['10.0.0.1'] }));
    const reading = make().read();
    const first = await reading;
    expect(nodes(first)).to.deep.equal({ 'ns/stays': 'a' });
    expect(changes).to.be.empty;
    await until(() => api.watchers === 1, 'a watch');
    api.put(pod('ns/comes', { node: 'b', ips: ['10.0.0.2', 'fd00::2'] }));
    await until(() => latest()?.nodeOf('ns/comes') === 'b', 'the Pod that comes');
    expect(latest()!.podOf('fd00::2')).to.equal('ns/comes');
    api.put(pod('ns/comes', { node: 'c', ips: ['10.0.0.3'], started: '2026-02-01T00:00:00Z' }));
    await until(() => latest()?.nodeOf('ns/comes') === 'c', 'the Pod that moves');
    expect(changes.at(-1)!.diff.changed[0]).to.deep.include({
      after: { pod: 'ns/comes', node: 'c', addresses: ['10.0.0.3'] },
    });
    api.remove('ns/comes');
    await until(() => latest()?.size === 1, 'the Pod that goes');
    expect(changes.at(-1)!.previous.size).to.equal(2);
    expect(first.size, 'a mapping is a value').to.equal(1);
  });

  it('says nothing of changes that the mapping does not keep, nor of those that a read has given', async () => {
    const one = pod('ns/one', { node: 'a', ips: ['10.0.0.1'] });
    api.put(one);
    const from = make();
    await from.read();
    await until(() => api.watchers === 1, 'a watch');
    for (let i = 0; i < 5; i++)
      api.put({ ...one, status: { ...one.status, phase: i % 2 === 0 ? 'Pending' : 'Running' } });
    api.put(pod('ns/two', { node: 'b', ips: ['10.0.0.2'] }));
    await until(() => latest() !== undefined, 'the change');
    expect(changes).to.have.length(1);
    api.put(pod('ns/three', { node: 'c', ips: ['10.0.0.3'] }));
    let read = await from.read();
    for (let i = 0; i < 500 && read.size < 3; i++) {
      await sleep(2);
      read = await from.read();
    }
    expect(nodes(read)).to.deep.equal({ 'ns/one': 'a', 'ns/two': 'b', 'ns/three': 'c' });
    await sleep(120);
    expect(changes.length).to.equal(1);
  });

  it('goes on from where it was when a connection is dropped, without another list', async () => {
    api.put(pod('ns/one', { node: 'a', ips: ['10.0.0.1'] }));
    await make().read();
    for (let i = 0; i < 5; i++) {
      await until(() => api.watchers === 1, 'a watch');
      if (i % 2 === 0) api.dropConnections();
      else api.endWatches();
      await until(() => api.watchers === 0, 'its end');
      api.put(pod('ns/one', { node: `n${i}`, ips: ['10.0.0.1'] }));
      await until(() => latest()?.nodeOf('ns/one') === `n${i}`, 'what happened in between');
    }
    expect(api.lists()).to.have.length(1);
    expect(problems.length).to.be.greaterThan(0);
  });

  it('is not misled by a connection that is cut in the middle of an event', async () => {
    await make().read();
    await until(() => api.watchers === 1, 'a watch');
    api.writeRaw('{"type":"ADDED","object":{"metadata":{"namespace":"ns","name":"half","resourceVersion":"9');
    api.endWatches();
    await until(() => api.watches().length === 2, 'another watch');
    expect(api.watches()[1]!.query['resourceVersion']).to.equal('1000');
    expect(problems.some(({ message }) => message.includes('in the middle of an event'))).to.equal(true);
    expect(api.lists()).to.have.length(1);
  });

  for (const expiry of ['status', 'event'] as const) {
    it(`lists again when its version has expired (410 as ${expiry}), and knows what went in the meantime`, async () => {
      api.expiry = expiry;
      api.put(pod('ns/goes', { node: 'a', ips: ['10.0.0.1'] }));
      api.put(pod('ns/stays', { node: 'a', ips: ['10.0.0.2'] }));
      await make().read();
      await until(() => api.watchers === 1, 'a watch');
      api.faults.push({ status: 500 }, { status: 500 });
      api.dropConnections();
      api.remove('ns/goes');
      api.put(pod('ns/comes', { node: 'b', ips: ['10.0.0.3'] }));
      api.compact();
      await until(() => latest()?.nodeOf('ns/comes') === 'b', 'the new list');
      expect(nodes(latest())).to.deep.equal({ 'ns/stays': 'a', 'ns/comes': 'b' });
      expect(api.lists()).to.have.length(2);
    });
  }

  it('moves on with bookmarks, so that a quiet cluster does not make its version expire', async () => {
    api.put(pod('other/x', { node: 'a', ips: ['10.0.0.9'] }));
    await make({ namespace: 'ns' }).read();
    await until(() => api.watchers === 1, 'a watch');
    for (let i = 0; i < 50; i++) api.put(pod('other/x', { node: `n${i}`, ips: ['10.0.0.9'] }));
    api.bookmark();
    await sleep(20);
    api.compact();
    api.endWatches();
    await until(() => api.watches().length === 2, 'another watch');
    expect(api.watches()[1]!.query['resourceVersion']).to.equal('1051');
    expect(api.lists()).to.have.length(1);
  });

  it('lists in one piece when its pages expire under way', async () => {
    for (let i = 0; i < 600; i++) api.put(pod(`ns/p${i}`, { node: 'a', ips: [`10.1.${i >> 8}.${i & 255}`] }));
    api.compactsBetweenPages = true;
    expect((await make().read()).size).to.equal(600);
    expect(api.lists().map(({ query }) => query['limit'])).to.deep.equal(['250', '250', undefined]);
  });

  it('gives up a watch on which nothing comes any more', async () => {
    await make({ timing: { idleMs: 60 } }).read();
    await until(() => api.watchers === 1, 'a watch');
    api.silence();
    api.put(pod('ns/unheard', { node: 'a', ips: ['10.0.0.1'] }));
    await until(() => latest()?.nodeOf('ns/unheard') === 'a', 'what was not heard');
    expect(problems.some(({ message }) => message.includes('nothing came for'))).to.equal(true);
    expect(api.lists()).to.have.length(1);
  });

  it('asks for watches that end, and begins others', async () => {
    await make({ timing: { watchMs: 400 } }).read();
    await until(() => api.watches().length >= 2, 'another watch');
    expect(Number(api.watches()[0]!.query['timeoutSeconds'])).to.equal(1);
    expect(api.lists()).to.have.length(1);
    expect(problems).to.be.empty;
  });

  it('waits longer and longer for a server that fails or ends watches at once', async () => {
    api.endsWatchesAtOnce = true;
    await make({ timing: { firstPauseMs: 20, longestPauseMs: 100_000 } }).read();
    const begun = performance.now();
    await until(() => api.watches().length >= 5, 'five watches');
    // After each of the first four it has waited for half of its pause at least: 20, 40, 80 and 160 ms.
    expect(performance.now() - begun).to.be.greaterThan(75);
  });

  it('survives everything that a server or the way to it can do, and misses nothing', async function () {
    this.timeout(30_000);
    const random = new Random(20);
    const from = make({ timing: { idleMs: 150, watchMs: 400 } });
    await from.read();
    const store = new Map<string, FakePod>();
    for (let round = 0; round < 120; round++) {
      for (let i = random.below(6); i > 0; i--) {
        const key = `ns${random.below(3)}/p${random.below(12)}`;
        if (random.below(4) === 0) {
          store.delete(key);
          api.remove(key);
        } else {
          const one = pod(key, {
            node: `n${random.below(5)}`,
            ips: [`10.0.0.${random.below(20)}`],
            phase: random.pick(['Running', 'Running', 'Pending', 'Succeeded']),
            started: new Date(1e12 + random.below(5000) * 1000).toISOString(),
          });
          store.set(key, one);
          api.put(one);
        }
      }
      switch (random.below(9)) {
        case 0:
          api.dropConnections();
          break;
        case 1:
          api.endWatches();
          break;
        case 2:
          api.compact();
          api.dropConnections();
          break;
        case 3:
          api.faults.push(random.pick([{ status: 503, retryAfterS: 0.01 }, { status: 429 }, { status: 500 }]));
          api.endWatches();
          break;
        case 4:
          api.faults.push('reset', 'nonsense');
          api.dropConnections();
          break;
        case 5:
          api.writeRaw(random.pick(['{"type":"ADDED"', 'nonsense\n', '{"type":"WHAT","object":{}}\n', '\n']));
          api.dropConnections();
          break;
        case 6:
          api.bookmark();
          break;
        case 7:
          api.silence();
          break;
      }
      await sleep(random.below(15));
    }
    const records = [...store.values()].map((one) => podRecord(one, { hostNetwork: false }));
    const wanted = await PodNodeMapping.gather(podLines(records.filter((one) => one !== undefined)), 'test');
    const show = (mapping: PodNodeMapping | undefined): string => JSON.stringify([...(mapping ?? [])]);
    await until(() => show(latest()) === show(wanted), 'the mapping of the last state');
    expect(show(await from.read())).to.equal(show(wanted));
    for (const [before, after] of changes.slice(1).map((change, i) => [changes[i]!, change] as const)) {
      expect(after.previous).to.equal(before.mapping);
    }
  });

  it('passes selectors and the namespace on, to list and watch', async () => {
    const web = { node: 'a', labels: { app: 'web' } };
    api.put(pod('ns/yes', { ...web, ips: ['10.0.0.1'] }));
    api.put(pod('ns/no', { node: 'a', ips: ['10.0.0.2'] }));
    api.put(pod('elsewhere/no', { ...web, ips: ['10.0.0.3'] }));
    const fieldSelector = 'status.phase!=Succeeded,status.phase!=Failed';
    const mapping = await make({ namespace: 'ns', labelSelector: 'app=web', fieldSelector }).read();
    expect(nodes(mapping)).to.deep.equal({ 'ns/yes': 'a' });
    await until(() => api.watchers === 1, 'a watch');
    for (const { path: asked, query } of [api.lists()[0]!, api.watches()[0]!]) {
      expect(asked).to.equal('/api/v1/namespaces/ns/pods');
      expect(query).to.include({ labelSelector: 'app=web', fieldSelector });
    }
    api.put(pod('ns/yes', { ...web, ips: ['10.0.0.1'], phase: 'Succeeded' }));
    await until(() => latest()?.size === 0, 'the end of a Pod');
  });

  describe('at start', () => {
    it('waits for a server that is not well yet', async () => {
      api.faults.push({ status: 503 }, 'reset', 'nonsense', { status: 403 });
      api.put(pod('ns/one', { node: 'a', ips: ['10.0.0.1'] }));
      expect((await make().read()).size).to.equal(1);
      expect(problems, 'read tells of them, if of anything').to.be.empty;
    });

    it('fails in a stated time, with what the server said last and what to do', async () => {
      for (let i = 0; i < 1000; i++) api.faults.push({ status: 403 });
      const error = await rejected(KubernetesError, make({ syncTimeoutMs: 150 }).read());
      expect(error).to.include({ code: 'TLSHUB_KUBERNETES', exitCode: 1 });
      expect(error.message).to.include('no list of Pods within 150 ms').and.include('403').and.include('injected');
      expect(error.remedy).to.include('list and watch on pods');
    });

    it('names a server that is not there, one that hangs, and a token or a CA that is not accepted', async () => {
      const cases: [change: (text: string) => string, fault: 'hang' | undefined, words: RegExp][] = [
        [(text) => text.replace(String(port), '1'), undefined, /ECONNREFUSED/],
        [(text) => text, 'hang', /no answer/],
        [(text) => text.replace(TOKEN, 'another'), undefined, /401/],
        [(text) => text.replace('tls-server-name: kubernetes', 'tls-server-name: other'), undefined, /altnames/i],
        [(text) => text.replace(/certificate-authority: "[^"]*", /, ''), undefined, /certificate/],
      ];
      for (const [change, fault, words] of cases) {
        if (fault !== undefined) api.faults.push(fault);
        const failing = make({ syncTimeoutMs: 200 });
        kubeconfig(change);
        expect((await rejected(KubernetesError, failing.read())).message).to.match(words);
        await failing.close();
      }
    });

    it('says what is wrong with a kubeconfig', async () => {
      const cases: [file: string, text: string | undefined, words: RegExp][] = [
        [path('none'), undefined, /none.*ENOENT/],
        [path('bad'), 'clusters: [', /bad: /],
        [path('empty'), 'apiVersion: v1\nkind: Config\n', /empty: /],
      ];
      for (const [file, text, words] of cases) {
        if (text !== undefined) writeFileSync(file, text);
        const error = await rejected(KubernetesError, make({ kubeconfig: file }).read());
        expect(error).to.include({ exitCode: 78 });
        expect(error.message).to.match(words);
      }
      const outside = await rejected(KubernetesError, make({ kubeconfig: '' }).read());
      expect(outside.message).to.include('this is no Pod');
    });

    it('ends in the middle of everything when it is closed', async () => {
      api.faults.push('hang');
      const waiting = make();
      const read = rejected(KubernetesError, waiting.read());
      await until(() => api.lists().length === 1, 'a list');
      await waiting.close();
      expect((await read).message).to.include('it was closed');
    });
  });

  it('counts as stale while the server is away for too long, and no longer when it is back', async () => {
    api.put(pod('ns/one', { node: 'a', ips: ['10.0.0.1'] }));
    const from = make({ staleAfterMs: patience(500) });
    const mapping = await from.read();
    await until(() => api.watchers === 1, 'a watch');
    expect(from.staleness()).to.equal(undefined);
    await api.close();
    await until(() => from.staleness() !== undefined, 'staleness');
    expect(from.staleness()).to.include('has not been reached');
    expect((await from.read()).nodeOf('ns/one')).to.equal(mapping.nodeOf('ns/one'));
    const again = new KubernetesApi({ tls, token: TOKEN });
    await again.listen(port);
    try {
      await until(() => from.staleness() === undefined, 'the end of it');
    } finally {
      await from.close();
      await again.close();
    }
  });

  it('lets no event come after it was closed', async () => {
    const from = make();
    await from.read();
    await until(() => api.watchers === 1, 'a watch');
    api.put(pod('ns/one', { node: 'a', ips: ['10.0.0.1'] }));
    await from.close();
    await until(() => api.watchers === 0, 'the end of the watch');
    await sleep(80);
    expect(changes).to.be.empty;
  });

  it('costs nothing where it is not used: the client is loaded at the first read only', () => {
    const module = new URL('../../src/mapping/kubernetes/source.js', import.meta.url).href;
    const hooks = `export async function load(url, context, next) {
      if (url.includes('/@kubernetes/')) process._rawDebug('loaded ' + url);
      return next(url, context);
    }`;
    const script = `import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));
      const { KubernetesMappingSource } = await import(${JSON.stringify(module)});
      process._rawDebug('imported');
      const source = new KubernetesMappingSource({ kubeconfig: '/none', namespace: '', labelSelector: '', fieldSelector: '',
        hostNetwork: false, syncTimeoutMs: 100, staleAfterMs: 1000 });
      await source.read().catch(() => undefined);`;
    const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
    const [before = '', after = ''] = stderr.split('imported');
    expect(before).to.not.include('loaded');
    expect(after, 'the hooks see it').to.include('/@kubernetes/client-node/');
  });
});
