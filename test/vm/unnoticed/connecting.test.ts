// SPDX-License-Identifier: Apache-2.0
/**
 * A thread sends on a socket while another one connects it. Between connect() and the SYN there is no flow yet that anybody could wait for: who came
 * just then was stopped until the next sweep, on kernels that put threads to sleep too.
 */
import { expect } from 'chai';
import { Peer, step } from '../harness/peer.js';
import { SECRET } from '../harness/wire.js';
import { B, inThePatientLab, withoutStops } from './support.js';

const COUNT = 60;
const PORT = 7960;

describe('sockets on which a thread sends while another connects them', () => {
  inThePatientLab();
  withoutStops();

  it('are connected and send all', async () => {
    const server = await Peer.listen('b', PORT, Array.from({ length: COUNT }, () => ['accept', 'cat', 'close']).flat());
    const client = Peer.start('a', [`race-send:${COUNT},${B}:${PORT},${SECRET}`]);
    expect(step(await client.finish(60_000), 'race-send').result).to.equal(COUNT);
    const read = (await server.finish()).filter(({ op }) => op === 'cat');
    expect(read.map(({ data }) => data)).to.deep.equal(Array.from({ length: COUNT }, () => SECRET));
  });
});
