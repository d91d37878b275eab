// SPDX-License-Identifier: Apache-2.0
/** Objects of a cluster for tests of what follows them, and the way to its API server. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { initCa, issueNode } from '../../../src/tls/lab-ca/pki.js';
import type { FakeObject, FakePod } from '../../fakes/kubernetes-api.js';
import { patience } from '../../speed.js';

export const TOKEN = 'a-token';

/** A CA in this folder, and what the API server proves itself by. */
export async function serverCredentials(folder: string): Promise<{ cert: Buffer; key: Buffer }> {
  await initCa(folder, { name: 'cluster', days: 2 });
  const { certificate, key } = await issueNode(folder, 'kubernetes', { days: 1 });
  return { cert: readFileSync(certificate), key: readFileSync(key) };
}

interface PodParts {
  node?: string;
  ips?: string[];
  phase?: string;
  hostNetwork?: boolean;
  started?: string;
  deleting?: boolean;
  labels?: Record<string, string>;
}

/** A Pod as the API server has it; `key` is `namespace/name`. */
export function pod(key: string, parts: PodParts = {}): FakePod {
  const [namespace = '', name = ''] = key.split('/');
  const { node, ips = [], phase = 'Running', hostNetwork, started = '2026-01-01T00:00:00Z', deleting, labels } = parts;
  return {
    metadata: { namespace, name, labels: labels ?? {}, ...(deleting && { deletionTimestamp: '2026-01-02T00:00:00Z' }) },
    spec: { ...(node !== undefined && { nodeName: node }), ...(hostNetwork && { hostNetwork }) },
    status: {
      phase,
      startTime: started,
      ...(ips[0] !== undefined && { podIP: ips[0] }),
      podIPs: ips.map((ip) => ({ ip })),
    },
  };
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < patience(2000); i++) {
    if (condition()) return;
    await sleep(2);
  }
  throw new Error(`never came: ${what}`);
}

/** A Service with these addresses, the first its clusterIP. */
export function service(key: string, addresses: string[], more: { spec?: object; status?: object } = {}): FakeObject {
  const [namespace = '', name = ''] = key.split('/');
  const spec = { type: 'ClusterIP', clusterIP: addresses[0] ?? 'None', clusterIPs: addresses, ...more.spec };
  return { metadata: { namespace, name }, spec, ...(more.status && { status: more.status }) };
}

export interface EndpointParts {
  ip: string;
  node?: string;
  /** in the Service's namespace */
  pod?: string;
  ready?: boolean;
}

/** An EndpointSlice of a Service. */
export function slice(of: string, endpoints: EndpointParts[], name = `${of.split('/')[1]}-1`): FakeObject {
  const [namespace = '', serviceName = ''] = of.split('/');
  return {
    metadata: { namespace, name, labels: { 'kubernetes.io/service-name': serviceName } },
    endpoints: endpoints.map(({ ip, node, pod: target, ready = true }) => ({
      addresses: [ip],
      conditions: { ready },
      ...(node !== undefined && { nodeName: node }),
      ...(target !== undefined && { targetRef: { kind: 'Pod', namespace, name: target } }),
    })),
  };
}

/** Of an API server on this host, whose CA is beside the file; `change` spoils it. */
export function writeKubeconfig(file: string, port: number, change: (text: string) => string = (text) => text): string {
  const text = `apiVersion: v1
kind: Config
current-context: here
clusters:
  - name: fake
    cluster: { server: "https://127.0.0.1:${port}", certificate-authority: "pki/ca.crt", tls-server-name: kubernetes }
users:
  - name: agent
    user: { token: ${TOKEN} }
contexts:
  - name: here
    context: { cluster: fake, user: agent }
`;
  writeFileSync(file, change(text));
  return file;
}
