// SPDX-License-Identifier: Apache-2.0
/** A connection to the mesh that TCP does not make: the program hears the kernel's error, and the agent says that it was the peer. */
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';

const NOBODY = 7911;
const PATIENCE = 20_000;

describe('a port where nobody listens', () => {
  before(() => lab.up());
  after(() => lab.down());

  it('is one whose peer refused the TCP connection, and the flow says who asked', async () => {
    const { code, stderr } = await lab.exec('a', ['curl', '-sS', `http://10.77.0.2:${NOBODY}/`]);
    expect(code, stderr).to.equal(7);
    const flow = await waitFor(
      async () => (await lab.flows('a')).find(({ dport, state }) => dport === NOBODY && state === 'closed'),
      PATIENCE,
      'the flow to be over',
    );
    expect(flow).to.include({ comm: 'curl', role: 'active', code: 'TLSHUB_TCP_REFUSED' });
    expect(flow.reason).to.equal('the peer refused the TCP connection (ECONNREFUSED)');
    expect(flow.remedy).to.include('ss -ltn');
  });
});
