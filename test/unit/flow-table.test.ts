// SPDX-License-Identifier: Apache-2.0
/** Flows as people see them: on terminals of any width, sorted, and whole with -o wide. */
import { expect } from 'chai';
import { sortFlows, type FlowOrder } from '../../src/cli/flow-order.js';
import { age, flowsTable } from '../../src/cli/flow-table.js';
import type { FlowReport } from '../../src/report/flow.js';

const SECURED: FlowReport = {
  ...{ cookie: '11', role: 'active', src: '10.77.0.1', sport: 40000, dst: '10.77.0.2', dport: 443 },
  ...{ pid: 1234, comm: 'curl', pod: 'web', peerNode: 'node-b', provider: 'openssl', exchange: 'in-band', epoch: null },
  ...{ cipher: 'TLS_AES_128_GCM_SHA256', tlsVersion: 'TLSv1.3', state: 'secured', reason: '', code: '', remedy: '' },
  ...{ ageMs: 3_000, synMs: 0.2, holdMs: 3.14, dispatchMs: 0.4, queueMs: 0.1, negotiationMs: 2.5, installMs: 0.1 },
  ...{ bytesSent: 100, bytesReceived: 200, kernelUlp: 'tls', hold: 'sleep' },
};

const REFUSED: FlowReport = {
  ...SECURED,
  ...{ cookie: '12', src: '0.0.0.0', sport: 0, dst: '192.0.2.9', dport: 80, comm: 'wget', pod: null, peerNode: null },
  ...{
    provider: null,
    exchange: null,
    cipher: null,
    holdMs: null,
    kernelUlp: null,
    bytesSent: null,
    bytesReceived: null,
  },
  state: 'refused',
  code: 'TLSHUB_PEER_UNKNOWN',
  reason: 'the peer is outside the mesh: to 192.0.2.9, which is not in the mapping (policy strict)',
  remedy: 'Add the address to the mapping.',
  ageMs: 90_000,
};

const CLOSED: FlowReport = { ...SECURED, cookie: '13', state: 'closed', ageMs: 1_000, comm: 'a', holdMs: 9 };
const IPV6: FlowReport = { ...SECURED, cookie: '14', src: 'fd00:1111:2222:3333::1', dst: 'fd00:1111:2222:3333::2' };

const linesOf = (text: string): string[] => text.split('\n');
const headOf = (text: string): string[] => (linesOf(text)[0] ?? '').split(/ {2,}/);

describe('the table of flows', () => {
  it('begins with the state, and has the age', () => {
    const [head, first] = linesOf(flowsTable([SECURED]));
    expect(head).to.match(
      /^STATE +AGE +PROGRAM +SOURCE +DESTINATION +NODE +CODE +POD +PROVIDER +CIPHER +HOLD ms +ULP +REASON$/,
    );
    expect(first).to.match(
      /^secured +3s +curl \(1234\) +10\.77\.0\.1:40000 +10\.77\.0\.2:443 +node-b +- +web +openssl /,
    );
  });

  for (const columns of [40, 80, 100, 150, 220]) {
    it(`fits a terminal of ${columns} columns, with what matters most in it`, () => {
      for (const flows of [[SECURED], [REFUSED], [SECURED, REFUSED, CLOSED], [IPV6, REFUSED]]) {
        const text = flowsTable(flows, { columns });
        expect(linesOf(text)).to.have.length(flows.length + 1);
        for (const line of linesOf(text)) expect(line.length, line).to.be.at.most(columns);
        expect(headOf(text)[0]).to.equal('STATE');
        if (columns >= 80) expect(text).to.include('DESTINATION');
        if (columns >= 80 && flows.includes(REFUSED))
          expect(text).to.include('TLSHUB_PEER_UNKNOWN').and.include('wget');
      }
    });
  }

  it('leaves columns that say nothing to those that do', () => {
    expect(headOf(flowsTable([SECURED], { columns: 200 })))
      .to.not.include('CODE')
      .and.not.include('REASON');
    expect(headOf(flowsTable([REFUSED], { columns: 80 })))
      .to.not.include('CIPHER')
      .and.not.include('SOURCE');
    expect(flowsTable([REFUSED], { columns: 120 })).to.match(/the peer is outside the mesh: .*…$/m);
  });

  it('shows no end that there was not: neither 0.0.0.0:0 nor [::]:0', () => {
    const all = flowsTable([REFUSED, { ...REFUSED, src: '::' }, { ...REFUSED, src: '::ffff:0.0.0.0' }]);
    expect(all).to.not.match(/:0\b/);
    for (const line of linesOf(all).slice(1))
      expect(line).to.match(/^refused +90s +wget \(1234\) +- +192\.0\.2\.9:80 /);
  });

  it('has every column with -o wide, however narrow the terminal, and what to do', () => {
    const wide = flowsTable([REFUSED], { wide: true, columns: 80 });
    for (const head of ['COOKIE', 'ROLE', 'EXCHANGE', 'EPOCH', 'HOLD', 'REMEDY']) expect(headOf(wide)).to.include(head);
    expect(wide).to.include(REFUSED.reason).and.include(REFUSED.remedy);
  });

  it('counts ages in the largest unit that is full', () => {
    expect([0, 119_999, 120_000, 7_199_999, 7_200_000, 172_800_000].map(age)).to.deep.equal([
      ...['0s', '119s', '2m', '119m', '2h', '2d'],
    ]);
  });

  it('is sorted as somebody wants it, those that are alike newest first', () => {
    const older = { ...SECURED, cookie: '15', ageMs: 5_000, bytesSent: 2 ** 40 };
    const sorted = (order: FlowOrder): string =>
      sortFlows([CLOSED, older, SECURED, REFUSED], order)
        .map(({ cookie }) => cookie)
        .join(' ');
    expect(sorted('state')).to.equal('12 11 15 13');
    expect(sorted('age')).to.equal('13 11 15 12');
    expect(sorted('hold')).to.equal('13 11 15 12');
    expect(sorted('bytes')).to.equal('15 13 11 12');
    expect(sorted('program')).to.equal('13 11 15 12');
    expect(sorted('node')).to.equal('13 11 15 12');
    expect(sorted('destination')).to.equal('13 11 15 12');
    expect(sorted('code')).to.equal('12 13 11 15');
  });
});
