/** The key schedule against the vectors of docs/TLSHUB_API.md, which were computed by another program (Python's hmac). */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { trafficKeys } from '../../src/tls/key-schedule.js';
import type { CipherName } from '../../src/shared/kernel/words.js';
import { connectionSalt, deriveTrafficSecrets, type ConnectionNames } from '../../src/tlshub/key-schedule.js';

interface Vectors {
  masterKey: string;
  clientAddress: string;
  serverAddress: string;
  clientPort: number;
  serverPort: number;
  clientIsn: number;
  serverIsn: number;
  clientNode: string;
  serverNode: string;
  salt: string;
  ciphers: Record<CipherName, Record<'client' | 'server', { secret: string; key: string; iv: string }>>;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const ipv4 = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));

function vectorsOf(file: string): Vectors {
  const block = /```json\n(\{[^]*?"masterKey"[^]*?\n\})\n```/.exec(readFileSync(file, 'utf8'))?.[1];
  if (block === undefined) throw new Error(`${file} has no vectors`);
  return JSON.parse(block) as Vectors;
}

describe("TLSHub's key schedule", () => {
  const vectors = vectorsOf('docs/TLSHUB_API.md');
  const names = (changes: Partial<ConnectionNames> = {}): ConnectionNames => ({
    clientAddress: ipv4(vectors.clientAddress),
    serverAddress: ipv4(vectors.serverAddress),
    clientPort: vectors.clientPort,
    serverPort: vectors.serverPort,
    clientIsn: vectors.clientIsn,
    serverIsn: vectors.serverIsn,
    clientNode: vectors.clientNode,
    serverNode: vectors.serverNode,
    cipher: 'TLS_AES_128_GCM_SHA256',
    ...changes,
  });
  const master = Buffer.from(vectors.masterKey, 'hex');

  it('has the documented salt', () => {
    expect(hex(connectionSalt(names()))).to.equal(vectors.salt);
  });

  it('the Chinese document has the same vectors', () => {
    expect(vectorsOf('docs/zh/TLSHUB_API.md')).to.deep.equal(vectors);
  });

  for (const [cipher, expected] of Object.entries(vectors.ciphers) as [CipherName, Vectors['ciphers'][CipherName]][]) {
    it(`gives the documented secrets, keys and ivs with ${cipher}`, () => {
      const { clientSecret, serverSecret } = deriveTrafficSecrets(master, names({ cipher }));
      for (const [secret, { secret: wanted, key, iv }] of [
        [clientSecret, expected.client],
        [serverSecret, expected.server],
      ] as const) {
        expect(hex(secret)).to.equal(wanted);
        const keys = trafficKeys(cipher, secret);
        expect([hex(keys.key), hex(keys.iv)]).to.deep.equal([key, iv]);
      }
    });
  }

  it('gives other secrets, in both directions, as soon as one of its inputs differs', () => {
    const changes: Partial<ConnectionNames>[] = [
      {},
      { clientAddress: ipv4('10.77.0.3') },
      { serverAddress: ipv4('10.77.0.3') },
      { clientPort: 40124 },
      { serverPort: 444 },
      { clientIsn: vectors.clientIsn + 1 },
      { serverIsn: vectors.serverIsn + 1 },
      { clientIsn: vectors.serverIsn, serverIsn: vectors.clientIsn },
      { cipher: 'TLS_CHACHA20_POLY1305_SHA256' },
      { clientNode: 'node-c' },
      { serverNode: 'node-c' },
      // The same letters, divided otherwise.
      { clientNode: 'node-an', serverNode: 'ode-b' },
    ];
    const all = changes.flatMap((change) => Object.values(deriveTrafficSecrets(master, names(change))).map(hex));
    expect(new Set(all).size).to.equal(2 * changes.length);
    const other = Buffer.from(master).fill(1, 31);
    expect(all).to.not.include(hex(deriveTrafficSecrets(other, names()).clientSecret));
  });

  it('leaves the master key to its owner, and refuses one of another length', () => {
    deriveTrafficSecrets(master, names());
    expect(hex(master)).to.equal(vectors.masterKey);
    expect(() => deriveTrafficSecrets(master.subarray(1), names())).to.throw(RangeError, '32 bytes');
    expect(() => deriveTrafficSecrets(master, names({ clientAddress: new Uint8Array(16) }))).to.throw(RangeError);
    expect(() => deriveTrafficSecrets(master, names({ clientNode: 'n'.repeat(256) }))).to.throw(RangeError);
  });
});
