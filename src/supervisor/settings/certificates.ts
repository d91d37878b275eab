// SPDX-License-Identifier: Apache-2.0
/** The certificates in force as users are shown them, and what is amiss with their time. */
import type { X509Certificate } from 'node:crypto';
import type { CertificateReport } from '../../report/certificate.js';
import type { ProblemReport } from '../../report/problem.js';
import { ERROR_CATALOG } from '../../shared/errors/catalog.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import { certificatesOf, commonName, trustedBy, whyOutside } from './credentials.js';
import type { Settings } from './in-force.js';

const DAY_MS = 86_400_000;
/** Renewals that work by themselves are done by then: cert-manager and ACME clients renew at two thirds of the life, a third of 90 days. */
const WARN_DAYS = 30;

/** Reports by credentials, which never change: made when they are first asked for. */
const known = new WeakMap<HandshakeCredentials, CertificateReport[]>();

/** Of credentials that were checked: the node's certificate first, then intermediates, then the CAs. */
export function certificateReports({
  config,
  credentials,
}: Pick<Settings, 'config' | 'credentials'>): CertificateReport[] {
  let reports = known.get(credentials);
  if (reports === undefined) {
    const chain = certificatesOf(credentials.certPem);
    const cas = certificatesOf(credentials.caPem);
    const { cert, ca } = config.tls;
    const anchor = chain.length === 0 ? undefined : trustedBy({ file: cert, key: 'tls.cert' }, chain, cas);
    reports = [
      ...chain.map((one) => reportOf(one, { key: 'tls.cert', file: cert, inUse: true })),
      ...cas.map((one) => reportOf(one, { key: 'tls.ca', file: ca, inUse: one === anchor })),
    ];
    known.set(credentials, reports);
  }
  return reports;
}

function reportOf(
  { subject, issuer, serialNumber, subjectAltName, validFrom, validTo }: X509Certificate,
  place: Pick<CertificateReport, 'key' | 'file' | 'inUse'>,
): CertificateReport {
  return {
    ...place,
    subject: commonName(subject),
    issuer: commonName(issuer),
    serial: serialNumber,
    names: subjectAltName ?? '',
    notBefore: new Date(validFrom).toISOString(),
    notAfter: new Date(validTo).toISOString(),
  };
}

/**
 * Those that peers refuse this node for, those that they will within 30 days, and CAs whose nodes are refused.
 * @param now milliseconds since 1970
 */
export function certificateProblems(certificates: readonly CertificateReport[], now: number): ProblemReport[] {
  return certificates.flatMap((one): ProblemReport[] => {
    const place = `${one.file}: ${one.key}: `;
    const outside = whyOutside(one.subject, one, now);
    if (outside !== undefined) {
      const severity = one.inUse ? 'error' : 'warning';
      const consequence = one.inUse ? 'every peer refuses this node' : 'nodes with certificates of this CA are refused';
      const message = `${place}${outside.message}: ${consequence}`;
      return [{ severity, code: 'TLSHUB_CREDENTIALS', message, remedy: outside.remedy }];
    }
    const days = Math.floor((Date.parse(one.notAfter) - now) / DAY_MS);
    // A CA that this node's certificate is not of may be on its way out on purpose.
    if (!one.inUse || days >= WARN_DAYS) return [];
    const left = days === 0 ? 'within a day' : days === 1 ? 'in 1 day' : `in ${days} days`;
    const message = `${place}the certificate of ${one.subject} expires ${left} (${one.notAfter})`;
    const { remedy } = ERROR_CATALOG.TLSHUB_CERTIFICATE_EXPIRES;
    return [{ severity: 'warning', code: 'TLSHUB_CERTIFICATE_EXPIRES', message, remedy }];
  });
}
