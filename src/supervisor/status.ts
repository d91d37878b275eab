// SPDX-License-Identifier: Apache-2.0
/** `tlshubctl status`: what is known of the agent, gathered from its parts. */
import type { ProblemReport } from '../report/problem.js';
import type { RingReport, StatusReport } from '../report/status.js';
import type { ChannelsView } from '../report/channel.js';
import type { AccessLog } from '../metrics/access-log.js';
import type { OtlpExport } from '../otlp/export.js';
import type { Attached } from './attach.js';
import type { BootStateKeeper } from './gate/boot-state.js';
import type { Startup } from './startup.js';
import type { Sweeper } from './sweeper.js';
import type { EventReader, Installer } from './threads.js';
import { delayPercentile, type DelayCounts } from '../shared/ipc/delays.js';
import { VERSION } from '../shared/files/package.js';
import type { Helpers } from '../shared/kernel/helpers-addon.js';
import type { Dispatcher } from './flow/dispatcher.js';
import type { MappingSources } from './settings/mapping-sources.js';
import { countEpochs } from './provider/epoch-counts.js';
import type { ProviderSwitch } from './provider/switch.js';
import { problemsOf, reloadProblems } from './problems.js';
import { certificateReports } from './settings/certificates.js';
import { keyExposure } from './settings/credentials.js';
import type { Reloader } from './settings/reload.js';
import type { InForce } from './settings/in-force.js';

export interface StatusParts {
  inForce: InForce;
  configFile: string;
  reloader: Pick<Reloader, 'lastError' | 'lastCredentialsError' | 'waiting' | 'counts'>;
  attached: Pick<Attached, 'adopted' | 'bootGateSince' | 'scope' | 'guardian' | 'hold' | 'holder' | 'silences'>;
  helpers: Pick<Helpers, 'figures'>;
  sources: Pick<MappingSources, 'description' | 'staleness'>;
  dispatcher: Dispatcher;
  provider: ProviderSwitch;
  /** asked each time: they come and go with the settings */
  channels: () => ChannelsView;
  reader: Pick<EventReader, 'ring' | 'counts' | 'delays'>;
  accessLog: Pick<AccessLog, 'report'>;
  otlp: Pick<OtlpExport, 'report'>;
  bootState: Pick<BootStateKeeper, 'report'>;
  installer: Pick<Installer, 'commandRing' | 'reports'>;
  sweeper: Pick<Sweeper, 'swept'>;
  gateCounters(): Record<string, number>;
  /** performance.now() when the agent began */
  startedAt: number;
  startup: Pick<Startup, 'steps'>;
  draining(): boolean;
}

function toRing(counts: DelayCounts): StatusReport['events']['toRing'] {
  const us = (p: number): number | null => {
    const value = delayPercentile(counts, p);
    return Number.isFinite(value) ? value : null;
  };
  return { p50Us: us(50), p99Us: us(99), maxUs: us(100), counts };
}

/** What is amiss with the agent now, but for reloads that failed. */
export function agentProblems(parts: Omit<StatusParts, 'gateCounters'>): ProblemReport[] {
  const { attached, inForce, provider, sources } = parts;
  const { config, mapping } = inForce.current;
  return problemsOf({
    now: Date.now(),
    late: attached
      .silences()
      .filter(({ ms }) => ms >= config.leaseMs)
      .map(({ thread }) => thread),
    swept: parts.sweeper.swept,
    draining: parts.draining(),
    guardian: config.guardian ? attached.guardian.pid !== null : undefined,
    workers: provider.stats().workers,
    staleMapping: sources.staleness(),
    mapping: { networks: mapping.networkCount, source: sources.description },
    cgroupsAwaited: attached.scope.waiting,
    certificates: certificateReports(inForce.current),
    keyExposure: keyExposure(config),
    accessLog: parts.accessLog.report(),
    otlp: parts.otlp.report(),
    bootState: parts.bootState.report(),
  });
}

export function statusReport(parts: StatusParts): StatusReport {
  const { attached, dispatcher, installer, provider, reader, reloader } = parts;
  const channels = parts.channels();
  const { config, mapping } = parts.inForce.current;
  const {
    events,
    exchanges,
    failures,
    secured,
    plaintext,
    plaintextLoopback,
    refused,
    closedUnsecured,
    flushed,
    pushed,
    helpersLostElsewhere,
  } = dispatcher.counters.values;
  const helpers = parts.helpers.figures();
  const threads = attached.silences();
  const failed = [reloader.lastError, reloader.lastCredentialsError].filter((one) => one !== null);
  const problems = [...agentProblems(parts), ...reloadProblems(failed)];
  const notReady = problems.filter(({ severity }) => severity === 'error').map(({ message }) => message);
  const rings: RingReport[] = [
    { name: 'events', stats: reader.ring.stats(), overflows: reader.counts().full },
    { name: 'commands', stats: installer.commandRing().stats(), overflows: dispatcher.commandsDelayed },
    { name: 'reports', stats: installer.reports.ring.stats(), overflows: 0 },
  ].map(({ name, stats, overflows }) => ({
    name,
    capacityBytes: stats.capacity,
    usedBytes: stats.used,
    overflows,
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
    exchange: provider.name === 'tlshub' ? 'out-of-band' : config.exchange,
    policy: config.policy,
    cgroups: attached.scope.cgroups,
    cgroupsAwaited: [...attached.scope.waiting],
    configFile: parts.configFile,
    mapping: {
      ...{ source: parts.sources.description, pods: mapping.size, networks: mapping.networkCount },
      ...mapping.serviceFigures,
    },
    flows: dispatcher.byState(),
    totals: { secured, plaintext, plaintextLoopback, refused, closedUnsecured },
    exchanges: { ...exchanges },
    channels: { ...channels.totals(), epochs: countEpochs(channels.reports()) },
    failures: { ...failures },
    events: { received: { ...events }, lost: reader.counts().lost, toRing: toRing(reader.delays()) },
    rings,
    gate: parts.gateCounters(),
    adopted: attached.adopted,
    lease: {
      ...{ ttlMs: config.leaseMs, threads },
      ...{ guardianPid: attached.guardian.pid, guardianRestarts: attached.guardian.restarts },
    },
    hold: {
      ...attached.hold,
      ...{ holderPid: attached.holder?.pid ?? null, holderRestarts: attached.holder?.restarts ?? 0 },
    },
    helpers,
    helpersLost: helpers.lostEver + helpersLostElsewhere,
    pushes: { endings: flushed, openRecords: pushed },
    accessLog: parts.accessLog.report(),
    otlp: parts.otlp.report(),
    bootGate: { ...parts.bootState.report(), shutSince: attached.bootGateSince },
    uptimeMs: Math.round(performance.now() - parts.startedAt),
    startup: parts.startup.steps,
    draining: parts.draining(),
    ready: notReady.length === 0,
    notReady,
    problems,
    certificates: certificateReports(parts.inForce.current),
    reloads: { ...reloader.counts },
    needsRestart: reloader.waiting.map(({ key, before, after }) => ({ key, inForce: before, wanted: after })),
    lastConfigError: reloader.lastError,
    lastCredentialsError: reloader.lastCredentialsError,
  };
}
