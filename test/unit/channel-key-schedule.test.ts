// SPDX-License-Identifier: Apache-2.0
/**
 * The vectors of docs/CHANNEL.md, worked out once more by node:crypto's own HKDF from what the document says. native/test/secrets_channel.cc
 * compares the agent's key schedule with them.
 */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { saltOf, secretOf, type NamedFlow } from '../wire/channel-keys.js';

type Side = 'client' | 'server';
interface Vectors extends Omit<NamedFlow, 'what'> {
  epochSecret: string;
  salts: Record<string, string>;
  ciphers: Record<string, Record<string, Record<Side, { secret: string; key: string; iv: string }>>>;
}

function vectors(): Vectors {
  const block = /```json\n(\{[^]*?"epochSecret"[^]*?\n\})\n```/.exec(readFileSync('docs/CHANNEL.md', 'utf8'))?.[1];
  if (block === undefined) throw new Error('docs/CHANNEL.md has no vectors');
  return JSON.parse(block) as Vectors;
}

const CIPHERS = {
  TLS_AES_128_GCM_SHA256: { hash: 'sha256', keyBytes: 16 },
  TLS_AES_256_GCM_SHA384: { hash: 'sha384', keyBytes: 32 },
  TLS_CHACHA20_POLY1305_SHA256: { hash: 'sha256', keyBytes: 32 },
} as const;
const WHAT = { direct: 5, translated: 6 } as const;

/**
 * HKDF-Expand-Label (RFC 8446, 7.1) by HMAC's own definition: hkdfSync would extract first.
 */
function expandLabel(hash: 'sha256' | 'sha384', secret: Buffer, label: string, length: number): string {
  const text = `tls13 ${label}`;
  const info = Buffer.concat([
    Uint8Array.of(length >> 8, length & 0xff, text.length),
    Buffer.from(text),
    Uint8Array.of(0, 1),
  ]);
  return createHmac(hash, secret).update(info).digest().subarray(0, length).toString('hex');
}

describe('keys by name', () => {
  const v = vectors();

  for (const what of ['direct', 'translated'] as const) {
    it(`${what}: the salt is what the document says`, () => {
      expect(saltOf({ ...v, what: WHAT[what] }).toString('hex')).to.equal(v.salts[what]);
    });

    for (const cipher of Object.keys(CIPHERS) as (keyof typeof CIPHERS)[]) {
      const { hash, keyBytes } = CIPHERS[cipher];
      it(`${what}: secrets, keys and ivs with ${cipher}`, () => {
        for (const side of ['client', 'server'] as const) {
          const secret = secretOf(Buffer.from(v.epochSecret, 'hex'), { ...v, what: WHAT[what] }, side, cipher);
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
