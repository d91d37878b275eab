// SPDX-License-Identifier: Apache-2.0
/**
 * A lab CA and node certificates: ECDSA P-256 with SHA-256, X.509 version 3 (RFC 5280). A node is named by one DNS SAN, which is what the
 * other side of a handshake compares with the Pod-Node mapping; the subject is for people.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { PkiError, UsageError } from '../../shared/errors/errors.js';
import { NODE_NAME_RULE, parseNodeName } from '../../shared/text/node-name.js';
import { prepareFolder, refuseExisting, writeFiles } from './files.js';

export interface Validity {
  /** from now on; may be negative, which makes a certificate that has already expired */
  days: number;
  /** instead of `days` */
  notAfter?: Date;
  /** default: five minutes ago, or a day before the end if that is earlier */
  notBefore?: Date;
  /** replace files that are there */
  force?: boolean;
}

export interface NodeOptions extends Validity {
  /** the files' name; default: the node's */
  as?: string;
}

export interface CaOptions extends Validity {
  /** common name of the CA */
  name: string;
}

/** Paths of what was written, and the certificate's validity. */
export interface Issued {
  certificate: string;
  key: string;
  notBefore: Date;
  notAfter: Date;
}

export const CA_CERTIFICATE = 'ca.crt';
export const CA_KEY = 'ca.key';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
/** Clocks of nodes differ a little. */
const SKEW_MS = 5 * 60_000;
/** ub-common-name (RFC 5280 appendix A.1). */
const MAX_COMMON_NAME = 64;

const crypto: Crypto = webcrypto;
x509.cryptoProvider.set(crypto);

/**
 * Makes `ca.crt` and `ca.key` in `dir`.
 * @throws UsageError for a bad name or period, PkiError if files exist or cannot be written
 */
export async function initCa(dir: string, options: CaOptions): Promise<Issued> {
  const name = options.name.trim();
  if (name === '' || name.length > MAX_COMMON_NAME || !/^[\x20-\x7e]+$/.test(name)) {
    throw new UsageError(`the CA's name must have 1 to ${MAX_COMMON_NAME} printable ASCII characters`);
  }
  const { notBefore, notAfter } = period(options);
  const force = options.force ?? false;
  await prepareFolder(dir);
  if (!force) await refuseExisting(dir, [CA_CERTIFICATE, CA_KEY]);

  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    notBefore,
    notAfter,
    signingAlgorithm: P256,
    keys,
    extensions: [
      // Path length 0: it issues nodes, not other CAs.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
    ],
  });
  await writePair(dir, CA_CERTIFICATE, CA_KEY, certificate, keys.privateKey, force);
  return { certificate: join(dir, CA_CERTIFICATE), key: join(dir, CA_KEY), notBefore, notAfter };
}

/**
 * Makes `NODE.crt` and `NODE.key` (or by the name `as`) in `dir`, signed by the CA there.
 * @throws UsageError for a bad name or period, PkiError if there is no CA, files exist or cannot be written
 */
export async function issueNode(dir: string, node: string, options: NodeOptions): Promise<Issued> {
  const name = parseNodeName(node);
  if (name === undefined || name === 'ca') {
    throw new UsageError(
      `"${node.slice(0, 80)}" cannot be the name of a node; allowed: ${NODE_NAME_RULE}, but not "ca"`,
    );
  }
  const file = options.as === undefined ? name : fileName(options.as);
  const { notBefore, notAfter } = period(options);
  const force = options.force ?? false;
  const files = [`${file}.crt`, `${file}.key`] as const;
  const ca = await loadCa(dir);
  await prepareFolder(dir);
  if (!force) await refuseExisting(dir, [...files]);

  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [name.length <= MAX_COMMON_NAME ? name : (name.split('.')[0] ?? '')] }],
    issuer: ca.certificate.subjectName.toJSON(),
    notBefore,
    notAfter,
    signingAlgorithm: P256,
    publicKey: keys.publicKey,
    signingKey: ca.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      // Every node is a client and a server.
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      await x509.AuthorityKeyIdentifierExtension.create(ca.certificate.publicKey, false, crypto),
    ],
  });
  await writePair(dir, files[0], files[1], certificate, keys.privateKey, force);
  return { certificate: join(dir, files[0]), key: join(dir, files[1]), notBefore, notAfter };
}

/** @throws UsageError */
function fileName(text: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(text) && text !== 'ca') return text;
  const allowed = 'a file name without its ending, of letters, digits, ".", "_" and "-", but not "ca"';
  throw new UsageError(`--as ${text.slice(0, 80)}: allowed is ${allowed}`);
}

function period(options: Validity): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  if (!Number.isFinite(options.days) || Math.abs(options.days) > 36_500) {
    throw new UsageError('days must be a number between -36500 and 36500');
  }
  // Certificates count whole seconds.
  const second = (time: number): Date => new Date(Math.floor(time / 1000) * 1000);
  const notAfter = options.notAfter ?? second(now + options.days * DAY_MS);
  const notBefore = options.notBefore ?? second(Math.min(now - SKEW_MS, notAfter.getTime() - DAY_MS));
  if (!(notBefore.getTime() < notAfter.getTime())) {
    throw new UsageError(`the certificate would end (${dateText(notAfter)}) before it begins (${dateText(notBefore)})`);
  }
  return { notBefore, notAfter };
}

function dateText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'no date' : date.toISOString();
}

/** 127 random bits, positive: RFC 5280 section 4.1.2.2 allows up to 20 octets; unpredictable so that nobody prepares a collision. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

async function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(P256, true, ['sign', 'verify']);
}

async function loadCa(dir: string): Promise<{ certificate: x509.X509Certificate; key: CryptoKey }> {
  try {
    const certificate = new x509.X509Certificate(await readFile(join(dir, CA_CERTIFICATE), 'utf8'));
    const pem = await readFile(join(dir, CA_KEY), 'utf8');
    const der = x509.PemConverter.decodeFirst(pem);
    const key = await crypto.subtle.importKey('pkcs8', der, P256, false, ['sign']);
    await checkPair(certificate, key);
    return { certificate, key };
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new PkiError('TLSHUB_PKI_CA', `no usable CA in ${dir}: ${detail}`, { cause });
  }
}

/** A key of another CA would sign certificates that nobody accepts: better to find out here. */
async function checkPair(certificate: x509.X509Certificate, key: CryptoKey): Promise<void> {
  const probe = new TextEncoder().encode('tlshub');
  const publicKey = await certificate.publicKey.export(P256, ['verify'], crypto);
  const signature = await crypto.subtle.sign(P256, key, probe);
  if (!(await crypto.subtle.verify(P256, publicKey, signature, probe))) {
    throw new Error(`${CA_KEY} does not belong to ${CA_CERTIFICATE}`);
  }
}

async function writePair(
  dir: string,
  certificateName: string,
  keyName: string,
  certificate: x509.X509Certificate,
  key: CryptoKey,
  force: boolean,
): Promise<void> {
  const pkcs8 = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
  await writeFiles(
    dir,
    [
      { name: keyName, contents: `${pkcs8}\n`, mode: 0o600 },
      { name: certificateName, contents: `${certificate.toString('pem')}\n`, mode: 0o644 },
    ],
    force,
  );
}
