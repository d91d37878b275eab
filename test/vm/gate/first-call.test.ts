/** Every call that moves bytes, as the first one on a connection: blocking and not, on either side. */
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { Peer, step } from './peer.js';
import { SECRET, inTheLab } from './wire.js';

const SENDING = ['write', 'writev', 'send', 'sendmsg', 'sendmmsg', 'sendfile', 'splice', 'splice-nonblock'];
const RECEIVING = ['read', 'readv', 'recv', 'recvmsg', 'recvmmsg', 'splice-in', 'splice-in-nonblock', 'recv-waitall'];
const PORT = 7000;

describe('the first call on a connection', () => {
  inTheLab();

  for (const [i, sending] of SENDING.entries()) {
    const receiving = RECEIVING[i] ?? 'read';
    for (const mode of ['block', 'nb']) {
      const kind = mode === 'nb' ? 'non-blocking' : 'blocking';
      it(`${kind} ${sending} by the client and ${receiving} by the server`, async () => {
        const text = `${SECRET}-${sending}`;
        const server = await Peer.listen('b', PORT, ['accept', mode, `${receiving}:${text.length}`, 'cat']);
        const client = await Peer.run('a', ['connect:10.77.0.2:7000', mode, `${sending}:${text}`, 'close']);
        expect(step(client, sending)).to.include({ result: text.length, error: '0' });
        const served = await server.finish();
        expect(step(served, receiving)).to.include({ result: text.length, error: '0', data: text });
        expect(step(served, 'cat')).to.include({ result: 0, error: '0' });
      });

      it(`${kind} ${sending} by the server and ${receiving} by the client`, async () => {
        const text = `${SECRET}-${sending}`;
        const server = await Peer.listen('b', PORT, ['accept', mode, `${sending}:${text}`, 'close']);
        const ops = ['connect:10.77.0.2:7000', mode, `${receiving}:${text.length}`, 'cat'];
        const client = await Peer.run('a', ops);
        expect(step(await server.finish(), sending)).to.include({ result: text.length, error: '0' });
        expect(step(client, receiving)).to.include({ result: text.length, error: '0', data: text });
        expect(step(client, 'cat')).to.include({ result: 0, error: '0' });
      });
    }
  }

  it('every connection was secured, none left behind', async () => {
    for (const node of ['a', 'b'] as const) {
      const flows = await lab.flows(node);
      expect(flows.length).to.equal(SENDING.length * 4);
      for (const flow of flows) expect(flow.kernelUlp, JSON.stringify(flow)).to.equal('tls');
    }
  });
});
