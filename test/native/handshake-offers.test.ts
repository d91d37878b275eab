// SPDX-License-Identifier: Apache-2.0
/**
 * What an agent offers and asks for, pinned for each library: a library's own defaults change with its version (OpenSSL 3.5 would offer a
 * hybrid key share, Node.js 24's OpenSSL compresses certificates with Brotli, at the price of a handshake for each).
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect as tlsConnect, TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { openRecord, splitRecords } from '../wire/records.js';
import { benchOf, request, run, succeeded, type Success } from './handshake-kit.js';

const GROUPS = { X25519: 0x001d, P256: 0x0017, P384: 0x0018 };
const Extension = { GROUPS: 10, COMPRESS_CERTIFICATE: 27, EARLY_DATA: 42, VERSIONS: 43, KEY_SHARES: 51 };
const Message = {
  ENCRYPTED_EXTENSIONS: 8,
  CERTIFICATE: 11,
  CERTIFICATE_REQUEST: 13,
  CERTIFICATE_VERIFY: 15,
  FINISHED: 20,
};
const CIPHER = 'TLS_AES_128_GCM_SHA256';

/** Extensions of a message, whose list begins at `at`. */
function extensionsAt(message: Buffer, at: number): Map<number, Buffer> {
  const extensions = new Map<number, Buffer>();
  const end = at + 2 + message.readUInt16BE(at);
  for (at += 2; at < end; at += 4 + message.readUInt16BE(at + 2)) {
    extensions.set(message.readUInt16BE(at), message.subarray(at + 4, at + 4 + message.readUInt16BE(at + 2)));
  }
  return extensions;
}

/** Where the extensions of a ClientHello begin, in its record. */
function extensionsOfHello(record: Buffer): number {
  let at = 5 + 4 + 2 + 32;
  at += 1 + record.readUInt8(at); // session id
  at += 2 + record.readUInt16BE(at); // cipher suites
  return at + 1 + record.readUInt8(at); // compression methods
}

/** The same ClientHello of one who can read certificates compressed with zlib, Brotli or Zstandard (RFC 8879). */
function willingToDecompress(record: Buffer): Buffer {
  const more = Buffer.from([0, Extension.COMPRESS_CERTIFICATE, 0, 7, 6, 0, 1, 0, 2, 0, 3]);
  const at = extensionsOfHello(record);
  const hello = Buffer.concat([record.subarray(0, at + 2), more, record.subarray(at + 2)]);
  hello.writeUInt16BE(hello.readUInt16BE(3) + more.length, 3);
  hello.writeUIntBE(hello.readUIntBE(6, 3) + more.length, 6, 3);
  hello.writeUInt16BE(hello.readUInt16BE(at) + more.length, at);
  return hello;
}

const numbers = (list: Buffer): number[] =>
  Array.from({ length: list.length / 2 }, (_, index) => list.readUInt16BE(2 * index));

function groupsOfShares(shares: Buffer): number[] {
  const groups: number[] = [];
  for (let at = 2; at < shares.length; at += 4 + shares.readUInt16BE(at + 2)) groups.push(shares.readUInt16BE(at));
  return groups;
}

/** The encrypted messages of one side's flight, by type. */
function messagesOf(bytes: Buffer, keyLog: readonly string[], label: string): { type: number; body: Buffer }[] {
  const line = keyLog.find((each) => each.startsWith(`${label} `));
  const secret = Buffer.from(line?.split(' ')[2] ?? '', 'hex');
  const records = splitRecords(bytes).filter((record) => record[0] === 23);
  const messages: { type: number; body: Buffer }[] = [];
  let content = Buffer.alloc(0);
  for (const [sequence, record] of records.entries()) {
    content = Buffer.concat([content, Buffer.from(openRecord(record, secret, BigInt(sequence)).content, 'latin1')]);
    while (content.length >= 4 && content.length >= 4 + content.readUIntBE(1, 3)) {
      const end = 4 + content.readUIntBE(1, 3);
      messages.push({ type: content.readUInt8(0), body: content.subarray(4, end) });
      content = content.subarray(end);
    }
    if (messages.at(-1)?.type === Message.FINISHED) return messages; // from here on by other keys
  }
  throw new Error('no Finished');
}

