// SPDX-License-Identifier: Apache-2.0
/**
 * The vectors of docs/CHANNEL.md, worked out once more by node:crypto's own HKDF from what the document says. native/test/secrets_channel.cc
 * compares the agent's key schedule with them.
 */
import { createHmac, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';

type Side = 'client' | 'server';
interface Vectors {
  epochSecret: string;
  clientAddress: string;
  serverAddress: string;
  clientPort: number;
  serverPort: number;
  clientIsn: number;
  serverIsn: number;
  epoch: number;
  number: number;
  clientNode: string;
  serverNode: string;
  salts: Record<string, string>;
  ciphers: Record<string, Record<string, Record<Side, { secret: string; key: string; iv: string }>>>;
}

function vectors(): Vectors {
  const block = /```json\n(\{[^]*?"epochSecret"[^]*?\n\})\n```/.exec(readFileSync('docs/CHANNEL.md', 'utf8'))?.[1];
  if (block === undefined) throw new Error('docs/CHANNEL.md has no vectors');
  return JSON.parse(block) as Vectors;
}

const CIPHERS = {
  TLS_AES_128_GCM_SHA256: { hash: 'sha256', bytes: 32, keyBytes: 16 },
  TLS_AES_256_GCM_SHA384: { hash: 'sha384', bytes: 48, keyBytes: 32 },
  TLS_CHACHA20_POLY1305_SHA256: { hash: 'sha256', bytes: 32, keyBytes: 32 },
} as const;
const WHAT = { direct: 5, translated: 6 } as const;
const DIRECTION = { client: 'client to server', server: 'server to client' } as const;

const number = (value: number, bytes: number): Buffer => {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return out;
};
const ipv4 = (text: string): Buffer =>
  Buffer.concat([Buffer.alloc(10), Buffer.from([255, 255, ...text.split('.').map(Number)])]);
const field = (text: string): Buffer => Buffer.concat([number(Buffer.byteLength(text), 1), Buffer.from(text)]);

function saltOf(v: Vectors, what: keyof typeof WHAT): Buffer {
  const server = what === 'direct' ? [ipv4(v.serverAddress), number(v.serverPort, 2)] : [];
  const client = [number(WHAT[what], 1), ipv4(v.clientAddress), number(v.clientPort, 2)];
  const rest = [number(v.clientIsn, 4), number(v.serverIsn, 4), number(v.epoch, 4), number(v.number, 2)];
  return Buffer.concat([...client, ...server, ...rest]);
}

/**
 * HKDF-Expand-Label (RFC 8446, 7.1) by HMAC's own definition: hkdfSync would extract first.
 */
function expandLabel(hash: 'sha256' | 'sha384', secret: Buffer, label: string, length: number): string {
  const info = Buffer.concat([number(length, 2), field(`tls13 ${label}`), field('')]);
  return createHmac(hash, secret)
    .update(Buffer.concat([info, number(1, 1)]))
    .digest()
    .subarray(0, length)
    .toString('hex');
}

describe('keys by name', () => {
  const v = vectors();

  for (const what of ['direct', 'translated'] as const) {
    it(`${what}: the salt is what the document says`, () => {
      expect(saltOf(v, what).toString('hex')).to.equal(v.salts[what]);
    });

    for (const [cipher, { hash, bytes, keyBytes }] of Object.entries(CIPHERS)) {
      it(`${what}: secrets, keys and ivs with ${cipher}`, () => {
        for (const side of ['client', 'server'] as const) {
          const texts = ['tlshub-ebpf channel v1', DIRECTION[side], cipher, v.clientNode, v.serverNode];
          const info = Buffer.concat(texts.map(field));
          const secret = Buffer.from(hkdfSync(hash, Buffer.from(v.epochSecret, 'hex'), saltOf(v, what), info, bytes));
          const wanted = v.ciphers[what]?.[cipher]?.[side];
          expect(secret.toString('hex')).to.equal(wanted?.secret);
          expect(expandLabel(hash, secret, 'key', keyBytes)).to.equal(wanted?.key);
          expect(expandLabel(hash, secret, 'iv', 12)).to.equal(wanted?.iv);
        }
      });
    }
  }

  it('no two of them are the same', () => {
    const keys = Object.values(v.ciphers).flatMap((all) => Object.values(all).flatMap((sides) => Object.values(sides)));
    expect(new Set(keys.map(({ key }) => key)).size).to.equal(keys.length);
  });

  it('the native test has the same', () => {
    const source = readFileSync('native/test/secrets_channel.cc', 'utf8').replaceAll(/"\s*"/g, '');
    for (const all of Object.values(v.ciphers)) {
      for (const { client, server } of Object.values(all)) {
        const line = [client, server].flatMap(({ secret, key, iv }) => [secret, key, iv]).join(' ');
        expect(source).to.include(line);
      }
    }
  });
});
