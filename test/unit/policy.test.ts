import { expect } from 'chai';
import { PodNodeMapping } from '../../src/mapping/index.js';
import { decide, type Decision } from '../../src/policy/index.js';
import { parseAddress } from '../../src/shared/address.js';

const mapping = PodNodeMapping.parse(
  'a node-a 10.77.0.1 fd77::1\nb node-b 10.77.0.2 fd77::2\ng1 node-c 10.77.9.9\ng2 node-d 10.77.9.9',
);

function judge(local: string, remote: string, policy: 'strict' | 'permissive', role: 'active' | 'passive'): Decision {
  return decide({ local: parseAddress(local), remote: parseAddress(remote), role }, mapping, { policy });
}

describe('policy', () => {
  for (const role of ['active', 'passive'] as const) {
    for (const policy of ['strict', 'permissive'] as const) {
      describe(`${policy}, ${role}`, () => {
        it('secures a peer in the mapping, of either family', () => {
          expect(judge('10.77.0.1', '10.77.0.2', policy, role)).to.deep.include({
            class: 'mesh',
            rule: 'mesh-peer',
            peerNodes: ['node-b'],
          });
          expect(judge('fd77::1', 'fd77::2', policy, role)).to.deep.include({ class: 'mesh', peerNodes: ['node-b'] });
        });

        it('names all nodes that the peer may be', () => {
          const decision = judge('10.77.0.1', '10.77.9.9', policy, role);
          expect(decision.peerNodes).to.deep.equal(['node-c', 'node-d']);
          expect(decision.reason).to.equal('10.77.9.9 is on node-c or node-d');
        });

        it('leaves loopback alone', () => {
          for (const [local, remote] of [
            ['127.0.0.1', '127.0.0.1'],
            ['::1', '::1'],
            ['127.0.0.1', '127.8.8.8'],
            ['10.77.0.1', '127.0.0.1'],
          ] as const) {
            expect(judge(local, remote, policy, role)).to.deep.include({
              class: 'plaintext',
              rule: 'loopback',
              peerNodes: [],
            });
            expect(judge(remote, local, policy, role)).to.deep.include({ class: 'plaintext', rule: 'loopback' });
          }
        });

        it('judges any other peer as the policy says', () => {
          for (const remote of ['10.77.0.3', '192.0.2.1', 'fd77::3', '2001:db8::1']) {
            const decision = judge('10.77.0.1', remote, policy, role);
            expect(decision).to.deep.include({
              class: policy === 'strict' ? 'refused' : 'plaintext',
              rule: 'not-mesh',
              peerNodes: [],
            });
            expect(decision.reason)
              .to.include(`${role === 'active' ? 'to' : 'from'} ${remote}`)
              .and.include(policy);
          }
        });
      });
    }
  }
});
