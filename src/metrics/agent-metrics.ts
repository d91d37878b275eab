// SPDX-License-Identifier: Apache-2.0
/** The metrics of the agent as a whole: its status, as time series. */
import { memoryUsage, cpuUsage } from 'node:process';
import { CHANNEL_DIRECTIONS, CHANNEL_STATES } from '../report/channel.js';
import { EXCHANGES, type FlowState } from '../report/flow.js';
import type { StatusReport } from '../report/status.js';
import { ERROR_CODES } from '../shared/errors/catalog.js';
import type { MetricsRegistry, Sample } from './registry.js';

/** Of flows that are there; what is over is counted, not measured. */
const LIVE_STATES: readonly FlowState[] = ['held', 'negotiating', 'secured', 'plaintext'];
const PROVIDERS = ['openssl', 'boringssl', 'tlshub'];
const CERTIFICATE_KEYS = ['tls.cert', 'tls.ca'] as const;
const RESULTS = ['started', 'succeeded', 'failed', 'full'] as const;
const LINE_RESULTS = ['written', 'dropped'] as const;
/** How they are called in the settings (otlp.export) and in the status. */
const EXPORTED = { metrics: 'metrics', access_log: 'accessLog' } as const;
/** More than there are of these tables' entries. */
const TABLE = 64;

/** @param read the agent's status now; asked once for each collection */
export function registerAgentMetrics(metrics: MetricsRegistry, read: () => StatusReport): void {
  let status: StatusReport;
  metrics.beforeCollect(() => (status = read()));

  metrics.gauge(
    { name: 'tlshub_build_info', help: 'Always 1; the label has the version.', labels: { version: 1 } },
    () => [[1, { version: status.version }]],
  );
  metrics.gauge({ name: 'tlshub_ready', help: '1 while the agent secures new connections (as /readyz says).' }, () =>
    Number(status.ready),
  );
  metrics.gauge({ name: 'tlshub_draining', help: '1 from SIGTERM on.' }, () => Number(status.draining));
  metrics.gauge({ name: 'tlshub_uptime_seconds', help: 'Since the agent began.' }, () => status.uptimeMs / 1000);
  metrics.gauge(
    { name: 'tlshub_guardian_alive', help: '1 while a guardian runs; without one blocking programs are refused.' },
    () => Number(status.lease.guardianPid !== null),
  );
  for (const [name, who, read] of [
    ['guardian', 'Guardians', () => status.lease.guardianRestarts],
    ['holder', 'Holders', () => status.hold.holderRestarts],
  ] as const) {
    const help = `${who} that were started since the one before had ended.`;
    metrics.counter({ name: `tlshub_${name}_restarts_total`, help }, read);
  }
  metrics.gauge(
    {
      name: 'tlshub_config_last_reload_successful',
      help: '0 after a reload that failed: the old configuration is in force.',
    },
    () => Number(status.lastConfigError === null),
  );
  metrics.gauge(
    { name: 'tlshub_policy_strict', help: '1 with policy = strict: what is outside the mesh is refused, not let go.' },
    () => Number(status.policy === 'strict'),
  );
  registerCertificates(metrics, () => status);
  metrics.gauge({ name: 'tlshub_mapping_pods', help: 'Pods in the mapping.' }, () => status.mapping.pods);
  metrics.gauge(
    { name: 'tlshub_mapping_networks', help: 'Distinct networks in the mapping.' },
    () => status.mapping.networks,
  );

  for (const [name, help, field] of [
    ['services', 'Services in the mapping.', 'services'],
    ['service_addresses', 'Distinct addresses of services.', 'serviceAddresses'],
    [
      'services_without_endpoint',
      'Services that nobody stands behind: whoever connects to one is refused.',
      'servicesWithoutEndpoint',
    ],
  ] as const) {
    metrics.gauge({ name: `tlshub_mapping_${name}`, help }, () => status.mapping[field]);
  }

  registerFlows(metrics, () => status);
  registerExport(metrics, () => status);
  registerProviders(metrics, () => status);
  registerChannels(metrics, () => status);
  registerKernelSide(metrics, () => status);
  registerProcess(metrics);
}

/** Of those that stand between this node and its peers: the soonest of each file counts. */
function registerCertificates(metrics: MetricsRegistry, status: () => StatusReport): void {
  metrics.gauge(
    {
      name: 'tlshub_certificate_expiry_timestamp_seconds',
      help: 'When the certificates of this node (tls.cert), and the CA that they are of (tls.ca), expire, in seconds since 1970.',
      labels: { key: CERTIFICATE_KEYS },
    },
    () =>
      CERTIFICATE_KEYS.flatMap((key) => {
        const ends = status()
          .certificates.filter((one) => one.inUse && one.key === key)
          .map(({ notAfter }) => Date.parse(notAfter) / 1000);
        return ends.length === 0 ? [] : [[Math.min(...ends), { key }] as const];
      }),
  );
}

