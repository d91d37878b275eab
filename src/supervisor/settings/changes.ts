// SPDX-License-Identifier: Apache-2.0
/** What a change of the settings changes, in words: one line each, for the log and for who asked for it. Never a secret. */
import type { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { compareConfigs, type ConfigChange } from '../../config/changes.js';
import { diffEndpoints, endpointLines } from '../../mapping/endpoints-diff.js';
import type { MappingDiff, ServicesDiff } from '../../mapping/diff.js';
import type { Pod, Service } from '../../mapping/pod-node-mapping.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import { certificatesOf, commonName } from './credentials.js';
import type { Settings } from './in-force.js';
import type { OtlpFiles } from './otlp-files.js';

/** So many lines about pods; the rest is counted. */
const MAX_POD_LINES = 50;

export function configLine({ key, before, after }: ConfigChange): string {
  return `${key}: ${before || '(nothing)'} -> ${after || '(nothing)'}`;
}

/** @param pods what is different between the mappings */
export function describeChanges(before: Settings, after: Settings, pods: MappingDiff): string[] {
  return [
    ...compareConfigs(before.config, after.config).map(configLine),
    ...credentialLines(before.credentials, after.credentials),
    ...mappingLines(pods),
    ...endpointLines(diffEndpoints(before.endpoints, after.endpoints)),
    ...otlpLines(before.otlpFiles, after.otlpFiles),
  ];
}

function otlpLines(before: OtlpFiles, after: OtlpFiles): string[] {
  const headers = isDeepStrictEqual(before.headers, after.headers) ? [] : ['otlp.headers_file: other headers'];
  return before.ca === after.ca ? headers : [...headers, 'otlp.ca: other CAs'];
}

export function mappingLines(diff: MappingDiff): string[] {
  const lines: string[] = [];
  const total = diff.added.length + diff.removed.length + diff.changed.length;
  const say = (line: string): void => {
    if (lines.length < MAX_POD_LINES) lines.push(`mapping: ${line}`);
  };
  for (const pod of diff.added) say(`pod ${pod.pod} is new, on ${pod.node}${addresses(pod)}`);
  for (const pod of diff.removed) say(`pod ${pod.pod} is gone from ${pod.node}`);
  for (const { before, after } of diff.changed) {
    const moved = before.node === after.node ? `on ${after.node}` : `moved from ${before.node} to ${after.node}`;
    const readdressed = before.addresses.join() === after.addresses.join() ? '' : `, now at${addresses(after)}`;
    say(`pod ${after.pod} ${moved}${readdressed}`);
  }
  if (total > lines.length) lines.push(`mapping: and ${total - lines.length} more pods`);
  return [...lines, ...serviceLines(diff.services)];
}

function serviceLines({ added, removed, changed }: ServicesDiff): string[] {
  const all = [
    ...added.map((service) => `service ${service.service} is new, at${addresses(service)}, ${behind(service)}`),
    ...removed.map(({ service }) => `service ${service} is gone`),
    ...changed.map(({ before, after }) => {
      const readdressed = before.addresses.join() === after.addresses.join() ? '' : `is now at${addresses(after)}, `;
      return `service ${after.service} ${readdressed}${behind(after)}`;
    }),
  ];
  const lines = all.slice(0, MAX_POD_LINES).map((line) => `mapping: ${line}`);
  if (all.length > lines.length) lines.push(`mapping: and ${all.length - lines.length} more services`);
  return lines;
}

/** So many nodes of a service; the rest is counted. */
const MAX_NODES = 10;

function behind({ nodes }: Service): string {
  if (nodes.length === 0) return 'has no endpoint: connections to it are refused';
  const more = nodes.length > MAX_NODES ? ` and ${nodes.length - MAX_NODES} more` : '';
  return `is answered by ${nodes.slice(0, MAX_NODES).join(' or ')}${more}`;
}

function addresses({ addresses: all }: Pick<Pod, 'addresses'>): string {
  return all.length === 0 ? ', no address' : ` ${all.join(' ')}`;
}

function credentialLines(before: HandshakeCredentials, after: HandshakeCredentials): string[] {
  const lines: string[] = [];
  if (before.caPem !== after.caPem) {
    const [old, now] = [fingerprints(before.caPem), fingerprints(after.caPem)];
    for (const [print, ca] of now) if (!old.has(print)) lines.push(`tls.ca: now trusts ${describe(ca)}`);
    for (const [print, ca] of old) if (!now.has(print)) lines.push(`tls.ca: no longer trusts ${describe(ca)}`);
  }
  if (before.certPem !== after.certPem) {
    const [leaf] = certificatesOf(after.certPem);
    if (leaf !== undefined) lines.push(`tls.cert: now ${describe(leaf)}, issued by ${commonName(leaf.issuer)}`);
  }
  if (before.keyPem !== after.keyPem) lines.push('tls.key: another key');
  return lines;
}

function fingerprints(pem: string): Map<string, X509Certificate> {
  return new Map(certificatesOf(pem).map((certificate) => [certificate.fingerprint256, certificate]));
}

function describe(certificate: X509Certificate): string {
  const { subject, serialNumber, validTo } = certificate;
  return `${commonName(subject)} (serial ${serialNumber}, until ${validTo})`;
}
