/** `tlshubctl status`: what is known of the agent, gathered from its parts. */
import type { RingReport, StatusReport } from '../control/index.js';
import type { RingStats } from '../shared/ring.js';
import { VERSION } from '../shared/version.js';
import type { Dispatcher } from './dispatcher.js';
import type { ProviderSwitch } from './provider-switch.js';
import { whyNotReady } from './readiness.js';
import type { InForce } from './settings.js';

export interface StatusParts {
  inForce: InForce;
  configFile: string;
  dispatcher: Dispatcher;
  provider: ProviderSwitch;
  rings(): Record<string, RingStats & { overflows: number }>;
  lost(): number;
  gateCounters(): Record<string, number>;
  guardianPid(): number | null;
  adopted: boolean;
  startedAt: number;
  draining(): boolean;
  swept(): boolean;
}

export function statusReport(parts: StatusParts): StatusReport {
  const { dispatcher, provider } = parts;
  const { config, mapping } = parts.inForce.current;
  const { events, failures, secured, plaintext, refused, closedUnsecured } = dispatcher.counters.values;
  const notReady = whyNotReady({
    swept: parts.swept(),
    draining: parts.draining(),
    guardian: config.guardian ? parts.guardianPid() !== null : undefined,
    workers: provider.stats().workers,
  });
  const rings: RingReport[] = Object.entries(parts.rings()).map(([ring, stats]) => ({
    name: ring,
    capacityBytes: stats.capacity,
    usedBytes: stats.used,
    overflows: stats.overflows,
  }));
  return {
    version: VERSION,
    pid: process.pid,
    node: config.nodeName,
    mode: provider.name,
    providers: provider.reports().map(({ library, ...stats }) => ({
      ...stats,
      libraryVersion: library?.version ?? '',
      libraryFile: library?.file ?? '',
    })),
    policy: config.policy,
    cgroups: [...config.capture.cgroup],
    configFile: parts.configFile,
    mapping: { pods: mapping.size, networks: mapping.networkCount },
    flows: dispatcher.byState(),
    totals: { secured, plaintext, refused, closedUnsecured },
    failures: { ...failures },
    events: { received: { ...events }, lost: parts.lost() },
    rings,
    gate: parts.gateCounters(),
    adopted: parts.adopted,
    lease: { ttlMs: config.leaseMs, guardianPid: parts.guardianPid() },
    uptimeMs: Math.round(performance.now() - parts.startedAt),
    draining: parts.draining(),
    ready: notReady.length === 0,
    notReady,
    lastConfigError: null,
  };
}
