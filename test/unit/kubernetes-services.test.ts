// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { podLines, podRecord } from '../../src/mapping/kubernetes/pods.js';
import { serviceLines, serviceRecord, sliceRecord } from '../../src/mapping/kubernetes/services.js';
import { KubernetesMappingSource, type KubernetesMappingOptions } from '../../src/mapping/kubernetes/source.js';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import type { MappingChange } from '../../src/mapping/source.js';
import { KubernetesError } from '../../src/shared/errors/errors.js';
import { formatCidr } from '../../src/shared/net/address.js';
import { KubernetesApi, type FakeObject, type FakePod, type KubernetesApiOptions } from '../fakes/kubernetes-api.js';
import { TOKEN, pod, serverCredentials, service, slice, until, writeKubeconfig } from './support/kubernetes.js';
import { Random } from './support/random.js';
import { temporaryFolder } from './support/temporary.js';
import { rejected } from './support/thrown.js';

/** Services with their addresses and the nodes behind them. */
function shown(mapping: PodNodeMapping | undefined): Record<string, string> {
  return Object.fromEntries(
    [...(mapping?.serviceNames() ?? [])].map((name) => {
      const { addresses, nodes } = mapping!.service(name)!;
      return [name, `${addresses.join(' ')} -> ${nodes.join(' ')}`];
    }),
  );
}

describe('Services of Kubernetes as lines of the mapping', () => {
  const PODS = [
    pod('shop/web-0', { node: 'a', ips: ['10.0.0.1', 'fd00::1'] }),
    pod('shop/web-1', { node: 'b', ips: ['10.0.0.2', 'fd00::2'] }),
    pod('shop/web-2', { node: 'b', ips: ['10.0.0.3'] }),
  ];
  const WEB_0 = { ip: '10.0.0.1', node: 'a', pod: 'web-0' };
  const WEB_1 = { ip: '10.0.0.2', node: 'b', pod: 'web-1' };

  async function mapping(
    services: FakeObject[],
    slices: FakeObject[],
    { pods = PODS, leftOut = [] as string[] }: { pods?: FakePod[]; leftOut?: string[] } = {},
  ): Promise<Record<string, string>> {
    const records = pods.flatMap((one) => podRecord(one, { hostNetwork: false }) ?? []);
    const lines = [...podLines(records)];
    const cluster = {
      pods: lines,
      services: services.flatMap((one) => serviceRecord(one) ?? []),
      slices: slices.flatMap((one) => sliceRecord(one) ?? []),
      isLeftOut: (name: string) => leftOut.includes(name),
    };
    return shown(await PodNodeMapping.gather([...lines, ...serviceLines(cluster)], 'test'));
  }

  it('have all addresses of theirs, each once, and the nodes of the Pods behind them', async () => {
    const made = service('shop/web', ['10.96.0.1', 'FD96::0:1'], {
      spec: { type: 'LoadBalancer', externalIPs: ['198.51.100.1', '10.96.0.1', 'nonsense'] },
      status: {
        loadBalancer: {
          ingress: [
            { ip: '203.0.113.1', ipMode: 'VIP' },
            { ip: '203.0.113.2', ipMode: 'Proxy' },
            { hostname: 'x' },
            null,
          ],
        },
      },
    });
    const slices = [slice('shop/web', [WEB_1, { ...WEB_0, ready: false }]), slice('shop/web', [WEB_1], 'web-v6')];
    expect(await mapping([made], slices)).to.deep.equal({
      'shop/web': '10.96.0.1 fd96::1 198.51.100.1 203.0.113.1 -> a b',
    });
  });

  it('are refused a connection as long as they have no endpoint', async () => {
    const made = [service('shop/web', ['10.96.0.1']), service('shop/new', ['10.96.0.2'])];
    expect(await mapping(made, [slice('shop/web', [])])).to.deep.equal({
      ...{ 'shop/web': '10.96.0.1 -> ', 'shop/new': '10.96.0.2 -> ' },
    });
  });

  it('take the node from the Pod, and not from what a slice says of it', async () => {
    const lies = [
      { ...WEB_0, node: 'evil' },
      { ip: '10.0.0.2', node: 'evil' },
    ];
    expect(await mapping([service('shop/web', ['10.96.0.1'])], [slice('shop/web', lies)])).to.deep.equal({
      'shop/web': '10.96.0.1 -> a b',
    });
  });

  it('believe the slice of a Pod that has not been heard of, unless it is left out', async () => {
    const early = slice('shop/web', [{ ip: '10.0.0.9', node: 'c', pod: 'web-9' }]);
    const made = [service('shop/web', ['10.96.0.1'])];
    expect(await mapping(made, [early])).to.deep.equal({ 'shop/web': '10.96.0.1 -> c' });
    expect(await mapping(made, [early], { leftOut: ['shop/web-9'] })).to.deep.equal({});
  });

  it('are none of the mesh where no endpoint is: the API server, say', async () => {
    const made = [service('default/kubernetes', ['10.96.0.1']), service('shop/mixed', ['10.96.0.2'])];
    const slices = [
      slice('default/kubernetes', [{ ip: '192.168.0.1' }, { ip: '192.168.0.2', node: 'a' }]),
      slice('shop/mixed', [{ ip: '192.168.0.9' }, WEB_0]),
    ];
    expect(await mapping(made, slices)).to.deep.equal({ 'shop/mixed': '10.96.0.2 -> a' });
  });

  it("do not speak for a Pod's address, which whoever may make Services could write", async () => {
    const greedy = service('shop/web', ['10.96.0.1'], { spec: { externalIPs: ['10.0.0.3', 'fd00::2'] } });
    expect(await mapping([greedy], [slice('shop/web', [WEB_0])])).to.deep.equal({ 'shop/web': '10.96.0.1 -> a' });
  });

  it('have no address where they are headless or ExternalName', () => {
    expect(serviceRecord(service('shop/web', []))).to.equal(undefined);
    const outside = service('shop/web', ['10.96.0.1'], { spec: { type: 'ExternalName' } });
    expect(serviceRecord(outside)).to.equal(undefined);
    expect(serviceRecord(service('shop/web', ['10.96.0.1']))?.networks.map(formatCidr)).to.deep.equal(['10.96.0.1']);
    expect(sliceRecord({ metadata: { namespace: 'shop', name: 'x' }, endpoints: [] }), "nobody's").to.equal(undefined);
  });

  it('survive objects of every shape', () => {
    const random = new Random(12);
    const values = [null, undefined, 0, '', 'x', [], {}, [null], [{}], [{ ip: 7 }], { ingress: 7 }, true, ['10.0.0.1']];
    const metadata = { namespace: 'a', name: 'b', labels: { 'kubernetes.io/service-name': 'b' } };
    for (let i = 0; i < 5000; i++) {
      const some = (): unknown => random.pick(values);
      const spec = { clusterIP: some(), clusterIPs: some(), externalIPs: some(), type: some() };
      const status = random.below(2) === 0 ? some() : { loadBalancer: some() };
      const made = serviceRecord({ metadata, spec: random.below(4) === 0 ? some() : spec, status });
      for (const { prefix } of made?.networks ?? []) expect(prefix).to.equal(128);
      const endpoint = { addresses: some(), nodeName: some(), targetRef: some() };
      const records = sliceRecord({ metadata, endpoints: random.pick([some(), [endpoint, some()]]) });
      expect(records?.service).to.equal('a/b');
    }
  });
});

