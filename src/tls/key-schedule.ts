/**
 * From a TLS 1.3 traffic secret to the key and iv that kTLS wants.
 *
 * HKDF-Extract and -Expand: RFC 5869, section 2. HKDF-Expand-Label: RFC 8446, section 7.1. Traffic keys: RFC 8446, section 7.3.
 */
import { createHmac, createSecretKey } from 'node:crypto';
import type { CipherName } from '../shared/kernel/words.js';

/** Hashes that TLS 1.3 suites use. */
export type HashName = 'sha256' | 'sha384';

interface CipherParameters {
  hash: HashName;
  keyLength: number;
}

/** RFC 8446, appendix B.4; key lengths from RFC 5116 and RFC 8439. All three have a 12-byte iv. */
const CIPHERS: Record<CipherName, CipherParameters> = {
  TLS_AES_128_GCM_SHA256: { hash: 'sha256', keyLength: 16 },
  TLS_AES_256_GCM_SHA384: { hash: 'sha384', keyLength: 32 },
  TLS_CHACHA20_POLY1305_SHA256: { hash: 'sha256', keyLength: 32 },
};

const HASH_LENGTH: Record<HashName, number> = { sha256: 32, sha384: 48 };
const IV_LENGTH = 12;
const EMPTY = new Uint8Array(0);

/** The hash of a cipher suite, which is also that of its key schedule. */
export function cipherHash(cipher: CipherName): HashName {
  return CIPHERS[cipher].hash;
}

/** In bytes. */
export function hashLength(hash: HashName): number {
  return HASH_LENGTH[hash];
}

/** HKDF-Extract (RFC 5869, 2.2): a pseudorandom key of the hash's length. An empty salt stands for a hash's length of zeros. */
export function hkdfExtract(hash: HashName, salt: Uint8Array, keyMaterial: Uint8Array): Buffer {
  const key = salt.length === 0 ? new Uint8Array(HASH_LENGTH[hash]) : salt;
  return createHmac(hash, createSecretKey(key)).update(keyMaterial).digest();
}

/**
 * HKDF-Expand (RFC 5869, 2.3).
 * @param length bytes wanted, at most 255 times the hash's length
 * @throws RangeError for more
 */
export function hkdfExpand(hash: HashName, secret: Uint8Array, info: Uint8Array, length: number): Buffer {
  const blocks = Math.ceil(length / HASH_LENGTH[hash]);
  if (blocks > 255) throw new RangeError(`HKDF-Expand with ${hash} gives at most ${255 * HASH_LENGTH[hash]} bytes`);
  const output = Buffer.alloc(blocks * HASH_LENGTH[hash]);
  // As an object: given bytes, createHmac takes 13 µs in Node.js 24.21 in place of 3.
  const key = createSecretKey(secret);
  let previous: Uint8Array = EMPTY;
  for (let block = 1; block <= blocks; block++) {
    previous = createHmac(hash, key).update(previous).update(info).update(Uint8Array.of(block)).digest();
    output.set(previous, (block - 1) * HASH_LENGTH[hash]);
    // Only the copy in `output` may remain when the caller wipes what it got.
    if (block === blocks) previous.fill(0);
  }
  output.fill(0, length);
  return output.subarray(0, length);
}

/**
 * HKDF-Expand-Label (RFC 8446, 7.1).
 * @param label without the "tls13 " that the RFC puts in front
 */
export function hkdfExpandLabel(
  hash: HashName,
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number,
): Buffer {
  const full = Buffer.from(`tls13 ${label}`, 'latin1');
  const info = Buffer.alloc(2 + 1 + full.length + 1 + context.length);
  info.writeUInt16BE(length, 0);
  info.writeUInt8(full.length, 2);
  info.set(full, 3);
  info.writeUInt8(context.length, 3 + full.length);
  info.set(context, 4 + full.length);
  return hkdfExpand(hash, secret, info, length);
}

/** What one direction of kTLS needs. The caller wipes both. */
export interface TrafficKeys {
  key: Buffer;
  iv: Buffer;
}

/**
 * The key and iv of one direction (RFC 8446, 7.3).
 * @param secret a traffic secret of the length of the cipher's hash
 * @throws RangeError when the secret has another length
 */
export function trafficKeys(cipher: CipherName, secret: Uint8Array): TrafficKeys {
  const { hash, keyLength } = CIPHERS[cipher];
  if (secret.length !== HASH_LENGTH[hash]) {
    throw new RangeError(`a traffic secret for ${cipher} has ${HASH_LENGTH[hash]} bytes, not ${secret.length}`);
  }
  return {
    key: hkdfExpandLabel(hash, secret, 'key', EMPTY, keyLength),
    iv: hkdfExpandLabel(hash, secret, 'iv', EMPTY, IV_LENGTH),
  };
}