function registerFlows(metrics: MetricsRegistry, status: () => StatusReport): void {
  metrics.gauge(
    { name: 'tlshub_flows', help: 'Connections that exist, by state.', labels: { state: LIVE_STATES } },
    () => LIVE_STATES.map((state) => [status().flows[state], { state }] as const),
  );
  metrics.counter(
    { name: 'tlshub_flows_secured_total', help: 'Connections that the kernel encrypts, or did until they ended.' },
    () => status().totals.secured,
  );
  metrics.counter(
    {
      name: 'tlshub_flows_exchange_total',
      help: 'Of the secured ones: how the two agents came by the keys.',
      labels: { exchange: EXCHANGES },
    },
    () => entries(status().exchanges, 'exchange'),
  );
  metrics.counter(
    { name: 'tlshub_flows_plaintext_total', help: 'Connections that the policy let go in plaintext.' },
    () => status().totals.plaintext,
  );
  metrics.counter(
    {
      name: 'tlshub_flows_plaintext_loopback_total',
      help: 'Of these: connections by a loopback address, which never leave the node.',
    },
    () => status().totals.plaintextLoopback,
  );
  metrics.counter(
    {
      name: 'tlshub_flows_closed_unsecured_total',
      help: "Connections that were over before they were secured, by nobody's fault.",
    },
    () => status().totals.closedUnsecured,
  );
  metrics.counter(
    {
      name: 'tlshub_flows_refused_total',
      help: 'Connections refused by the agent or the gate, by error code (docs/ERRORS.md).',
      labels: { code: ERROR_CODES },
    },
    () => entries(status().failures, 'code'),
  );
  metrics.counter(
    {
      name: 'tlshub_access_log_lines_total',
      help: 'Lines of the access log, and those that found no room in its buffer.',
      labels: { result: LINE_RESULTS },
    },
    () => LINE_RESULTS.map((result) => [status().accessLog?.[result] ?? 0, { result }] as const),
  );
}

/** Of the export by OTLP: 0 while it is off. */
function registerExport(metrics: MetricsRegistry, status: () => StatusReport): void {
  const signals = Object.keys(EXPORTED) as (keyof typeof EXPORTED)[];
  for (const [what, help] of [
    [
      'exported',
      'Data points of metrics, and connections of the access log, that a collector has taken (otlp.endpoint).',
    ],
    ['dropped', 'Those that it did not take in time, or that found no room in the queue.'],
  ] as const) {
    metrics.counter({ name: `tlshub_otlp_${what}_total`, help, labels: { signal: signals } }, () =>
      signals.map((signal) => [status().otlp?.[EXPORTED[signal]][what] ?? 0, { signal }] as const),
    );
  }
}

function registerProviders(metrics: MetricsRegistry, status: () => StatusReport): void {
  const labels = { provider: PROVIDERS };
  metrics.gauge({ name: 'tlshub_provider_active', help: '1 for the key provider of new connections.', labels }, () =>
    status().providers.map(({ name, state }) => [Number(state === 'active'), { provider: name }] as const),
  );
  for (const [name, help, field] of [
    ['workers', 'Worker threads.', 'workers'],
    ['in_flight', 'Negotiations under way.', 'inFlight'],
    ['queued', 'Connections that wait for a place in the pool.', 'queued'],
  ] as const) {
    metrics.gauge({ name: `tlshub_provider_${name}`, help, labels }, () =>
      status().providers.map((provider) => [provider[field], { provider: provider.name }] as const),
    );
  }
  metrics.counter(
    {
      name: 'tlshub_negotiations_total',
      help: 'Negotiations by what became of them; full: neither a place nor room in the queue.',
      labels: { provider: PROVIDERS, result: RESULTS },
    },
    () =>
      status().providers.flatMap((provider) =>
        RESULTS.map((result) => [provider[result], { provider: provider.name, result }] as const),
      ),
  );
  metrics.counter(
    { name: 'tlshub_provider_workers_lost_total', help: 'Worker threads that died or were ended.', labels },
    () => status().providers.map(({ name, workersLost }) => [workersLost, { provider: name }] as const),
  );
}

