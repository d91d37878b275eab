// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { FlowClass, Intent } from '../../src/shared/kernel/abi.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { createFlow, reportOf, type Flow } from '../../src/supervisor/flow/table.js';
import { whyRefused } from '../../src/supervisor/flow/gate-refusal.js';
import { missingMarker, intentOf, intentText } from '../../src/supervisor/flow/marker.js';

/** enum tlshub_reason */
const [PEER_REFUSES, PEER_PLAINTEXT, PEER_SECURES, PEER_MODE] = [8, 9, 10, 11] as const;

function flow(role: 'active' | 'passive', peerIntent: number, establishedNs = 1): Flow {
  const tuple = { local: parseAddress('10.0.0.1'), remote: parseAddress('10.0.0.2'), lport: 1, rport: 2 };
  const seed = {
    cookie: 1n,
    cgroup: 1n,
    generation: 1,
    role,
    class: FlowClass.MESH,
    tuple,
    iss: 1,
    irs: 2,
    createdNs: 0,
    establishedNs,
  };
  return createFlow({ ...seed, peerIntent }, 0);
}

describe('the marker in words', () => {
  it('says of all in-band providers the same', () => {
    expect(intentOf('openssl')).to.equal(Intent.IN_BAND);
    expect(intentOf('boringssl')).to.equal(Intent.IN_BAND);
    expect(intentOf('tlshub')).to.equal(Intent.TLSHUB);
  });

  it('names both sides when they get their keys in different ways', () => {
    const { code, reason, remedy } = whyRefused(PEER_MODE, flow('active', Intent.TLSHUB), 'boringssl');
    expect(code).to.equal('TLSHUB_GATE_REFUSED');
    expect(reason).to.include('it wants keys by TLSHub, this node is in mode boringssl');
    expect(remedy).to.include('Set the same mode on both nodes');
    expect(whyRefused(PEER_MODE, flow('active', 77), 'openssl').reason).to.include(
      'a way that this version does not know (77)',
    );
    for (const other of [PEER_REFUSES, PEER_PLAINTEXT, PEER_SECURES]) {
      const why = whyRefused(other, flow('active', Intent.PLAINTEXT), 'openssl');
      expect(why.reason).to.include("the peer's agent says that");
      expect(why.remedy).to.include('the same rules');
    }
  });

  it("goes with the policy's own words for who is outside the mesh", () => {
    const stranger = { ...flow('active', Intent.UNKNOWN), peerReason: 'not in the mapping (policy strict)' };
    expect(whyRefused(4, stranger, 'openssl')).to.deep.equal({
      code: 'TLSHUB_PEER_UNKNOWN',
      reason: 'the peer is outside the mesh: not in the mapping (policy strict)',
    });
    const excluded = { ...stranger, class: FlowClass.PLAINTEXT, peerReason: 'excluded by policy_exclude :53' };
    expect(reportOf(excluded)).to.include({ state: 'plaintext', reason: 'excluded by policy_exclude :53' });
  });

  it('is in the report of a flow', () => {
    expect(reportOf(flow('active', Intent.UNKNOWN)).peerMarker).to.equal(null);
    for (const intent of [Intent.PLAINTEXT, Intent.IN_BAND, Intent.TLSHUB, Intent.REFUSED]) {
      expect(reportOf(flow('passive', intent)).peerMarker).to.equal(intentText(intent));
    }
  });

  it('is missed only where it could have been there', () => {
    expect(missingMarker(flow('active', Intent.UNKNOWN))).to.include('SYN-ACK had no marker');
    expect(missingMarker(flow('passive', Intent.UNKNOWN))).to.include('handshake had no marker');
    expect(missingMarker(flow('active', Intent.IN_BAND))).to.equal('');
    expect(missingMarker(flow('active', Intent.UNKNOWN, 0))).to.equal('');
  });
});
