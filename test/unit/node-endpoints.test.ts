// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { diffEndpoints, endpointLines } from '../../src/mapping/endpoints-diff.js';
import { CHANNEL_PORT, NodeEndpoints, formatEndpoint } from '../../src/mapping/node-endpoints.js';
import { AddressError, EndpointsError } from '../../src/shared/errors/errors.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { Random } from './support/random.js';
import { temporaryFolder } from './support/temporary.js';
import { thrown } from './support/thrown.js';

const failure = (text: string | Uint8Array): EndpointsError =>
  thrown(EndpointsError, () => NodeEndpoints.parse(text, 'nodes.conf'));

const SAMPLE = `# nodes
Node-A  10.0.0.1
node-b  10.0.0.2:9470      # another port
node-c  FD00:0::3
node-d  [fd00::4]:9470
node-e  [fd00::5]
node-f  10.0.0.2:9471
node-g  ::ffff:10.0.0.7
`;

describe('endpoints of nodes', () => {
  const path = temporaryFolder();
  const endpoints = NodeEndpoints.parse(SAMPLE);
  const places = (of: NodeEndpoints): Record<string, string> =>
    Object.fromEntries([...of.nodes()].map((node) => [node, formatEndpoint(of.of(node)!)]));

  it('have an address each, and the port of channels where none is given', () => {
    expect(CHANNEL_PORT).to.equal(9466);
    expect(places(endpoints)).to.deep.equal({
      'node-a': '10.0.0.1:9466',
      'node-b': '10.0.0.2:9470',
      'node-c': '[fd00::3]:9466',
      'node-d': '[fd00::4]:9470',
      'node-e': '[fd00::5]:9466',
      'node-f': '10.0.0.2:9471',
      'node-g': '10.0.0.7:9466',
    });
    expect(endpoints.size).to.equal(7);
    expect(endpoints.of('node-a')).to.deep.equal({ address: '10.0.0.1', port: 9466 });
    expect(endpoints.of('nobody')).to.equal(undefined);
  });

  it('are found by address, whatever the port and however it is written', () => {
    expect(endpoints.nodesAt('10.0.0.2')).to.deep.equal(['node-b', 'node-f']);
    expect(endpoints.nodesAt('fd00:0:0::3')).to.deep.equal(['node-c']);
    expect(endpoints.nodesAt('::ffff:10.0.0.1')).to.deep.equal(['node-a']);
    expect(endpoints.nodesAt(parseAddress('10.0.0.7'))).to.deep.equal(['node-g']);
    expect(endpoints.nodesAt('10.0.0.3')).to.deep.equal([]);
    thrown(AddressError, () => endpoints.nodesAt('node-a'));
  });

  it('may be none', () => {
    for (const none of [NodeEndpoints.none, NodeEndpoints.parse(''), NodeEndpoints.parse('# nothing\n\n')]) {
      expect(none.size).to.equal(0);
      expect(none.nodesAt('10.0.0.1')).to.deep.equal([]);
    }
  });

  it('come from a file, and say which one cannot be read', () => {
    writeFileSync(path('nodes.conf'), SAMPLE);
    expect(places(NodeEndpoints.load(path('nodes.conf')))).to.deep.equal(places(endpoints));
    mkdirSync(path('folder'));
    for (const name of ['missing.conf', 'folder']) {
      const error = thrown(EndpointsError, () => NodeEndpoints.load(path(name)));
      expect(error).to.include({ code: 'TLSHUB_ENDPOINTS_UNREADABLE', exitCode: 78, file: path(name) });
    }
  });

  for (const [what, line, code, says] of [
    ['a node alone', 'node-a', 'SYNTAX', 'node node-a has no address'],
    ['two addresses', 'node-a 10.0.0.1 10.0.0.2', 'SYNTAX', 'more than one address'],
    ['no name of a node', 'node_a*  10.0.0.1', 'SYNTAX', '"node_a*" cannot be the name of a node'],
    ['an address in the place of the name', '10.0.0.1 10.0.0.2', 'SYNTAX', '"10.0.0.1" cannot be the name'],
    ['a NUL', 'node-a 10.0.0.1\0', 'SYNTAX', 'NUL'],
    ['a name in place of the address', 'node-a node-a.example', 'BAD_ADDRESS', '"node-a.example" is no ADDRESS'],
    ['a network', 'node-a 10.0.0.0/24', 'BAD_ADDRESS', 'is no ADDRESS'],
    ['port 0', 'node-a 10.0.0.1:0', 'BAD_ADDRESS', 'is no ADDRESS'],
    ['port 65536', 'node-a 10.0.0.1:65536', 'BAD_ADDRESS', 'is no ADDRESS'],
    ['no port behind the colon', 'node-a 10.0.0.1:', 'BAD_ADDRESS', 'is no ADDRESS'],
    ['an IPv4 address in brackets', 'node-a [10.0.0.1]', 'BAD_ADDRESS', 'is no ADDRESS'],
    ['brackets around a port', 'node-a [fd00::1:9466', 'BAD_ADDRESS', 'is no ADDRESS'],
    ['a zone', 'node-a fe80::1%eth0', 'BAD_ADDRESS', 'is no ADDRESS'],
    ['all addresses', 'node-a 0.0.0.0:9466', 'BAD_ADDRESS', '0.0.0.0 is not the address of one host'],
    ['all of IPv6', 'node-a ::', 'BAD_ADDRESS', ':: is not the address of one host'],
    ['a group', 'node-a 224.0.0.1', 'BAD_ADDRESS', '224.0.0.1 is not the address of one host'],
    ['a group of IPv6', 'node-a ff02::1', 'BAD_ADDRESS', 'ff02::1 is not the address of one host'],
    ['broadcast', 'node-a 255.255.255.255', 'BAD_ADDRESS', 'is not the address of one host'],
    ['a node twice', 'node-b 10.0.0.9\nNODE-B 10.0.0.8', 'DUPLICATE', 'node node-b is listed twice, before in line 2'],
    ['two nodes at one place', 'a 10.0.0.9\nb 10.0.0.9:9466', 'DUPLICATE', "10.0.0.9:9466 is node a's already"],
  ] as const) {
    it(`refuse ${what}, with file and line`, () => {
      const error = failure(`# first\n${line}`);
      expect(error).to.include({ code: `TLSHUB_ENDPOINTS_${code}`, exitCode: 78, file: 'nodes.conf' });
      expect(error.line).to.equal(line.includes('\n') ? 3 : 2);
      expect(error.message).to.include(says);
    });
  }

  it('whatever is in the file: a list, or an error of their own', () => {
    const random = new Random(14);
    const bytes = Buffer.from(SAMPLE);
    let refused = 0;
    for (let run = 0; run < 2000; run++) {
      const text = Buffer.from(bytes);
      for (let i = 0; i <= random.below(4); i++) text[random.below(text.length)] = random.below(256);
      try {
        expect(NodeEndpoints.parse(text).size).to.be.at.most(14);
      } catch (error) {
        expect(error).to.be.instanceOf(EndpointsError);
        refused++;
      }
    }
    expect(refused).to.be.within(200, 1999);
  });

  it('differ by node: new, moved, gone', () => {
    const after = NodeEndpoints.parse('node-z 10.0.0.26\nnode-b 10.0.0.2\nnode-a 10.0.0.1:9466\nnode-c fd00::33\n');
    const changes = diffEndpoints(endpoints, after);
    expect(changes.map(({ node }) => node)).to.deep.equal([
      'node-z',
      'node-b',
      'node-c',
      'node-d',
      'node-e',
      'node-f',
      'node-g',
    ]);
    expect(endpointLines(changes).slice(0, 4)).to.deep.equal([
      'endpoints: node node-z is new, at 10.0.0.26:9466',
      'endpoints: node node-b is now at 10.0.0.2:9466, before at 10.0.0.2:9470',
      'endpoints: node node-c is now at [fd00::33]:9466, before at [fd00::3]:9466',
      'endpoints: node node-d is gone: it is reached in-band',
    ]);
    expect(diffEndpoints(endpoints, NodeEndpoints.parse(SAMPLE))).to.deep.equal([]);
    expect(diffEndpoints(NodeEndpoints.none, endpoints)).to.have.length(7);
  });

  it('say of fifty nodes what has changed, and count the rest', () => {
    const many = Array.from({ length: 80 }, (_, i) => `node-${i} 10.0.1.${i + 1}`).join('\n');
    const lines = endpointLines(diffEndpoints(NodeEndpoints.none, NodeEndpoints.parse(many)));
    expect(lines).to.have.length(51);
    expect(lines.at(-1)).to.equal('endpoints: and 30 more nodes');
  });
});
