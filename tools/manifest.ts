// SPDX-License-Identifier: Apache-2.0
/**
 * `node build/tools/manifest.js`: writes deploy/kubernetes/tlshub.yaml, the chart as Helm renders it with the values it comes with, for
 * whoever has no Helm.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHART } from './chart.js';

export const MANIFEST = 'deploy/kubernetes/tlshub.yaml';

const HEAD = [
  `Made from ${CHART} by \`node build/tools/manifest.js\`; with Helm, use the chart itself.`,
  `The agent on every node of a cluster: \`kubectl apply -f ${MANIFEST}\`. Before it:`,
  '  - the image of deploy/Dockerfile where the nodes can pull it, and its name below;',
  "  - in each node, /etc/tlshub/pki with ca.crt, node.crt and node.key: a certificate whose DNS SAN is the node's name, as",
  '    `kubectl get nodes` has it. docs/KUBERNETES.md says how.',
  'Pods are captured by their cgroups: capture.cgroup in the ConfigMap.',
].map((line) => `# ${line}\n`);

export function renderManifest(root: string): string {
  const options = ['template', 'tlshub', join(root, CHART), '--namespace', 'tlshub', '--set', 'createNamespace=true'];
  const rendered = execFileSync(join(root, 'scripts/helm'), options, { encoding: 'utf8' });
  return HEAD.join('') + rendered.replace(/^# Source: .*\n/gm, '').trimEnd() + '\n';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  writeFileSync(join(root, MANIFEST), renderManifest(root));
  console.log(`wrote ${MANIFEST}`);
}
