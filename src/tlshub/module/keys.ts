// SPDX-License-Identifier: Apache-2.0
/** Curve25519 keys of nodes (RFC 7748) as text: base64 of 32 bytes, as WireGuard's tools have them. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { UsageError } from '../../shared/errors/errors.js';

export const KEY_BYTES = 32;

/** A private key in PKCS #8 (RFC 8410, section 7), up to its 32 bytes. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

export function generatePrivateKey(): string {
  const { privateKey } = generateKeyPairSync('x25519');
  const der = privateKey.export({ type: 'pkcs8', format: 'der' });
  const text = der.subarray(PKCS8.length).toString('base64');
  der.fill(0);
  return text;
}

/** @throws UsageError if it is no key */
export function publicKeyOf(privateKey: string): string {
  const bytes = parseKey(privateKey, 'private key');
  const der = Buffer.concat([PKCS8, bytes]);
  const { x } = createPublicKey(createPrivateKey({ key: der, type: 'pkcs8', format: 'der' })).export({ format: 'jwk' });
  bytes.fill(0);
  der.fill(0);
  return Buffer.from(x ?? '', 'base64url').toString('base64');
}

/**
 * @param what it is called in the message, which never has the text itself in it
 * @throws UsageError if it is not base64 of 32 bytes
 */
export function parseKey(text: string, what: string): Uint8Array {
  const trimmed = text.trim();
  const bytes = Buffer.from(trimmed, 'base64');
  if (bytes.length !== KEY_BYTES || bytes.toString('base64') !== trimmed) {
    throw new UsageError(`the ${what} is not base64 of ${KEY_BYTES} bytes`, {
      remedy: 'Make one with `tlshubctl tlshub genkey`; `tlshubctl tlshub pubkey` prints the public half.',
    });
  }
  return bytes;
}

export const keyText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
