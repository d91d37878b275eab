// SPDX-License-Identifier: Apache-2.0
/**
 * What of charts/tlshub-ebpf is made from other files: which keys `config` takes, from the agent's own schema, and the README, whose table is
 * values.schema.json with the values of values.yaml.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { KEY_NAMES, keySpec, type KeyName } from '../src/config/keys.js';

export const CHART = 'charts/tlshub-ebpf';
export const SCHEMA = join(CHART, 'values.schema.json');

/** Keys that the chart sets from values of other names, or that its mounts and variables fix. */
const OF_THE_CHART: readonly KeyName[] = [
  ...(['mode', 'hold', 'policy', 'policy_exclude', 'policy_require'] as const),
  ...(['exchange', 'channel_listen', 'node_endpoints'] as const),
  ...(['pod_source', 'pod_node_config', 'kubernetes.kubeconfig', 'kubernetes.namespace'] as const),
  ...(['kubernetes.label_selector', 'kubernetes.host_network', 'kubernetes.services'] as const),
  ...(['capture.cgroup', 'tls.ca', 'tls.cert', 'tls.key', 'node_name'] as const),
  ...(['health_listen', 'metrics_dir', 'access_log', 'access_log_format', 'access_log_percent'] as const),
  ...(['control_socket', 'bpf_pin_dir'] as const),
];

/** Keys that `config` takes: all others, but those for tests. */
export const EXTRA_KEYS: readonly KeyName[] = KEY_NAMES.filter(
  (key) => !OF_THE_CHART.includes(key) && !keySpec(key).doc.startsWith('For tests only'),
);

interface Schema {
  description?: string;
  type?: string | string[];
  enum?: unknown[];
  properties?: Record<string, Schema>;
}

/** One line of capture.conf, whose comments begin with `#`. */
const VALUE = { type: ['string', 'integer', 'boolean'], pattern: '^[^#\\x00-\\x1f]*$' };

/** values.schema.json with `config` as the agent's schema has it. */
export function renderSchema(root: string): string {
  const schema = JSON.parse(readFileSync(join(root, SCHEMA), 'utf8')) as { properties: Record<string, unknown> };
  schema.properties['config'] = {
    type: 'object',
    description: `Further keys of capture.conf and their values; docs/CONFIGURATION.md has them all. Not those that other values set.`,
    additionalProperties: false,
    properties: Object.fromEntries(
      EXTRA_KEYS.map((key) => [key, { ...VALUE, description: `Allowed: ${keySpec(key).format.allowed}.` }]),
    ),
  };
  return JSON.stringify(schema);
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function rows(schema: Schema, values: unknown, path: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const key = path === '' ? name : `${path}.${name}`;
    const value = (values as Record<string, unknown>)[name];
    const isOurs = inner.properties !== undefined && !['config', 'csi', 'updateStrategy'].includes(name);
    const allowed =
      inner.enum === undefined ? '' : ` One of ${inner.enum.map((one) => `\`${String(one)}\``).join(', ')}.`;
    const shown = isOurs ? '' : value === '' ? 'empty' : `\`${JSON.stringify(value)}\``;
    const row = `| \`${key}\` | ${cell((inner.description ?? '') + allowed)} | ${cell(shown)} |`;
    return isOurs ? [row, ...rows(inner, value, key)] : [row];
  });
}

export function renderChartReadme(root: string): string {
  const schema = JSON.parse(readFileSync(join(root, SCHEMA), 'utf8')) as Schema;
  const values = load(readFileSync(join(root, CHART, 'values.yaml'), 'utf8'));
  return `# tlshub-ebpf

Made from \`values.schema.json\`, \`values.yaml\` and \`tools/chart.ts\` by \`node build/tools/docs.js\`; do not edit.

The agent on every node of a cluster, as a DaemonSet: transparent mutual TLS between nodes. [KUBERNETES](../../docs/KUBERNETES.md) says how to install it, what to
know before, and what the chart was tried with.

    helm install tlshub charts/tlshub-ebpf --namespace tlshub --set image.repository=REGISTRY/tlshub-ebpf

Helm refuses a value that is not below, or not of its form.

| value | what it is | default |
| --- | --- | --- |
${rows(schema, values, '').join('\n')}
`;
}
