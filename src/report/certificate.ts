// SPDX-License-Identifier: Apache-2.0
/** A certificate of the node or a CA that it trusts, as users are shown it. */
export interface CertificateReport {
  /** the key of the configuration that names its file */
  key: 'tls.cert' | 'tls.ca';
  file: string;
  /** common names, or the whole name where there is none */
  subject: string;
  issuer: string;
  /** hexadecimal */
  serial: string;
  /** names that peers may know it by, as the certificate has them; '' for a CA */
  names: string;
  /** ISO 8601 */
  notBefore: string;
  notAfter: string;
  /** on the way from the node's certificate to the CA that its peers must trust; of the others only their own nodes take note */
  inUse: boolean;
}
