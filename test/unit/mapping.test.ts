// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import { formatCidr, parseAddress } from '../../src/shared/net/address.js';
import { AddressError, MappingError } from '../../src/shared/errors/errors.js';
import { Random } from './support/random.js';
import { temporaryFolder } from './support/temporary.js';
import { thrown } from './support/thrown.js';

const failure = (text: string | Uint8Array): MappingError =>
  thrown(MappingError, () => PodNodeMapping.parse(text, 'pods.conf'));

const SAMPLE = `# pods
nginx-pod     Node-A   10.77.0.1 fd77::1
shop/front-1  node-b   10.77.0.2 10.78.2.0/24   # behind a range
shop/front-2  node-c   10.78.2.7
gateway-1     node-d   192.0.2.1
gateway-2     node-e   192.0.2.1
gateway-3     node-d   192.0.2.1
redis-pod     node-b
wide          node-f   10.0.0.0/8 fd00::/8
`;

describe('Pod-Node mapping', () => {
  const path = temporaryFolder();
  const mapping = PodNodeMapping.parse(SAMPLE);

  it('keeps the two-column lines of the original valid', () => {
    expect(mapping.nodeOf('redis-pod')).to.equal('node-b');
    expect(mapping.get('redis-pod')).to.deep.equal({ pod: 'redis-pod', node: 'node-b', addresses: [] });
  });

  it('knows the node of a pod, in lower case', () => {
    expect(mapping.nodeOf('nginx-pod')).to.equal('node-a');
    expect(mapping.nodeOf('nobody')).to.equal(undefined);
    expect(mapping.get('nobody')).to.equal(undefined);
  });

  it('finds the pod at an address by the longest prefix', () => {
    expect(mapping.podOf('10.77.0.1')).to.equal('nginx-pod');
    expect(mapping.podOf('fd77::1')).to.equal('nginx-pod');
    expect(mapping.podOf('10.78.2.7')).to.equal('shop/front-2');
    expect(mapping.podOf('10.78.2.8')).to.equal('shop/front-1');
    expect(mapping.podOf('10.1.2.3')).to.equal('wide');
    expect(mapping.podOf('fd77::2')).to.equal('wide');
    expect(mapping.podOf('11.0.0.1')).to.equal(undefined);
    expect(mapping.podOf('::ffff:10.77.0.1')).to.equal('nginx-pod');
    expect(mapping.podOf(parseAddress('10.77.0.2'))).to.equal('shop/front-1');
    thrown(AddressError, () => mapping.podOf('nginx-pod'));
  });

  it('gives all nodes of an address that several pods list', () => {
    expect(mapping.nodesOfAddress('192.0.2.1')).to.deep.equal(['node-d', 'node-e']);
    expect(mapping.nodesOfAddress('10.78.2.7')).to.deep.equal(['node-c']);
    expect(mapping.nodesOfAddress('11.0.0.1')).to.deep.equal([]);
  });

  it('lists pods in the order of the file, and networks for the trie', () => {
    expect([...mapping.pods()].map(({ pod }) => pod)).to.deep.equal([
      'nginx-pod',
      'shop/front-1',
      'shop/front-2',
      'gateway-1',
      'gateway-2',
      'gateway-3',
      'redis-pod',
      'wide',
    ]);
    expect(mapping.size).to.equal(8);
    const entries = [...mapping.entries()];
    expect(mapping.networkCount).to.equal(entries.length);
    const gateway = entries.find((entry) => formatCidr(entry) === '192.0.2.1')!;
    expect(gateway).to.deep.include({
      prefix: 128,
      pods: ['gateway-1', 'gateway-2', 'gateway-3'],
      nodes: ['node-d', 'node-e'],
    });
    expect(entries.map(formatCidr)).to.have.members([
      '10.77.0.1',
      'fd77::1',
      '10.77.0.2',
      '10.78.2.7',
      '192.0.2.1',
      '10.78.2.0/24',
      '10.0.0.0/8',
      'fd00::/8',
    ]);
    expect(entries.every(({ address }) => address.length === 16)).to.equal(true);
  });

  it('reports what is wrong with the number of the line', () => {
    const cases: [string, string, RegExp][] = [
      ['lonely', 'TLSHUB_MAPPING_SYNTAX', /pod lonely has no node/],
      ['pod -node', 'TLSHUB_MAPPING_SYNTAX', /"-node" cannot be the name of a node; allowed: a DNS name/],
      ['pod 10.0.0.1', 'TLSHUB_MAPPING_SYNTAX', /"10\.0\.0\.1" cannot be the name of a node/],
      ['pod node*', 'TLSHUB_MAPPING_SYNTAX', /cannot be the name of a node/],
      ['p{}d node', 'TLSHUB_MAPPING_SYNTAX', /cannot be the name of a pod/],
      ['pod node 10.0.0.300', 'TLSHUB_MAPPING_BAD_ADDRESS', /"10\.0\.0\.300" is neither/],
      ['pod node 10.0.0.1/24', 'TLSHUB_MAPPING_BAD_ADDRESS', /host bits/],
      ['pod node ::/0', 'TLSHUB_MAPPING_BAD_ADDRESS', /would cover all of IPv4/],
      ['pod node 10.0.0.1,10.0.0.2', 'TLSHUB_MAPPING_BAD_ADDRESS', /neither/],
      ['pod node 10.0.0.1 10.0.0.1/32', 'TLSHUB_MAPPING_DUPLICATE', /10\.0\.0\.1 is listed twice/],
      ['first other', 'TLSHUB_MAPPING_DUPLICATE', /pod first is listed twice, before in line 2/],
      ['pod no\0de', 'TLSHUB_MAPPING_SYNTAX', /NUL byte/],
      [`pod node ${'1'.repeat(9000)}`, 'TLSHUB_MAPPING_SYNTAX', /longer than 8192/],
    ];
    for (const [line, code, message] of cases) {
      const error = failure(`# head\nfirst node-1 10.9.9.9\n${line}\nlast node-2`);
      expect(error, line.slice(0, 40)).to.include({ code, line: 3, file: 'pods.conf', exitCode: 78 });
      expect(error.message)
        .to.match(/^pods\.conf:3: /)
        .and.to.match(message);
    }
  });

  it('limits the nodes of one address', () => {
    const lines = Array.from({ length: 1025 }, (_, i) => `p${i} n${i} 10.0.0.1`);
    expect(failure(lines.join('\n'))).to.include({ code: 'TLSHUB_MAPPING_BAD_ADDRESS', line: 1025 });
    expect(PodNodeMapping.parse(lines.slice(1).join('\n')).nodesOfAddress('10.0.0.1')).to.have.length(1024);
  });

  it('loads files, and says why it cannot', () => {
    writeFileSync(path('pods.conf'), SAMPLE);
    expect(PodNodeMapping.load(path('pods.conf')).size).to.equal(8);
    const error = thrown(MappingError, () => PodNodeMapping.load(path('none.conf')));
    expect(error).to.include({ code: 'TLSHUB_MAPPING_UNREADABLE', exitCode: 78, file: path('none.conf') });
    expect(thrown(MappingError, () => PodNodeMapping.load(path())).message).to.include('not a regular file');
  });

  it('ships an example that is valid, and empty', () => {
    expect(PodNodeMapping.load('config/pod_node_mapping.conf').size).to.equal(0);
  });

  it('loads 100,000 pods', () => {
    const lines = Array.from({ length: 100_000 }, (_, i) => {
      const low = `${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
      return `pod-${i} node-${i % 500} 10.${low} fd00::${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}${i % 100 === 0 ? ` 172.16.${(i / 100) % 256}.0/24` : ''}`;
    });
    const large = PodNodeMapping.parse(Buffer.from(lines.join('\n'))); // how long it takes: npm run bench -- mapping
    expect(large.size).to.equal(100_000);
    expect(large.podOf('10.1.134.159')).to.equal('pod-99999');
    expect(large.nodesOfAddress('fd00::1:869f')).to.deep.equal(['node-499']);
  }).timeout(20_000);

  it('matches as a search through all networks does', () => {
    const random = new Random(3);
    const bits = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const octet = (): number => random.below(4);
    const lines = Array.from({ length: 200 }, (_, i) => {
      const prefix = random.pick([8, 16, 24, 30, 32]);
      const whole = [10, octet(), octet(), prefix === 30 ? random.below(4) * 4 : random.below(16)];
      const kept = whole.map((part, at) => (at * 8 < prefix ? part : 0));
      return `p${i} n${i} ${kept.join('.')}/${prefix}`;
    });
    const some = PodNodeMapping.parse(lines.join('\n'));
    const entries = [...some.entries()];
    for (let i = 0; i < 500; i++) {
      const address = parseAddress(`10.${octet()}.${octet()}.${random.below(16)}`);
      const best = entries
        .filter((entry) => bits(entry.address).slice(0, entry.prefix) === bits(address).slice(0, entry.prefix))
        .sort((a, b) => b.prefix - a.prefix)[0];
      expect(some.nodesOfAddress(address)).to.deep.equal(best?.nodes ?? []);
    }
  });

  describe('with services', () => {
    const WITH = `web-0  node-b  10.78.0.1
web-1  node-c  10.78.0.2
web    10.96.0.10 fd96::10 198.51.100.0/28 -> web-0 web-1
web-0  10.96.0.11 -> @Node-d web-1   # a service may have a pod's name
shared 10.96.0.10 -> @node-e
empty  10.96.0.12 ->
wide   node-f  10.96.0.0/16
`;
    const some = PodNodeMapping.parse(WITH);

    it('gives all nodes behind an address, of several services that share it too', () => {
      expect(some.nodesOfAddress('fd96::10')).to.deep.equal(['node-b', 'node-c']);
      expect(some.nodesOfAddress('198.51.100.7')).to.deep.equal(['node-b', 'node-c']);
      expect(some.nodesOfAddress('10.96.0.10')).to.deep.equal(['node-b', 'node-c', 'node-e']);
      expect(some.nodesOfAddress('10.96.0.11')).to.deep.equal(['node-c', 'node-d']);
      expect(some.nodesOfAddress('10.96.0.13')).to.deep.equal(['node-f']);
      expect([some.serviceOf('10.96.0.10'), some.serviceOf('10.96.0.13')]).to.deep.equal(['web', undefined]);
      expect(some.podOf('10.96.0.10')).to.equal(undefined);
      expect(some.nodeOf('web-0'), 'the pod').to.equal('node-b');
      expect(some.service('web-0')).to.deep.equal({
        ...{ service: 'web-0', addresses: ['10.96.0.11'], nodes: ['node-c', 'node-d'] },
      });
      expect([some.size, some.serviceCount]).to.deep.equal([3, 4]);
      const addresses = [...some.entries()].filter(({ services }) => services.length > 0);
      expect(some.serviceFigures).to.deep.equal({
        ...{ services: 4, serviceAddresses: addresses.length, servicesWithoutEndpoint: 1 },
      });
      expect([...some.nodes]).to.have.members(['node-b', 'node-c', 'node-d', 'node-e', 'node-f']);
    });

    it('knows one without an endpoint, and does not take the pod of a wider network for it', () => {
      expect(some.nodesOfAddress('10.96.0.12')).to.deep.equal([]);
      expect(some.serviceOf('10.96.0.12')).to.equal('empty');
      const entry = [...some.entries()].find((one) => formatCidr(one) === '10.96.0.12');
      expect(entry).to.deep.include({ pods: [], services: ['empty'], nodes: [] });
    });

    it('reads files of before as before, whatever their pods are called', () => {
      const old = PodNodeMapping.parse('service b 10.77.0.200\nsvc/web a 10.0.0.1\n');
      expect(old.nodeOf('service')).to.equal('b');
      expect([old.size, old.serviceCount]).to.deep.equal([2, 0]);
    });

    it('says what is wrong with a line', () => {
      const wrong: [line: string, code: string, words: RegExp][] = [
        ['web -> web-0', 'SYNTAX', /service web has no address/],
        ['-> web-0', 'SYNTAX', /"->" cannot be the name of a service/],
        ['web 10.96.0.1 -> later', 'SYNTAX', /pod later behind service web is in no line above; a node is written @/],
        ['web 10.96.0.1 -> @*.b', 'SYNTAX', /"\*\.b" cannot be the name of a node/],
        ['web 10.96.0.1 -> a -> b', 'SYNTAX', /"->" behind service web is no pod and no @node/],
        ['web node-b 10.96.0.1 -> web-0', 'BAD_ADDRESS', /node-b/],
        ['web 10.96.0.1 -> web-0 web-0', 'DUPLICATE', /web-0 is listed twice/],
        ['web 10.96.0.1 -> @B @b', 'DUPLICATE', /b is listed twice/],
        ['web 10.96.0.1 10.96.0.1 -> web-0', 'DUPLICATE', /10\.96\.0\.1 is listed twice/],
        ['web 10.96.0.1 ->\nweb 10.96.0.2 ->', 'DUPLICATE', /service web is listed twice, before in line 2/],
        ['web 10.0.0.1 -> web-0', 'DUPLICATE', /10\.0\.0\.1 is listed for pod web-0 and for service web, .* line 1/],
        ['web 10.0.0.2 ->\nx a 10.0.0.2', 'DUPLICATE', /10\.0\.0\.2 is listed for pod x and for service web/],
      ];
      for (const [line, code, words] of wrong) {
        const error = failure(`web-0 a 10.0.0.1\n${line}\nlater a\n`);
        expect(error.code, line).to.equal(`TLSHUB_MAPPING_${code}`);
        expect(error.message, line).to.match(words);
        expect(error.line, line).to.equal(1 + line.split('\n').length);
      }
    });
  });
});
