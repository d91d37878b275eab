// SPDX-License-Identifier: Apache-2.0
/** Pod-Node mappings as nobody should write them. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import { formatCidr } from '../../src/shared/net/address.js';
import { MappingError } from '../../src/shared/errors/errors.js';
import { firstLines, fuzz, fuzzedText } from './support/fuzz.js';
import type { Random } from './support/random.js';
import { thrown } from './support/thrown.js';

const FILE = 'pods.conf';

const EXAMPLES = [
  readFileSync('config/pod_node_mapping.conf', 'utf8').replaceAll(/^# {3}(?=\S+ {3,})/gm, ''),
  // As the original program has them.
  'nginx-pod node-a\nredis-pod node-b\ncurl-pod node-a\n',
  `# two families, ranges, an address of several pods
nginx-pod     Node-A   10.77.0.1 fd77::1
shop/front-1  node-b   10.77.0.2 10.78.2.0/24   # behind a range
shop/front-2  node-c   10.78.2.7
gateway-1     node-d   192.0.2.1
gateway-2     node-e   192.0.2.1
wide          node-f   10.0.0.0/8 fd00::/8
all           node-g   0.0.0.0/0 2000::/3
`,
  `web-0 node-a 10.77.0.1
web-1 node-b 10.77.0.2
web   10.96.0.10 fd96::10 -> web-0 web-1 @node-c
db    10.96.0.11 -> web-1
none  10.96.0.12 ->
`,
];

const WORDS = [
  ...['pod', 'shop/front-1', 'nginx-pod', 'p'.repeat(600)],
  ...['node-a', 'NODE', 'a.b.c', '-node', 'node_1', '..', 'n'.repeat(64)],
  ...['10.0.0.1', '10.0.0.0/8', '10.0.0.1/8', '10.0.0.1/32', '10.77.0.1', '0.0.0.0/0'],
  ...['1.2.3', '1.2.3.4.5', '256.0.0.1', '010.0.0.1', '/', '/33', '/129', '/-1', '/ 8', '10.0.0.0/08'],
  ...[
    '::1',
    'fd77::1',
    'fd00::/8',
    '::/0',
    '::ffff:10.0.0.1',
    '::ffff:0:0/96',
    '::/95',
    'fe80::1%eth0',
    ':::',
    '[::1]',
  ],
  ...['->', '->', '@node-a', '@', '@@x'],
  ...['1:2:3:4:5:6:7:8:9', ',', '#', ' # ', '=', '*', '__proto__', 'constructor', '\u{1f512}', '\u00a0'],
  ...[' ', ' ', '  ', '\t', '\n', '\n', '\r\n', '\r', '\0', '\u0007', '\ufeff', '\u2028', '1'.repeat(9000)],
];

function network(random: Random): string {
  const small = (): number => random.below(random.pick([2, 4, 256, 300]));
  return random.below(2) === 0
    ? `10.${small()}.${small()}.${small()}${random.below(3) === 0 ? `/${random.below(34)}` : ''}`
    : `fd00:${small().toString(16)}::${small().toString(16)}${random.below(3) === 0 ? `/${random.below(130)}` : ''}`;
}

function generated(random: Random): Buffer {
  const lines = Array.from({ length: 1 + random.below(8) }, (_, i) => {
    const addresses = Array.from({ length: random.below(3) }, () => network(random));
    const words = [`p${random.below(20) === 0 ? 0 : i}`, `node-${random.below(4)}`, ...addresses];
    if (random.below(12) === 0) words[random.below(words.length)] = random.pick(WORDS);
    return words.join(' ');
  });
  return Buffer.from(lines.join('\n'));
}

function input(random: Random): Buffer {
  return fuzzedText(random, { examples: EXAMPLES, words: WORDS, babbled: 40, generated });
}

/** The mapping answers for what it lists, and says the same when it is written down and read again. */
function checkMapping(mapping: PodNodeMapping): void {
  const pods = [...mapping.pods()];
  expect(pods).to.have.length(mapping.size);
  for (const { pod, node } of pods) expect(mapping.nodeOf(pod)).to.equal(node);
  let networks = 0;
  for (const { address, prefix, nodes, pods: sharing, services } of mapping.entries()) {
    networks++;
    expect(mapping.nodesOfNetwork({ address, prefix })).to.deep.equal(nodes);
    if (services.length > 0) {
      expect(sharing).to.be.empty;
      expect(new Set(services.flatMap((name) => mapping.service(name)!.nodes))).to.deep.equal(new Set(nodes));
      continue;
    }
    expect(nodes).to.not.be.empty;
    expect(new Set(sharing.map((pod) => mapping.nodeOf(pod)))).to.deep.equal(new Set(nodes));
    // A longer prefix may have the first address of this one.
    const within = mapping.nodesOfAddress(address).length > 0 || mapping.serviceOf(address) !== undefined;
    expect(within, formatCidr({ address, prefix })).to.equal(true);
    if (prefix === 128) expect(mapping.nodesOfAddress(address)).to.deep.equal(nodes);
  }
  expect(networks).to.equal(mapping.networkCount);
  const written = pods.map(({ pod, node, addresses }) => [pod, node, ...addresses].join(' ')).join('\n');
  const services = [...mapping.serviceNames()].map((name) => mapping.service(name)!);
  const withServices = services.map(({ service, addresses, nodes }) =>
    [service, ...addresses, '->', ...nodes.map((node) => `@${node}`)].join(' '),
  );
  const again = PodNodeMapping.parse([written, ...withServices].join('\n'));
  expect([...again.pods()]).to.deep.equal(pods);
  expect([...again.serviceNames()].map((name) => again.service(name))).to.deep.equal(services);
}

/** An error is true: with the line that it names the file is wrong, up to there it is not. */
function checkError({ code, file, line, message }: MappingError, contents: Buffer): void {
  expect(code).to.match(/^TLSHUB_MAPPING_/);
  expect(file).to.equal(FILE);
  expect(line, message).to.be.a('number').within(1, contents.toString().split('\n').length);
  expect(message.startsWith(`${FILE}:${line}: `)).to.equal(true);
  // eslint-disable-next-line no-control-regex
  expect(message, 'would garble a terminal').to.not.match(/[\x00-\x08\x0a-\x1f\x7f]/);
  const upTo = thrown(MappingError, () => PodNodeMapping.parse(firstLines(contents, line!), FILE));
  expect([upTo.code, upTo.message]).to.deep.equal([code, message]);
  PodNodeMapping.parse(firstLines(contents, line! - 1), FILE);
}

describe('fuzzed Pod-Node mapping', function () {
  this.timeout(120_000);

  it('is taken whole, or refused with the line of what is wrong (10,000 files)', async () => {
    const seen: Record<string, number> = { taken: 0 };
    const all = await fuzz({ seed: 20_263, cases: 10_000 }, (random) => {
      const contents = input(random);
      let mapping: PodNodeMapping;
      try {
        mapping = PodNodeMapping.parse(contents, FILE);
      } catch (error) {
        if (!(error instanceof MappingError)) throw error;
        seen[error.code] = (seen[error.code] ?? 0) + 1;
        checkError(error, contents);
        return;
      }
      seen['taken']!++;
      checkMapping(mapping);
    });
    if (!all) return;
    for (const [kind, count] of Object.entries(seen)) expect(count, kind).to.be.greaterThan(100);
    expect(Object.keys(seen).sort()).to.deep.equal([
      'TLSHUB_MAPPING_BAD_ADDRESS',
      'TLSHUB_MAPPING_DUPLICATE',
      'TLSHUB_MAPPING_SYNTAX',
      'taken',
    ]);
  });
});
