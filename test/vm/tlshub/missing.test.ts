// SPDX-License-Identifier: Apache-2.0
/** mode = tlshub where nobody serves the module's protocol. */
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { thrownBy } from './support.js';

describe('TLSHub without its kernel module', () => {
  after(() => lab.down());

  it('the supervisor does not start, and says why', async () => {
    const error = await thrownBy(lab.up({ mode: 'tlshub', set: { netlink_protocol: 31, 'tlshub.peer_port_id': 0 } }));
    expect(error.message).to.include('protocol 31 not served: is the TLSHub module loaded?');
    expect(error.message).to.include('status 69');
  });
});
