// SPDX-License-Identifier: Apache-2.0
/** The export by OTLP by the settings in force. */
import { hostname } from 'node:os';
import type { Logger } from '../logging/logger.js';
import type { MetricsRegistry } from '../metrics/registry.js';
import { OtlpExport } from '../otlp/export.js';
import type { OtlpTarget } from '../otlp/target.js';
import { VERSION } from '../shared/files/package.js';
import type { InForce, Settings } from './settings/in-force.js';

/** It begins with `follow`. */
export function otlpExport(inForce: InForce, metrics: MetricsRegistry, log: Logger): OtlpExport {
  const exporter = new OtlpExport({
    target: () => targetOf(inForce.current),
    families: () => metrics.families(),
    sinceMs: Date.now() - process.uptime() * 1000,
    log,
  });
  inForce.onSwap(() => exporter.follow());
  return exporter;
}

/** undefined: nothing is exported */
export function targetOf({ config, otlpFiles }: Pick<Settings, 'config' | 'otlpFiles'>): OtlpTarget | undefined {
  const { endpoint, export: signals, intervalMs, timeoutMs, resource } = config.otlp;
  if (endpoint === '') return undefined;
  const more = resource.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]);
  return {
    ...{ endpoint, signals, intervalMs, timeoutMs, ...otlpFiles },
    // Names of OpenTelemetry's semantic conventions. Who turns them into Prometheus' labels makes `job` of the first and `instance` of the third.
    resource: {
      'service.name': 'tlshub',
      'service.version': VERSION,
      'service.instance.id': config.nodeName,
      'host.name': hostname(),
      ...(config.podSource === 'kubernetes' && { 'k8s.node.name': config.nodeName }),
      ...(Object.fromEntries(more) as Record<string, string>),
    },
  };
}
