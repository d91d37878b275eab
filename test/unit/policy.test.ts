// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import { policyOf, decide, type Decision, type PolicyKeys } from '../../src/policy/decide.js';
import { meshForGate } from '../../src/policy/for-gate.js';
import { RuleTable, parseRule } from '../../src/policy/rules.js';
import { formatAddress, parseAddress } from '../../src/shared/net/address.js';
import { flow, world } from './support/policies.js';
import { Random } from './support/random.js';

const mapping = PodNodeMapping.parse(
  'a node-a 10.77.0.1 fd77::1\na2 node-a 10.77.0.11\nb node-b 10.77.0.2 fd77::2\ng1 node-c 10.77.9.9\ng2 node-d 10.77.9.9\n' +
    's1 node-a 10.77.9.1\ns2 node-b 10.77.9.1',
);

type Role = 'active' | 'passive';
type Keys = Partial<Omit<PolicyKeys, 'nodeName'>>;

/** `a:1 > b:2`: a connects to b. Judged at the active or the passive end. */
function judge(connection: string, role: Role, keys: Keys = {}, known = mapping): Decision {
  const [client, server] = connection.split(' > ').map((end) => {
    const colon = end.lastIndexOf(':');
    return { address: parseAddress(end.slice(0, colon)), port: Number(end.slice(colon + 1)) };
  });
  const [own, peer] = role === 'active' ? [client!, server!] : [server!, client!];
  const flowOf = { local: own.address, remote: peer.address, lport: own.port, rport: peer.port, role };
  const policy = policyOf({
    policy: 'strict',
    policySameNode: 'secure',
    nodeName: 'node-a',
    policyExclude: [],
    policyRequire: [],
    ...keys,
  });
  return decide(flowOf, known, policy);
}

