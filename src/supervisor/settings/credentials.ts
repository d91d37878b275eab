// SPDX-License-Identifier: Apache-2.0
/** The node's CA, certificate and key: read from where the configuration says, and checked for what peers would say of them. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Config } from '../../config/schema.js';
import { ERROR_CATALOG } from '../../shared/errors/catalog.js';
import { CredentialsError, toWire, type Place } from '../../shared/errors/errors.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import { pemCertificates } from '../../shared/text/pem.js';

/** @throws CredentialsError (exit status 78) that names the key of the configuration and the file */
export function readCredentials(config: Config): HandshakeCredentials {
  return {
    caPem: readPem('tls.ca', config.tls.ca),
    certPem: readPem('tls.cert', config.tls.cert),
    keyPem: readPem('tls.key', config.tls.key),
    ciphers: [...config.tls.ciphers],
  };
}

function readPem(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CredentialsError({ file, key }, `cannot read it: ${toWire(cause).message}`, { cause });
  }
}

/** S_IROTH of stat(2). */
const OTHERS_READ = 0o004;

/** A word for the log if everybody on the node can read the node's key; undefined: all is well, or it cannot be told. */
export function keyExposure({ tls }: Pick<Config, 'tls'>): string | undefined {
  const mode = statSync(tls.key, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & OTHERS_READ) === 0) return undefined;
  return `tls.key: every user of this node can read ${tls.key}, and with it be this node: chmod 600 it (in Kubernetes: defaultMode of its secret)`;
}

/** Longer chains are no node's (context.cc says the same). */
const MAX_CHAIN = 5;

/**
 * Checks what can be known before a peer says it: the chain up to a CA of our own, the period, the node's name, the key. The TLS library
 * parses and checks again, and a handshake with ourselves is the last word.
 * @param now milliseconds since 1970
 * @throws CredentialsError that names the file, the key of the configuration and what is wrong
 */
export function checkCredentials(config: Config, credentials: HandshakeCredentials, now = Date.now()): void {
  const { ca, cert, key } = config.tls;
  const place: Place = { file: cert, key: 'tls.cert' };
  const cas = certificates({ file: ca, key: 'tls.ca' }, credentials.caPem);
  const chain = certificates(place, credentials.certPem);
  const [leaf] = chain;
  if (leaf === undefined) return;
  if (leaf.checkHost(config.nodeName, { subject: 'never', wildcards: false }) === undefined) {
    const names = leaf.subjectAltName ?? 'none';
    throw new CredentialsError(place, `the certificate names ${names}, and this node is ${config.nodeName}`);
  }
  for (const certificate of [...chain, trustedBy(place, chain, cas)]) checkPeriod(place, certificate, now);
  checkKey({ file: key, key: 'tls.key' }, leaf, credentials.keyPem);
}

/** All certificates of a PEM text that can be parsed. */
export function certificatesOf(pem: string): X509Certificate[] {
  return pemCertificates(pem).map((text) => new X509Certificate(text));
}

function certificates(place: Place, pem: string): X509Certificate[] {
  const texts = pemCertificates(pem);
  if (texts.length === 0) throw new CredentialsError(place, `there is no PEM certificate in it`);
  return texts.map((text, i) => {
    try {
      return new X509Certificate(text);
    } catch (cause) {
      const detail = `certificate ${i + 1} cannot be parsed: ${toWire(cause).message}`;
      throw new CredentialsError(place, detail, { cause });
    }
  });
}

function checkPeriod(place: Place, certificate: X509Certificate, now: number): void {
  const { validFrom, validTo } = certificate;
  const wrong = whyOutside(subject(certificate), { notBefore: validFrom, notAfter: validTo }, now);
  if (wrong !== undefined) throw new CredentialsError(place, wrong.message, { remedy: wrong.remedy });
}

/**
 * What is wrong with the time of a certificate, and what to do; undefined: it is within its period.
 * @param period as any text that Date.parse reads
 * @param now milliseconds since 1970
 */
export function whyOutside(
  who: string,
  { notBefore, notAfter }: { notBefore: string; notAfter: string },
  now: number,
): { message: string; remedy: string } | undefined {
  const it = `the certificate of ${who}`;
  if (now > Date.parse(notAfter))
    return { message: `${it} has expired (${notAfter})`, remedy: ERROR_CATALOG.TLSHUB_CERTIFICATE_EXPIRES.remedy };
  if (now >= Date.parse(notBefore)) return undefined;
  return {
    message: `${it} is not valid yet (${notBefore})`,
    remedy: "Set this node's clock (`timedatectl`), or wait.",
  };
}

/**
 * From the leaf upwards, by intermediates of the file, to one of the CAs.
 * @returns that CA
 * @throws CredentialsError if there is none
 */
export function trustedBy(
  place: Place,
  chain: readonly X509Certificate[],
  cas: readonly X509Certificate[],
): X509Certificate {
  const issued = (by: X509Certificate, certificate: X509Certificate): boolean =>
    certificate.checkIssued(by) && certificate.verify(by.publicKey);
  let [at] = chain;
  for (let depth = 0; at !== undefined && depth < MAX_CHAIN; depth++) {
    const below: X509Certificate = at;
    const ca = cas.find((candidate) => issued(candidate, below));
    if (ca !== undefined) return ca;
    at = chain.find((candidate) => candidate !== below && candidate.ca && issued(candidate, below));
    if (at === undefined) {
      const issuer = commonName(below.issuer);
      throw new CredentialsError(place, `it was issued by ${issuer}, which is not among the CAs of tls.ca`);
    }
  }
  throw new CredentialsError(place, `its chain is longer than ${MAX_CHAIN} certificates`);
}

function checkKey(place: Place, leaf: X509Certificate, keyPem: string): void {
  let key;
  try {
    key = createPrivateKey(keyPem);
  } catch (cause) {
    // The library's words only: the text of the key must not get into a message.
    const { message } = toWire(cause);
    throw new CredentialsError(place, `cannot be parsed (an encrypted key is not supported): ${message}`, { cause });
  }
  if (!leaf.checkPrivateKey(key)) {
    throw new CredentialsError(place, `does not belong to the certificate of ${subject(leaf)}`);
  }
}

function subject(certificate: X509Certificate): string {
  return commonName(certificate.subject);
}

/** The common name of a subject or issuer: node:crypto writes a name as lines of TYPE=value. */
export function commonName(name: string): string {
  return /^CN=(.*)$/m.exec(name)?.[1] ?? name.replaceAll('\n', ', ');
}