for (const library of ['openssl', 'boringssl'] as const) {
  describe(`what ${library} offers in a handshake`, () => {
    const bench = benchOf(library);
    const { addon } = bench;

    /** Two connections joined to one; what went through it, by who sent it. */
    async function joined(): Promise<{ client: Socket; server: Socket; sent: { client: Buffer[]; server: Buffer[] } }> {
      const [left, right] = [await bench.newPair(), await bench.newPair()];
      const sent = { client: [] as Buffer[], server: [] as Buffer[] };
      left.passive.on('data', (chunk) => void (sent.client.push(chunk), right.active.write(chunk))).resume();
      right.active.on('data', (chunk) => void (sent.server.push(chunk), left.passive.write(chunk))).resume();
      return { client: left.active, server: right.passive, sent };
    }

    /** What both sides said, encrypted, in our handshake as `role`. The peer compresses what it is asked to, if its Node.js can. */
    async function exchange(
      role: 'active' | 'passive',
    ): Promise<{ client: ReturnType<typeof messagesOf>; server: ReturnType<typeof messagesOf> }> {
      const { client, server, sent } = await joined();
      const [ours, theirs] = role === 'active' ? [client, server] : [server, client];
      const done = run(
        bench.driver,
        addon.createContext(await bench.lab.credentials('a')),
        request(ours, role, 'b', { keyLog: true }),
      );
      const { caPem: ca, certPem: cert, keyPem: key } = await bench.lab.credentials('b');
      const settings = { ca, cert, key, ciphers: CIPHER };
      const peer =
        role === 'active'
          ? new TLSSocket(theirs, { ...settings, isServer: true, requestCert: true, rejectUnauthorized: true })
          : tlsConnect({ ...settings, socket: theirs, servername: 'a' });
      peer.on('error', () => undefined);
      const { keyLog }: Success = succeeded(await done);
      return {
        client: messagesOf(Buffer.concat(sent.client), keyLog, 'CLIENT_HANDSHAKE_TRAFFIC_SECRET'),
        server: messagesOf(Buffer.concat(sent.server), keyLog, 'SERVER_HANDSHAKE_TRAFFIC_SECRET'),
      };
    }

    it('TLS 1.3, three groups and a share of X25519 only, no compressed certificates, no early data', async () => {
      const pair = await bench.newPair();
      void run(
        bench.driver,
        addon.createContext(await bench.lab.credentials('a')),
        request(pair.active, 'active', 'b'),
      );
      const [record] = (await once(pair.passive.resume(), 'data')) as [Buffer];
      const extensions = extensionsAt(record, extensionsOfHello(record));
      const listed = (type: number, lengthBytes: number): Buffer =>
        extensions.get(type)?.subarray(lengthBytes) ?? Buffer.alloc(0);
      expect(numbers(listed(Extension.GROUPS, 2))).to.deep.equal([GROUPS.X25519, GROUPS.P256, GROUPS.P384]);
      expect(groupsOfShares(listed(Extension.KEY_SHARES, 0))).to.deep.equal([GROUPS.X25519]);
      expect(numbers(listed(Extension.VERSIONS, 1))).to.deep.equal([0x0304]);
      expect([...extensions.keys()]).to.not.include(Extension.COMPRESS_CERTIFICATE);
      expect([...extensions.keys()]).to.not.include(Extension.EARLY_DATA);
    });

    for (const role of ['active', 'passive'] as const) {
      it(`${role}, nobody is asked to compress a certificate`, async () => {
        const { client, server } = await exchange(role);
        expect(client.map(({ type }) => type)).to.deep.equal([
          Message.CERTIFICATE,
          Message.CERTIFICATE_VERIFY,
          Message.FINISHED,
        ]);
        expect(server.map(({ type }) => type)).to.deep.equal([
          Message.ENCRYPTED_EXTENSIONS,
          Message.CERTIFICATE_REQUEST,
          Message.CERTIFICATE,
          Message.CERTIFICATE_VERIFY,
          Message.FINISHED,
        ]);
        if (role === 'active') return; // the request is the peer's then
        const asked = server.find(({ type }) => type === Message.CERTIFICATE_REQUEST)?.body ?? Buffer.alloc(0);
        expect([...extensionsAt(asked, 1 + asked.readUInt8(0)).keys()]).to.not.include(Extension.COMPRESS_CERTIFICATE);
      });
    }

    it('certificates are not compressed for a client that could read them', async () => {
      // So long and so dull a name that a certificate compressed is shorter by far.
      const context = addon.createContext(await bench.lab.credentials(Array(3).fill('a'.repeat(60)).join('.')));
      const pair = await bench.newPair();
      void run(bench.driver, context, request(pair.active, 'active', 'b'));
      const [hello] = (await once(pair.passive.resume(), 'data')) as [Buffer];
      const answers: number[] = [];
      for (const sent of [hello, willingToDecompress(hello)]) {
        const { active, passive } = await bench.newPair();
        void run(bench.driver, context, request(passive, 'passive', 'b'));
        active.write(sent);
        const chunks: Buffer[] = [];
        // Its whole flight in one piece: see the driver's RecordChannel.
        active.on('data', (chunk) => chunks.push(chunk)).resume();
        await once(active, 'data');
        answers.push(Buffer.concat(chunks).length);
      }
      const [plain = 0, offered = 0] = answers;
      expect(plain).to.be.greaterThan(900);
      // A signature is a few bytes longer or shorter.
      expect(Math.abs(plain - offered), `${plain} and ${offered} bytes`).to.be.lessThan(10);
    });
  });
}
