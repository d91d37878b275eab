// SPDX-License-Identifier: Apache-2.0
/** The driver over each library against a peer that is no agent: what comes behind the handshake must be left to the application. */
import { expect } from 'chai';
import { once } from 'node:events';
import { connect as tlsConnect, TLSSocket } from 'node:tls';
import { openRecord, splitRecords } from '../wire/records.js';
import { benchOf, request, run, succeeded, type Pair, secretsOf } from './handshake-kit.js';

for (const library of ['openssl', 'boringssl'] as const) {
  describe(`handshake by ${library} against node:tls`, () => {
    const bench = benchOf(library);
    const { addon } = bench;

    async function received(pair: Pair, side: 'active' | 'passive', count: number): Promise<Buffer[]> {
      const chunks: Buffer[] = [];
      pair[side].on('data', (chunk) => chunks.push(chunk)).resume();
      for (;;) {
        const records = chunks.length === 0 ? [] : splitRecords(Buffer.concat(chunks));
        if (records.length >= count) return records;
        await once(pair[side], 'data');
      }
    }

    it('leaves a client’s first data in the socket, and its secret and sequence number open it', async () => {
      const { caPem, certPem, keyPem } = await bench.lab.credentials('a');
      const pair = await bench.newPair();
      const done = run(
        bench.driver,
        addon.createContext(await bench.lab.credentials('b')),
        request(pair.passive, 'passive', 'a'),
      );
      const client = tlsConnect({
        socket: pair.active,
        ca: caPem,
        cert: certPem,
        key: keyPem,
        servername: 'b',
        ciphers: 'TLS_AES_128_GCM_SHA256',
      });
      client.on('error', () => undefined);
      client.write('GET / HTTP/1.1\r\n\r\n');
      const outcome = succeeded(await done);
      const [record] = await received(pair, 'passive', 1);
      expect(record && openRecord(record, secretsOf(outcome).client, outcome.rxSequence)).to.deep.equal({
        type: 23,
        content: 'GET / HTTP/1.1\r\n\r\n',
      });
    });

    it('takes one ticket from a server and leaves what is behind it', async () => {
      const { caPem, certPem, keyPem } = await bench.lab.credentials('b');
      const pair = await bench.newPair();
      const server = new TLSSocket(pair.passive, {
        isServer: true,
        requestCert: true,
        rejectUnauthorized: true,
        ca: caPem,
        cert: certPem,
        key: keyPem,
        ciphers: 'TLS_AES_128_GCM_SHA256',
      });
      server.on('error', () => undefined);
      server.write('220 welcome\r\n');
      const outcome = succeeded(
        await run(
          bench.driver,
          addon.createContext(await bench.lab.credentials('a')),
          request(pair.active, 'active', 'b'),
        ),
      );
      // Node's server sends two tickets; an agent sends one. So the second is still there, and opens with number 1.
      const [ticket, data] = await received(pair, 'active', 2);
      const secret = secretsOf(outcome).server;
      expect(ticket && openRecord(ticket, secret, outcome.rxSequence).type).to.equal(22);
      expect(data && openRecord(data, secret, outcome.rxSequence + 1n)).to.deep.equal({
        type: 23,
        content: '220 welcome\r\n',
      });
    });
  });
}