describe('policy', () => {
  for (const role of ['active', 'passive'] as const) {
    for (const policy of ['strict', 'permissive'] as const) {
      describe(`${policy}, ${role}`, () => {
        /** own address, then the peer's */
        const between = (own: string, peer: string, keys: Keys = {}): Decision =>
          judge(role === 'active' ? `${own}:4000 > ${peer}:80` : `${peer}:4000 > ${own}:80`, role, { policy, ...keys });

        it('secures a peer in the mapping, of either family', () => {
          expect(between('10.77.0.1', '10.77.0.2')).to.deep.include({
            class: 'mesh',
            rule: 'mesh-peer',
            peerNodes: ['node-b'],
          });
          expect(between('fd77::1', 'fd77::2')).to.deep.include({ class: 'mesh', peerNodes: ['node-b'] });
        });

        it('names all nodes that the peer may be', () => {
          const decision = between('10.77.0.1', '10.77.9.9');
          expect(decision.peerNodes).to.deep.equal(['node-c', 'node-d']);
          expect(decision.reason).to.equal('10.77.9.9 is on node-c or node-d');
        });

        it('leaves loopback alone, whatever is required', () => {
          for (const [one, other] of [
            ['127.0.0.1', '127.0.0.1'],
            ['::1', '::1'],
            ['127.0.0.1', '127.8.8.8'],
            ['10.77.0.1', '127.0.0.1'],
          ] as const) {
            for (const keys of [{}, { policyRequire: [':80'] }]) {
              expect(between(one, other, keys)).to.deep.include({
                class: 'plaintext',
                rule: 'loopback',
                peerNodes: [],
              });
              expect(between(other, one, keys)).to.deep.include({ class: 'plaintext', rule: 'loopback' });
            }
          }
        });

        it('judges any other peer as the policy says', () => {
          for (const peer of ['10.77.0.3', '192.0.2.1', 'fd77::3', '2001:db8::1']) {
            const decision = between('10.77.0.1', peer);
            expect(decision).to.deep.include({
              class: policy === 'strict' ? 'refused' : 'plaintext',
              rule: 'not-mesh',
              peerNodes: [],
            });
            expect(decision.reason)
              .to.include(`${role === 'active' ? 'to' : 'from'} ${peer}`)
              .and.include(policy);
          }
        });

        it('excludes by the network of either end and by the port of the server', () => {
          const [server, client] = role === 'active' ? ['10.77.0.2', '10.77.0.1'] : ['10.77.0.1', '10.77.0.2'];
          for (const rule of ['10.77.0.2', '10.77.0.0/24', ':80', '10.77.0.1', `${server}:80`, '10.77.0.0/24:80']) {
            const decision = between('10.77.0.1', '10.77.0.2', { policyExclude: [rule] });
            expect(decision, rule).to.deep.include({ class: 'plaintext', rule: 'exclude', peerNodes: [] });
            expect(decision.reason).to.include(`excluded by policy_exclude ${rule}`);
          }
          for (const rule of [
            '10.77.0.3',
            ':4000',
            `${client}:80`,
            `${client}:4000`,
            `${server}:81`,
            '[fd00::/8]:80',
            'fd77::2',
          ]) {
            expect(between('10.77.0.1', '10.77.0.2', { policyExclude: [rule] }).class, rule).to.equal('mesh');
          }
          expect(between('fd77::1', 'fd77::2', { policyExclude: ['[fd77::/64]:80'] }).class).to.equal('plaintext');
          expect(between('fd77::1', 'fd77::2', { policyExclude: [':80'] }).class).to.equal('plaintext');
          // `0.0.0.0/0` is all of IPv4 and nothing else.
          expect(between('10.77.0.1', '10.77.0.2', { policyExclude: ['0.0.0.0/0'] }).class).to.equal('plaintext');
          expect(between('fd77::1', 'fd77::2', { policyExclude: ['0.0.0.0/0'] }).class).to.equal('mesh');
        });

        it('requires under either policy, and refuses who is not in the mapping', () => {
          expect(between('10.77.0.1', '10.77.0.2', { policyRequire: ['10.77.0.0/24'] })).to.deep.include({
            class: 'mesh',
            rule: 'require',
            peerNodes: ['node-b'],
          });
          const decision = between('10.77.0.1', '10.77.0.3', { policyRequire: ['10.77.0.3'] });
          expect(decision.class).to.equal('refused');
          if (policy === 'permissive') expect(decision.reason).to.include('policy_require 10.77.0.3,');
        });

        it('goes by the longest prefix, then by the port, then by what is required', () => {
          const outcome = (policyExclude: string[], policyRequire: string[]): string =>
            between('10.77.0.1', '10.77.0.2', { policyExclude, policyRequire }).rule;
          expect(outcome(['10.77.0.0/16'], ['10.77.0.0/24'])).to.equal('require');
          expect(outcome(['10.77.0.0/24'], ['10.77.0.0/16'])).to.equal('exclude');
          expect(outcome(['10.77.0.0/16:80'], ['10.77.0.0/24'])).to.equal('require');
          expect(outcome(['10.77.0.0/24:80'], ['10.77.0.0/24'])).to.equal('exclude');
          expect(outcome(['10.77.0.0/24'], ['10.77.0.0/24:80'])).to.equal('require');
          expect(outcome([':80'], ['10.0.0.0/8'])).to.equal('require');
          // One of each end, equally long.
          expect(outcome(['10.77.0.1'], ['10.77.0.2'])).to.equal('require');
          expect(outcome(['10.77.0.2'], ['10.77.0.1'])).to.equal('require');
        });

        it('leaves connections inside this node in plaintext if told so', () => {
          const keys = { policySameNode: 'plaintext' } as const;
          expect(between('10.77.0.1', '10.77.0.11')).to.include({ class: 'mesh' });
          expect(between('10.77.0.1', '10.77.0.11', keys)).to.include({ class: 'plaintext', rule: 'same-node' });
          expect(between('10.77.0.1', '10.77.0.2', keys)).to.include({ class: 'mesh' });
          // Its own address is not in the mapping; the peer's address is another node's as well.
          expect(between('10.77.0.99', '10.77.0.11', keys)).to.include({ class: 'mesh' });
          expect(between('10.77.0.1', '10.77.9.1', keys)).to.include({ class: 'mesh' });
          expect(between('10.77.0.1', '10.77.0.11', { ...keys, policyRequire: [':80'] })).to.include({
            rule: 'require',
          });
        });
      });
    }
  }

  describe('to a service', () => {
    const SERVICES = 'web-0 node-b 10.78.0.1\nweb-1 node-c 10.78.0.2\nhere node-a 10.77.0.1\n';
    const to = (backends: string, keys: Keys = {}): Decision => {
      const made = PodNodeMapping.parse(`${SERVICES}web 10.96.0.1 -> ${backends}`);
      return judge('10.77.0.1:4000 > 10.96.0.1:80', 'active', keys, made);
    };

    for (const policy of ['strict', 'permissive'] as const) {
      it(`any node behind it may answer, and no other (${policy})`, () => {
        const decision = to('web-0 @node-d', { policy });
        expect(decision).to.deep.equal({
          ...{ class: 'mesh', rule: 'mesh-peer', peerNodes: ['node-b', 'node-d'], service: 'web' },
          reason: '10.96.0.1 is service web, on node-b or node-d',
        });
        expect(decision.peerNodes).to.not.include('node-c');
      });

      it(`other nodes may when its endpoints have moved, and the one before may not (${policy})`, () => {
        expect(to('web-0', { policy }).peerNodes).to.deep.equal(['node-b']);
        expect(to('web-1', { policy }).peerNodes).to.deep.equal(['node-c']);
      });

      it(`without an endpoint it is refused, required or not (${policy})`, () => {
        const reason = '10.96.0.1 is service web, which has no endpoint in the mapping';
        for (const keys of [{ policy }, { policy, policyRequire: [':80'] }]) {
          expect(to('', keys)).to.deep.equal({
            ...{ class: 'refused', rule: 'no-endpoint', reason, peerNodes: [], service: 'web' },
          });
        }
        expect(to('', { policy, policyExclude: ['10.96.0.1'] })).to.include({ class: 'plaintext', rule: 'exclude' });
      });
    }

    it('is secured under policy_same_node = plaintext, since it may be translated to elsewhere before we know', () => {
      const decision = to('here', { policySameNode: 'plaintext' });
      expect(decision).to.deep.include({ class: 'mesh', peerNodes: ['node-a'] });
      for (const backends of ['here', '']) {
        const made = PodNodeMapping.parse(`${SERVICES}web 10.96.0.1 -> ${backends}`);
        const local = meshForGate(made.entries(), 'node-a').filter((entry) => entry.local);
        expect(local.map(({ addr }) => formatAddress(addr))).to.deep.equal(['10.77.0.1']);
      }
    });

    it('is required by a rule with the words for it', () => {
      expect(to('web-0', { policyRequire: [':80'] })).to.include({
        ...{ class: 'mesh', rule: 'require' },
        reason: '10.96.0.1 is service web, on node-b, required by policy_require :80',
      });
    });
  });

  it('lets a rule on the own address open what comes in, not what goes out to a stranger', () => {
    const keys = { policyExclude: ['10.77.0.1'] };
    expect(judge('192.0.2.1:4000 > 10.77.0.1:9100', 'passive', keys)).to.include({
      class: 'plaintext',
      rule: 'exclude',
    });
    expect(judge('10.77.0.1:4000 > 192.0.2.1:9100', 'active', keys)).to.include({ class: 'refused', rule: 'not-mesh' });
    expect(judge('10.77.0.1:4000 > 10.77.0.2:9100', 'active', keys)).to.include({
      class: 'plaintext',
      rule: 'exclude',
    });
  });

  it('decides alike at both ends of a connection between pods (3,000 random ones)', () => {
    const random = new Random(7);
    let compared = 0;
    for (let i = 0; compared < 3000; i++) {
      expect(i).to.be.lessThan(100_000);
      const drawn = world(random);
      const { local, remote, lport, rport } = flow(random);
      const known = (address: Uint8Array): boolean => drawn.mapping.nodesOfAddress(address).length > 0;
      if (!known(local) || !known(remote)) continue;
      compared++;
      const client = decide({ local, remote, lport, rport, role: 'active' }, drawn.mapping, drawn.policy);
      const other = { local: remote, remote: local, lport: rport, rport: lport, role: 'passive' } as const;
      const server = decide(other, drawn.mapping, drawn.policy);
      expect(client.class, JSON.stringify({ client, server })).to.equal(server.class);
    }
  });
});

