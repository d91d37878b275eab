// SPDX-License-Identifier: Apache-2.0
/**
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, written from the Noise Protocol Framework (revision 34; numbers of sections are its) and from nothing of
 * kmod/tlshub, on the cryptography of Node.js: whoever understands both has shown that they are this protocol, and not two halves that agree.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from 'node:crypto';

const HASH = 'blake2s256';
export const TAG_BYTES = 16;
export const KEY_BYTES = 32;

/** RFC 8410: what is in front of the 32 bytes of an X25519 key in DER. */
const PRIVATE_DER = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_DER = Buffer.from('302a300506032b656e032100', 'hex');

export class KeyPair {
  private readonly key: KeyObject;
  readonly public: Buffer;

  constructor(secret: Buffer) {
    this.key = createPrivateKey({ key: Buffer.concat([PRIVATE_DER, secret]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.key).export({ format: 'der', type: 'spki' });
    this.public = spki.subarray(-KEY_BYTES);
  }

  /** 4.1: DH() */
  agree(other: Buffer): Buffer {
    const publicKey = createPublicKey({ key: Buffer.concat([PUBLIC_DER, other]), format: 'der', type: 'spki' });
    return diffieHellman({ privateKey: this.key, publicKey });
  }
}

export const hash = (...parts: readonly (Buffer | string)[]): Buffer =>
  parts.reduce((state, part) => state.update(part), createHash(HASH)).digest();

export const hmac = (key: Buffer, ...parts: readonly (Buffer | string)[]): Buffer =>
  parts.reduce((state, part) => state.update(part), createHmac(HASH, key)).digest();

/** 4.3: HKDF() */
export function hkdf(chaining: Buffer, input: Buffer, outputs: number): Buffer[] {
  const secret = hmac(chaining, input);
  const made: Buffer[] = [];
  for (let i = 1; i <= outputs; i++) made.push(hmac(secret, made.at(-1) ?? Buffer.alloc(0), Buffer.from([i])));
  return made;
}

/** 12.3: ChaChaPoly, whose nonce is 32 bits of zeros and the counter, little-endian. */
function nonce(counter: bigint): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64LE(counter, 4);
  return bytes;
}

export function seal(key: Buffer, counter: bigint, head: Buffer, plain: Buffer): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce(counter), { authTagLength: TAG_BYTES });
  cipher.setAAD(head, { plaintextLength: plain.length });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error: it was not sealed so */
export function open(key: Buffer, counter: bigint, head: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce(counter), { authTagLength: TAG_BYTES });
  const plainLength = sealed.length - TAG_BYTES;
  decipher.setAAD(head, { plaintextLength: plainLength });
  decipher.setAuthTag(sealed.subarray(plainLength));
  return Buffer.concat([decipher.update(sealed.subarray(0, plainLength)), decipher.final()]);
}

/** 5.2: SymmetricState, with the CipherState (5.1) in it. */
class SymmetricState {
  private key = Buffer.alloc(0);
  private counter = 0n;
  private hash: Buffer;
  chaining: Buffer;

  constructor(name: string) {
    this.hash = name.length <= KEY_BYTES ? Buffer.alloc(KEY_BYTES, 0).fill(name, 0, name.length) : hash(name);
    this.chaining = this.hash;
  }

  mixHash(data: Buffer): void {
    this.hash = hash(this.hash, data);
  }

  mixKey(input: Buffer): void {
    const [chaining, key] = hkdf(this.chaining, input, 2) as [Buffer, Buffer];
    this.chaining = chaining;
    this.setKey(key);
  }

  mixKeyAndHash(input: Buffer): void {
    const [chaining, mixed, key] = hkdf(this.chaining, input, 3) as [Buffer, Buffer, Buffer];
    this.chaining = chaining;
    this.mixHash(mixed);
    this.setKey(key);
  }

  encryptAndHash(plain: Buffer): Buffer {
    const sealed = seal(this.key, this.counter++, this.hash, plain);
    this.mixHash(sealed);
    return sealed;
  }

  decryptAndHash(sealed: Buffer): Buffer {
    const plain = open(this.key, this.counter++, this.hash, sealed);
    this.mixHash(sealed);
    return plain;
  }

  private setKey(key: Buffer): void {
    this.key = Buffer.from(key);
    this.counter = 0n;
  }
}

/** What both have when it is done: 5.2's Split(), and the chaining key, from which more may be derived. */
export interface Agreed {
  initiatorKey: Buffer;
  responderKey: Buffer;
  chaining: Buffer;
}

/**
 * One handshake (7.5: IK, 9: psk2):
 *     <- s ... -> e, es, s, ss <- e, ee, se, psk
 */
export class Handshake {
  private readonly state = new SymmetricState('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s');
  private remoteEphemeral = Buffer.alloc(0);

  constructor(
    private readonly own: KeyPair,
    private readonly ephemeral: KeyPair,
    private readonly preshared: Buffer,
    prologue: string,
    /** of the responder; of an initiator's peer it is told, of a responder's found out */
    private remote?: Buffer,
  ) {
    this.state.mixHash(Buffer.from(prologue));
    this.state.mixHash(remote ?? own.public);
  }

  /** By the initiator: ephemeral key, sealed static key, sealed payload. */
  writeFirst(payload: Buffer): [Buffer, Buffer, Buffer] {
    const remote = this.remote ?? Buffer.alloc(0);
    this.sent();
    this.state.mixKey(this.ephemeral.agree(remote));
    const statik = this.state.encryptAndHash(this.own.public);
    this.state.mixKey(this.own.agree(remote));
    return [this.ephemeral.public, statik, this.state.encryptAndHash(payload)];
  }

  /** By the responder. @returns the initiator's static key and payload */
  readFirst(ephemeral: Buffer, statik: Buffer, sealed: Buffer): [Buffer, Buffer] {
    this.received(ephemeral);
    this.state.mixKey(this.own.agree(ephemeral));
    this.remote = this.state.decryptAndHash(statik);
    this.state.mixKey(this.own.agree(this.remote));
    return [this.remote, this.state.decryptAndHash(sealed)];
  }

  writeSecond(payload: Buffer): [Buffer, Buffer] {
    this.sent();
    this.state.mixKey(this.ephemeral.agree(this.remoteEphemeral));
    this.state.mixKey(this.ephemeral.agree(this.remote ?? Buffer.alloc(0)));
    this.state.mixKeyAndHash(this.preshared);
    return [this.ephemeral.public, this.state.encryptAndHash(payload)];
  }

  readSecond(ephemeral: Buffer, sealed: Buffer): Buffer {
    this.received(ephemeral);
    this.state.mixKey(this.ephemeral.agree(ephemeral));
    this.state.mixKey(this.own.agree(ephemeral));
    this.state.mixKeyAndHash(this.preshared);
    return this.state.decryptAndHash(sealed);
  }

  split(): Agreed {
    const { chaining } = this.state;
    const [initiatorKey, responderKey] = hkdf(chaining, Buffer.alloc(0), 2) as [Buffer, Buffer];
    return { initiatorKey, responderKey, chaining };
  }

  /** "e", which a pre-shared key in the pattern has mixed into the key too (9.2). */
  private sent(): void {
    this.state.mixHash(this.ephemeral.public);
    this.state.mixKey(this.ephemeral.public);
  }

  private received(ephemeral: Buffer): void {
    this.remoteEphemeral = Buffer.from(ephemeral);
    this.state.mixHash(ephemeral);
    this.state.mixKey(ephemeral);
  }
}
