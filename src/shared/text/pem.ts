// SPDX-License-Identifier: Apache-2.0
/** The certificates of a PEM text, each as it stands there; what is between them is nobody's. */
export function pemCertificates(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