describe('Services from the Kubernetes API', () => {
  const path = temporaryFolder();
  let tls: KubernetesApiOptions['tls'];
  let api: KubernetesApi;
  let source: KubernetesMappingSource | undefined;
  let port: number;
  const changes: MappingChange[] = [];
  const problems: Error[] = [];
  const latest = (): PodNodeMapping | undefined => changes.at(-1)?.mapping;

  before(async () => {
    tls = await serverCredentials(path('pki'));
  });
  beforeEach(async () => {
    changes.length = problems.length = 0;
    api = new KubernetesApi({ tls, token: TOKEN });
    port = await api.listen();
    api.put(pod('shop/web-0', { node: 'a', ips: ['10.0.0.1'] }));
    api.put(pod('shop/web-1', { node: 'b', ips: ['10.0.0.2'] }));
    api.put(service('shop/web', ['10.96.0.1', 'fd96::1']), 'services');
    api.put(slice('shop/web', [{ ip: '10.0.0.1', node: 'a', pod: 'web-0' }]), 'endpointslices');
  });
  afterEach(async () => {
    await source?.close();
    await api.close();
  });

  function make(options: Partial<KubernetesMappingOptions> = {}): KubernetesMappingSource {
    source = new KubernetesMappingSource({
      ...{ kubeconfig: writeKubeconfig(path('kubeconfig'), port), namespace: '', labelSelector: '', fieldSelector: '' },
      ...{ hostNetwork: false, services: true, syncTimeoutMs: 5000, staleAfterMs: 60_000, ...options },
      timing: { firstPauseMs: 2, longestPauseMs: 20, ...options.timing },
    });
    source.on('change', (change) => changes.push(change));
    source.on('problem', (error) => problems.push(error));
    return source;
  }

  it('are there with the first read, and follow their endpoints as these move, end and come', async () => {
    const first = await make().read();
    expect(shown(first)).to.deep.equal({ 'shop/web': '10.96.0.1 fd96::1 -> a' });
    await until(() => api.watchers === 3, 'three watches');
    const steps: [what: () => void, wanted: Record<string, string>][] = [
      [
        () => api.put(slice('shop/web', [{ ip: '10.0.0.2', node: 'b', pod: 'web-1' }]), 'endpointslices'),
        { 'shop/web': '10.96.0.1 fd96::1 -> b' },
      ],
      [() => api.put(pod('shop/web-1', { node: 'c', ips: ['10.0.0.2'] })), { 'shop/web': '10.96.0.1 fd96::1 -> c' }],
      [() => api.remove('shop/web-1', 'endpointslices'), { 'shop/web': '10.96.0.1 fd96::1 -> ' }],
      [() => api.put(service('shop/web', ['10.96.0.2']), 'services'), { 'shop/web': '10.96.0.2 -> ' }],
      [() => api.remove('shop/web', 'services'), {}],
    ];
    for (const [index, [what, wanted]] of steps.entries()) {
      what();
      await until(() => JSON.stringify(shown(latest())) === JSON.stringify(wanted), `step ${index}`);
    }
    const moved = changes[0]!.diff.services.changed.map(({ before, after }) => [before.nodes, after.nodes]);
    expect(moved).to.deep.equal([[['a'], ['b']]]);
    expect(problems).to.be.empty;
  });

  it('go on where they were when a watch breaks, and are listed anew when the version is gone', async () => {
    await make().read();
    await until(() => api.watchers === 3, 'three watches');
    api.dropConnections();
    api.put(slice('shop/web', [{ ip: '10.0.0.2', node: 'b', pod: 'web-1' }]), 'endpointslices');
    api.compact();
    await until(() => shown(latest())['shop/web']?.endsWith('-> b') === true, 'the other endpoint');
  });

  it('are none of those of the host network, and of the namespace that is followed', async () => {
    api.put(pod('shop/host', { node: 'a', ips: ['192.168.0.1'], hostNetwork: true }));
    api.put(service('shop/host', ['10.96.0.9']), 'services');
    api.put(slice('shop/host', [{ ip: '192.168.0.1', node: 'a', pod: 'host' }]), 'endpointslices');
    api.put(service('other/web', ['10.96.0.8']), 'services');
    const mapping = await make({ namespace: 'shop', labelSelector: '' }).read();
    expect(shown(mapping)).to.deep.equal({ 'shop/web': '10.96.0.1 fd96::1 -> a' });
    expect([...mapping.names()]).to.deep.equal(['shop/web-0', 'shop/web-1']);
    const asked = new Set(api.lists().map(({ path: one }) => one));
    expect([...asked]).to.have.members([
      '/api/v1/namespaces/shop/pods',
      '/api/v1/namespaces/shop/services',
      '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices',
    ]);
  });

  it('are asked for without the selectors, which are those of Pods', async () => {
    await make({ labelSelector: 'app=web', fieldSelector: 'status.phase!=Failed' }).read();
    for (const { path: asked, query } of api.lists()) {
      const selects = 'labelSelector' in query && 'fieldSelector' in query;
      expect(selects, asked).to.equal(asked.endsWith('/pods'));
    }
  });

  for (const resource of ['services', 'endpointslices'] as const) {
    it(`say so where ${resource} are forbidden, and what to do`, async () => {
      api.forbidden.add(resource);
      const error = await rejected(KubernetesError, make({ syncTimeoutMs: 200 }).read());
      const kind = { services: 'Services', endpointslices: 'EndpointSlices' }[resource];
      expect(error.message).to.include(`no list of ${kind} within 200 ms: 403`).and.include(`${resource} is forbidden`);
      expect(error.remedy).to.include(`list and watch on ${resource}`).and.include('kubernetes.services = false');
      await source?.close();
      const without = await make({ services: false }).read();
      expect([without.size, without.serviceCount]).to.deep.equal([2, 0]);
    });
  }

  it('say so when they are forbidden later on, and go on with what is known', async () => {
    const from = make({ staleAfterMs: 50 });
    await from.read();
    await until(() => api.watchers === 3, 'three watches');
    api.forbidden.add('endpointslices');
    api.endWatches();
    await until(() => problems.some(({ message }) => message.includes('endpointslices is forbidden')), 'the problem');
    await until(() => from.staleness() !== undefined, 'staleness');
    expect(shown(await from.read())).to.deep.equal({ 'shop/web': '10.96.0.1 fd96::1 -> a' });
  });
});