describe('rules of the policy', () => {
  it('are read in every form, and written one way', () => {
    const canonical: Record<string, string> = {
      '10.0.0.1': '10.0.0.1',
      '10.0.0.0/8': '10.0.0.0/8',
      '10.0.0.0/8:9100': '10.0.0.0/8:9100',
      '10.0.0.1:53': '10.0.0.1:53',
      ':53': ':53',
      'FD00::/8': 'fd00::/8',
      'fd00::1': 'fd00::1',
      '[fd00::1]': 'fd00::1',
      '[fd00:0::/8]:443': '[fd00::/8]:443',
      '::1': '::1',
      '::ffff:10.0.0.0/104': '10.0.0.0/8',
      '[::ffff:10.0.0.0/104]:80': '10.0.0.0/8:80',
      '0.0.0.0/0': '0.0.0.0/0',
      '0.0.0.0/0:80': '0.0.0.0/0:80',
    };
    for (const [text, expected] of Object.entries(canonical)) {
      const { text: written, rank } = parseRule('exclude', text);
      expect(written).to.equal(expected);
      expect(rank).to.be.greaterThan(0);
      expect(parseRule('exclude', written)).to.deep.equal(parseRule('exclude', text));
    }
  });

  it('say what is wrong with them', () => {
    for (const text of [
      '53',
      ':0',
      ':65536',
      ':',
      ':053',
      ':http',
      '10.0.0.1:',
      '10.0.0.1/8',
      '10.0.0.0/33',
      '[fd00::/8',
      '[fd00::/8]443',
      '[]:443',
      'fd00::/129',
      'example.org',
      'example.org:80',
      '::/0',
      '[::/0]:53',
      '0000::/80',
      '10.0.0.1:80:80',
    ]) {
      expect(() => parseRule('require', text), text).to.throw(Error, /./);
    }
  });

  it('are found by the most specific one (random tables against a search of all)', () => {
    const random = new Random(11);
    for (let i = 0; i < 300; i++) {
      const { policy } = world(random);
      const { local, remote, rport } = flow(random);
      const matching = [...policy.rules].filter(({ network, port }) => {
        if (port !== 0 && port !== rport) return false;
        return (port === 0 ? [local, remote] : [remote]).some((address) => {
          for (let bit = 0; bit < network.prefix; bit++) {
            const mask = 0x80 >> (bit & 7);
            if (((address[bit >> 3]! ^ network.address[bit >> 3]!) & mask) !== 0) return false;
          }
          return true;
        });
      });
      const highest = matching.reduce((rank, rule) => Math.max(rank, rule.rank), 0);
      expect(policy.rules.best([local, remote], remote, rport)?.rank ?? 0).to.equal(highest);
    }
    expect(RuleTable.parse([], []).best([parseAddress('::1')], parseAddress('::1'), 1)).to.equal(undefined);
  });
});
