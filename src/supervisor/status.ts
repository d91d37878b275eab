/** `tlshubctl status`: what is known of the agent, gathered from its parts. */
import type { RingReport, StatusReport } from '../report/status.js';
import type { Scope } from './gate/cgroups.js';
import { delayPercentile, type DelayCounts } from '../shared/ipc/delays.js';
import type { RingStats } from '../shared/ipc/ring.js';
import { VERSION } from '../shared/files/package.js';
import type { Dispatcher } from './flow/dispatcher.js';
import type { MappingSources } from './settings/mapping-sources.js';
import type { ProviderSwitch } from './provider/switch.js';
import { whyNotReady } from './readiness.js';
import type { Reloader } from './settings/reload.js';
import type { InForce } from './settings/in-force.js';

export interface StatusParts {
  inForce: InForce;
  configFile: string;
  reloader: Pick<Reloader, 'lastError' | 'waiting' | 'counts'>;
  scope: Pick<Scope, 'cgroups' | 'waiting'>;
  sources: Pick<MappingSources, 'description' | 'staleness'>;
  dispatcher: Dispatcher;
  provider: ProviderSwitch;
  rings(): Record<string, RingStats & { overflows: number }>;
  lost(): number;
  delays(): DelayCounts;
  gateCounters(): Record<string, number>;
  guardianPid(): number | null;
  adopted: boolean;
  startedAt: number;
  draining(): boolean;
  swept(): boolean;
}

function toRing(counts: DelayCounts): StatusReport['events']['toRing'] {
  const us = (p: number): number | null => {
    const value = delayPercentile(counts, p);
    return Number.isFinite(value) ? value : null;
  };
  return { p50Us: us(50), p99Us: us(99), maxUs: us(100), counts };
}

export function statusReport(parts: StatusParts): StatusReport {
  const { dispatcher, provider, reloader } = parts;
  const { config, mapping } = parts.inForce.current;
  const { events, failures, secured, plaintext, refused, closedUnsecured } = dispatcher.counters.values;
  const notReady = whyNotReady({
    swept: parts.swept(),
    draining: parts.draining(),
    guardian: config.guardian ? parts.guardianPid() !== null : undefined,
    workers: provider.stats().workers,
    staleMapping: parts.sources.staleness(),
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
    cgroups: parts.scope.cgroups,
    cgroupsAwaited: [...parts.scope.waiting],
    configFile: parts.configFile,
    mapping: { source: parts.sources.description, pods: mapping.size, networks: mapping.networkCount },
    flows: dispatcher.byState(),
    totals: { secured, plaintext, refused, closedUnsecured },
    failures: { ...failures },
    events: { received: { ...events }, lost: parts.lost(), toRing: toRing(parts.delays()) },
    rings,
    gate: parts.gateCounters(),
    adopted: parts.adopted,
    lease: { ttlMs: config.leaseMs, guardianPid: parts.guardianPid() },
    uptimeMs: Math.round(performance.now() - parts.startedAt),
    draining: parts.draining(),
    ready: notReady.length === 0,
    notReady,
    reloads: { ...reloader.counts },
    needsRestart: reloader.waiting.map(({ key, before, after }) => ({ key, inForce: before, wanted: after })),
    lastConfigError: reloader.lastError,
  };
}
