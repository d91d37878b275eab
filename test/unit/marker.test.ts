import { expect } from 'chai';
import { FlowClass, Wants } from '../../src/shared/kernel/abi.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { createFlow, reportOf, type Flow } from '../../src/supervisor/flow/table.js';
import { gateReason, missingMarker, wantsOf, wantsText } from '../../src/supervisor/flow/marker.js';

/** enum tlshub_reason */
const [PEER_REFUSES, PEER_PLAINTEXT, PEER_SECURES, PEER_MODE] = [8, 9, 10, 11] as const;

function flow(role: 'active' | 'passive', peerWants: number, establishedNs = 1): Flow {
  const tuple = { local: parseAddress('10.0.0.1'), remote: parseAddress('10.0.0.2'), lport: 1, rport: 2 };
  const seed = {
    cookie: 1n,
    generation: 1,
    role,
    class: FlowClass.MESH,
    tuple,
    iss: 1,
    irs: 2,
    createdNs: 0,
    establishedNs,
  };
  return createFlow({ ...seed, peerWants }, 0);
}

describe('the marker in words', () => {
  it('says of all in-band providers the same', () => {
    expect(wantsOf('openssl')).to.equal(Wants.IN_BAND);
    expect(wantsOf('boringssl')).to.equal(Wants.IN_BAND);
    expect(wantsOf('tlshub')).to.equal(Wants.TLSHUB);
  });

  it('names both sides when they get their keys in different ways', () => {
    const reason = gateReason(PEER_MODE, flow('active', Wants.TLSHUB), 'boringssl');
    expect(reason).to.include('it wants keys by TLSHub, this node is in mode boringssl');
    expect(gateReason(PEER_MODE, flow('active', 77), 'openssl')).to.include(
      'a way that this version does not know (77)',
    );
    for (const other of [PEER_REFUSES, PEER_PLAINTEXT, PEER_SECURES]) {
      expect(gateReason(other, flow('active', Wants.PLAINTEXT), 'openssl')).to.include("the peer's agent says that");
    }
  });

  it("goes with the policy's own words for who is outside the mesh", () => {
    const stranger = { ...flow('active', Wants.UNKNOWN), peerReason: 'not in the mapping (policy strict)' };
    expect(gateReason(4, stranger, 'openssl')).to.equal(
      'the peer is outside the mesh: not in the mapping (policy strict)',
    );
    const excluded = { ...stranger, class: FlowClass.PLAINTEXT, peerReason: 'excluded by policy_exclude :53' };
    expect(reportOf(excluded)).to.include({ state: 'plaintext', reason: 'excluded by policy_exclude :53' });
  });

  it('is in the report of a flow', () => {
    expect(reportOf(flow('active', Wants.UNKNOWN)).peerMarker).to.equal(null);
    for (const wants of [Wants.PLAINTEXT, Wants.IN_BAND, Wants.TLSHUB, Wants.REFUSED]) {
      expect(reportOf(flow('passive', wants)).peerMarker).to.equal(wantsText(wants));
    }
  });

  it('is missed only where it could have been there', () => {
    expect(missingMarker(flow('active', Wants.UNKNOWN))).to.include('SYN-ACK had no marker');
    expect(missingMarker(flow('passive', Wants.UNKNOWN))).to.include('handshake had no marker');
    expect(missingMarker(flow('active', Wants.IN_BAND))).to.equal('');
    expect(missingMarker(flow('active', Wants.UNKNOWN, 0))).to.equal('');
  });
});
