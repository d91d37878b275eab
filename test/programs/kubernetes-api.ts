// SPDX-License-Identifier: Apache-2.0
/**
 * An API server for Pods (test/fakes/kubernetes-api.ts) as a program: `node kubernetes-api.js PORT TOKEN KEY CERTIFICATE PODS`. PODS is a file
 * of JSON: by `namespace/name` the node and the addresses of each Pod. It is read at the start and at every SIGHUP; each time says `ready`.
 */
import { readFileSync } from 'node:fs';
import { KubernetesApi } from '../fakes/kubernetes-api.js';

const [, , port = '', token = '', key = '', certificate = '', file = ''] = process.argv;
type Pods = Record<string, { node: string; ips: string[] }>;
let present: Pods = {};

const api = new KubernetesApi({ tls: { key: readFileSync(key), cert: readFileSync(certificate) }, token });

function read(): void {
  const wanted = JSON.parse(readFileSync(file, 'utf8')) as Pods;
  for (const gone of Object.keys(present).filter((name) => !(name in wanted))) api.remove(gone);
  for (const [full, { node, ips }] of Object.entries(wanted)) {
    const [namespace = '', name = ''] = full.split('/');
    api.put({
      metadata: { namespace, name },
      spec: { nodeName: node },
      status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })), startTime: new Date().toISOString() },
    });
  }
  present = wanted;
  process.stdout.write('ready\n');
}

process.on('SIGHUP', read);
await api.listen(Number(port));
read();