function registerChannels(metrics: MetricsRegistry, status: () => StatusReport): void {
  metrics.gauge(
    {
      name: 'tlshub_channel_epochs',
      help: 'Epochs of channels to other nodes; opened: by this agent, accepted: by theirs.',
      labels: { direction: CHANNEL_DIRECTIONS, state: CHANNEL_STATES },
    },
    () =>
      CHANNEL_DIRECTIONS.flatMap((direction) =>
        CHANNEL_STATES.map((state) => [status().channels.epochs[direction][state], { direction, state }] as const),
      ),
  );
  metrics.counter(
    {
      name: 'tlshub_channel_epochs_opened_total',
      help: 'Epochs that became usable.',
      labels: { direction: CHANNEL_DIRECTIONS },
    },
    () => entries(status().channels.opened, 'direction'),
  );
  metrics.counter(
    {
      name: 'tlshub_channel_epochs_failed_total',
      help: 'Epochs that did not become usable, or were lost before their time, by error code (docs/ERRORS.md).',
      labels: { code: ERROR_CODES },
    },
    () => entries(status().channels.failed, 'code'),
  );
  metrics.counter(
    {
      name: 'tlshub_channel_numbers_taken_total',
      help: 'Connections that came with a number of an epoch which had been used: they are refused.',
    },
    () => status().channels.numbersTaken,
  );
  metrics.gauge(
    { name: 'tlshub_channel_half_open', help: 'Handshakes with the listener of channels that are under way.' },
    () => status().channels.halfOpen,
  );
  metrics.counter(
    {
      name: 'tlshub_channel_turned_away_total',
      help: 'Connections to the listener of channels that were closed at once, since too many were half-open.',
    },
    () => status().channels.turnedAway,
  );
}

function registerKernelSide(metrics: MetricsRegistry, status: () => StatusReport): void {
  metrics.counter(
    { name: 'tlshub_events_total', help: 'Events read from the gate, by kind.', labels: { kind: TABLE } },
    () => entries(status().events.received, 'kind'),
  );
  metrics.counter(
    {
      name: 'tlshub_events_lost_total',
      help: 'Events that the perf buffer had no room for; the sweep makes up for them.',
    },
    () => status().events.lost,
  );
  metrics.counter({ name: 'tlshub_gate_total', help: "The gate's own counters.", labels: { counter: TABLE } }, () =>
    entries(status().gate, 'counter'),
  );
  metrics.counter(
    {
      name: 'tlshub_pushes_total',
      help: 'Times that TCP was given for a program what TLS still had of its bytes: the end of a connection, or a record left open.',
      labels: { kind: TABLE },
    },
    () => entries({ ...status().pushes }, 'kind'),
  );
  metrics.counter(
    {
      name: 'tlshub_helpers_lost_total',
      help: 'Helper processes that were given up: a program kept a system call on a socket of its waiting.',
    },
    () => status().helpersLost,
  );
  metrics.counter(
    {
      name: 'tlshub_helpers_refused_total',
      help: 'Tasks that were given to no helper, since the cgroup concerned has as many lost ones as it may have.',
    },
    () => status().helpers.refused,
  );
  const labels = { ring: TABLE };
  metrics.gauge({ name: 'tlshub_ring_capacity_bytes', help: 'Size of a ring between two threads.', labels }, () =>
    status().rings.map(({ name, capacityBytes }) => [capacityBytes, { ring: name }] as const),
  );
  metrics.gauge({ name: 'tlshub_ring_used_bytes', help: 'Bytes waiting in it.', labels }, () =>
    status().rings.map(({ name, usedBytes }) => [usedBytes, { ring: name }] as const),
  );
  metrics.counter({ name: 'tlshub_ring_overflows_total', help: 'Times that it was full.', labels }, () =>
    status().rings.map(({ name, overflows }) => [overflows, { ring: name }] as const),
  );
}

/** By their customary names. prom-client's own set would wake an idle agent a hundred times a second (it samples the event loop). */
function registerProcess(metrics: MetricsRegistry): void {
  const startedAt = Date.now() / 1000 - process.uptime();
  metrics.gauge(
    { name: 'process_start_time_seconds', help: 'Start of the process, in seconds since 1970.' },
    () => startedAt,
  );
  metrics.counter({ name: 'process_cpu_seconds_total', help: 'User and system CPU time, all threads.' }, () => {
    const { user, system } = cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory.' }, () => memoryUsage.rss());
}

function entries<L extends string>(values: Record<string, number>, label: L): Sample<L>[] {
  return Object.entries(values).map(([name, value]) => [value, { [label]: name } as Record<L, string>]);
}
