// SPDX-License-Identifier: Apache-2.0
/**
 * Records that are there before the keys are: a peer's request (and its FIN) may lie in the receive queue behind the handshake when
 * TLS_RX is set. A reader that waits for an edge has had its edge then and was told EAGAIN: it must have another.
 */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import { SECRET, inTheSharedLab } from '../harness/wire.js';
import { B, OUTSIDE } from './support.js';

const SCRIPT = resolve('test/programs/tls-early.py');
const LAB_DIR = process.env.TLSHUB_LAB_DIR ?? '/run/tlshub-lab';
/** Between a client's Finished and its request, in ms: in one segment, and at moments about which the keys are set. */
const DELAYS = [0, 0, 0, 1, 2, 4, 8, 16];

describe('a request that comes with the end of the handshake', () => {
  inTheSharedLab();

  for (const reader of ['serve-et', 'serve-lt', 'serve-blocking']) {
    for (const [end, what] of [
      ['fin', 'and a FIN '],
      ['stay', ''],
    ] as const) {
      it(`${what}is read by ${reader}, whenever it comes`, async () => {
        const server = await Peer.listen('b', 7040, [`${reader}:${DELAYS.length}`]);
        // In the place of node a's agent, with its certificate: only so can the moment be chosen.
        const client = await lab.exec(
          'a',
          ['python3', SCRIPT, B, '7040', `${LAB_DIR}/pki`, SECRET, end, ...DELAYS.map(String)],
          OUTSIDE,
        );
        expect(client.stdout, client.stderr).to.equal(`ok ${SECRET}\n`.repeat(DELAYS.length));
        const served = (await server.finish()).filter(({ op }) => op === 'served');
        expect(served.map(({ data }) => data)).to.deep.equal(DELAYS.map(() => `${SECRET}\\x0a`));
        expect(step(await server.finish(), reader).result).to.equal(0);
      });
    }
  }
});
