// SPDX-License-Identifier: Apache-2.0
/** Every call that moves bytes, as the first one on a connection: blocking and not, on either side. */
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import { SECRET, inTheLab } from '../harness/wire.js';

/** Each with a counterpart: over all, every way to send and every way to receive is the first call of its side. */
const WAYS = [
  ['write', 'read'],
  ['writev', 'readv'],
  ['send', 'recv'],
  ['sendmsg', 'recvmsg'],
  ['sendmmsg', 'recvmmsg'],
  ['sendfile', 'splice-in'],
  ['splice', 'recv-waitall'],
  ['splice-nonblock', 'splice-in-nonblock'],
] as const;
const CONNECT = 'connect:10.77.0.2:7000';

describe('the first call on a connection', () => {
  inTheLab();

  for (const [mode, kind] of [
    ['block', 'blocking'],
    ['nb', 'non-blocking'],
  ] as const) {
    for (const first of ['client', 'server'] as const) {
      it(`moves every byte, encrypted, when the ${first} speaks first by ${kind} calls of any kind`, async () => {
        const text = (way: string): string => `${SECRET}-${way}`;
        const sends = WAYS.map(([sending]) => [mode, `${sending}:${text(sending)}`, 'close']);
        const receives = WAYS.map(([sending, way]) => [mode, `${way}:${text(sending).length}`, 'cat', 'close']);
        const [ofClient, ofServer] = first === 'client' ? [sends, receives] : [receives, sends];
        const server = await Peer.listen(
          'b',
          7000,
          ofServer.flatMap((ops) => ['accept', ...ops]),
        );
        const client = await Peer.run(
          'a',
          ofClient.flatMap((ops) => [CONNECT, ...ops]),
        );
        const [sent, received] = first === 'client' ? [client, await server.finish()] : [await server.finish(), client];
        for (const [i, [sending, receiving]] of WAYS.entries()) {
          const expected = text(sending);
          expect(step(sent, sending), sending).to.include({ result: expected.length, error: '0' });
          expect(step(received, receiving), receiving).to.include({ error: '0', data: expected });
          expect(step(received, 'cat', i + 1), `end of file after ${sending}`).to.include({ result: 0, error: '0' });
        }
      });
    }
  }

  it('every one of these connections was secured', async () => {
    for (const node of ['a', 'b'] as const) {
      const flows = await lab.flows(node);
      expect(flows.length).to.equal(WAYS.length * 4);
      for (const flow of flows) expect(flow, JSON.stringify(flow)).to.include({ kernelUlp: 'tls', secured: true });
    }
  });
});
