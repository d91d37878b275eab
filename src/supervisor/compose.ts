/**
 * The composition point: makes all parts, joins them, and takes them apart again. docs/ARCHITECTURE.md has the picture.
 *
 * Order of coming up: everything that can fail by configuration first (nothing is attached then), among it the lock on the pins, the control
 * socket and the ciphers; the provider's threads, the gate with
 * the mesh in it (so there is no moment in which a pod's connection would pass as plaintext), the threads that need its maps, and a sweep
 * for what happened before they ran. Order of going: drain, refuse the rest, gate, guardian, threads. Anything unexpected ends the process
 * with the gate shut.
 */
import { readFileSync } from 'node:fs';
import { builtFile } from '../shared/files/package.js';
import type { Config } from '../config/schema.js';
import type { ReloadReport } from '../report/reload.js';
import type { StatusReport } from '../report/status.js';
import { startControlServer } from '../control/server.js';
import { startHealthServer } from '../health/server.js';
import { parseListenAddress } from '../shared/net/listen-address.js';
import type { Logger } from '../logging/logger.js';
import { createThrottle } from '../logging/throttle.js';
import { registerAgentMetrics } from '../metrics/agent-metrics.js';
import { registerFlowMetrics } from '../metrics/flow-exposition.js';
import { FlowMetrics } from '../metrics/flow-metrics.js';
import { PerfReporter } from '../metrics/perf-reporter.js';
import { MetricsRegistry } from '../metrics/registry.js';
import { Scope, planScope } from './gate/cgroups.js';
import { Wants, checkAbi, decodeEvent, type AbiTable, type SweepRecord } from '../shared/kernel/abi.js';
import { monotonicNs } from '../shared/kernel/clock.js';
import { Doorbell } from '../shared/ipc/doorbell.js';
import { PermissionError } from '../shared/errors/errors.js';
import { kernel } from '../shared/kernel/native.js';
import { SlotTable, createSlots } from '../shared/ipc/slots.js';
import { readSweep } from '../shared/kernel/sweep-records.js';
import { controlHandlers } from './control-handlers.js';
import { DirectoryHistory } from './settings/directory.js';
import { Dispatcher } from './flow/dispatcher.js';
import { drain, type Drainable } from '../shared/async/drain.js';
import { takeAgentLock } from './gate/agent-lock.js';
import { tryCiphers } from './gate/ciphers.js';
import { GateUpdate, openGate } from './gate/settings.js';
import { Guardian } from './gate/guardian.js';
import { MappingSources } from './settings/mapping-sources.js';
import { wantsOf } from './flow/marker.js';
import { ProviderSwitch, type ProviderPlan } from './provider/switch.js';
import { knownProvider, planProvider } from './provider/plans.js';
import { RingRegistry } from './provider/ring-registry.js';
import { pump } from '../shared/async/pump.js';
import { Reloader } from './settings/reload.js';
import { Rest } from './idle-collection.js';
import { revokeForbidden } from './flow/revocation.js';
import { InForce, firstSettings, type Settings } from './settings/in-force.js';
import { statusReport } from './status.js';
import { continueForgotten, sweepNow } from './flow/sweep.js';
import { startEventReader, startInstaller } from './threads.js';

/** How often the kernel's list of flows is read though nothing was lost, and how soon after a loss, in ms. */
const SWEEP_EVERY_MS = 5000;
const SWEEP_AFTER_LOSS_MS = 50;
/** A lease is renewed so often that four renewals may be late. */
const LEASE_SHARE = 5;
/** For the installer to end what draining has refused, in ms. */
const LAST_ANSWERS_MS = 3000;
const IDLE_LOOK_MS = 10;
/** For an old provider, beyond the deadline of its last negotiation, in ms. */
const RETIRE_GRACE_MS = 5000;

const OBJECT_ABI = builtFile('bpf/abi.json');
const GUARDIAN = builtFile('native/tlshub-guardian');

export interface Supervisor {
  /** Reads configuration, mapping and credentials anew. Rejects with what is wrong with them, which is logged; then all is as before. */
  reload(): Promise<ReloadReport>;
  /** Writes metrics files, in its own time; the log says where they are or why there are none. */
  writeMetrics(): void;
  /**
   * Drains, detaches, ends all threads, writes the metrics files. Secured connections run on. Never rejects with the gate open.
   * @returns false: all went well but for the metrics files
   */
  shutdown(): Promise<boolean>;
}

export interface ComposeOptions {
  config: Config;
  configFile: string;
  log: Logger;
  /** something that cannot be mended: the caller ends the process and leaves the gate shut */
  onFatal: (error: Error) => void;
}

/** @throws TlshubError and its kin, with the exit status of each */
export async function compose(options: ComposeOptions): Promise<Supervisor> {
  const { config, configFile, log, onFatal } = options;
  const startedAt = performance.now();
  knownProvider(config.mode);
  if (process.geteuid?.() !== 0) throw new PermissionError('the supervisor loads BPF programs and must run as root');
  const addon = kernel();
  checkAbi(addon.abi(), 'the native addon');
  checkAbi(JSON.parse(readFileSync(OBJECT_ABI, 'utf8')) as AbiTable, OBJECT_ABI);

  addon.boundMemory();

  const sources = new MappingSources(log.child({ component: 'mapping' }));
  const settings = await firstSettings(config, sources);
  const inForce = new InForce(settings);
  inForce.onSwap((now) => {
    log.setLevel(now.config.logLevel);
    log.setVerbose(now.config.verbose);
  });

  // What can fail, and what tells a second agent from the first, before the gate is touched.
  await takeAgentLock(addon, config.bpfPinDir);
  let captured = (): readonly string[] => config.capture.cgroup;
  const control = await startControlServer({
    path: config.controlSocket,
    logger: log.child({ component: 'control' }),
    captured: () => captured(),
  });
  process.once('exit', () => control.unlink());
  tryCiphers(addon, settings.credentials.ciphers);

  const metrics = new MetricsRegistry();
  let notReady = (): string[] => ['the agent is starting'];
  const listen = parseListenAddress(config.healthListen);
  const health =
    listen &&
    (await startHealthServer({
      listen,
      notReady: () => notReady(),
      metrics,
      log: log.child({ component: 'health' }),
    }));
  const doorbell = new Doorbell();
  const rings = new RingRegistry();
  const parts = { doorbell, rings, log: log.child({ component: 'provider' }) };
  const plan = (wanted: Settings): ProviderPlan => planProvider(wanted.config.mode, { ...parts, ...wanted });
  const provider = await ProviderSwitch.start(plan(settings), {
    retireMs: () => inForce.config.handshakeTimeoutMs + RETIRE_GRACE_MS,
    onFatal,
    log: parts.log,
  });

  const scopePlan = planScope(config.capture.cgroup);
  const gate = openGate(addon, settings, scopePlan.capture);
  const scope = new Scope(config.capture.cgroup, scopePlan, gate, log.child({ component: 'scope' }));
  captured = () => scope.cgroups;
  const announce = (): void =>
    addon.setWants(gate.fds.settings, inForce.config.marker ? wantsOf(provider.name) : Wants.UNKNOWN);
  announce();
  provider.onSwitch(announce);
  inForce.onSwap(announce);
  const lease = addon.startLease(
    gate.fds.leases,
    config.leaseMs,
    Math.max(50, Math.floor(config.leaseMs / LEASE_SHARE)),
  );
  const guardian = new Guardian({
    program: GUARDIAN,
    pinDir: config.bpfPinDir,
    graceMs: config.guardianGraceMs,
    leaseMs: config.leaseMs,
    log: log.child({ component: 'guardian' }),
  });
  if (config.guardian) guardian.start();

  const slots = new SlotTable(createSlots());
  const installer = await startInstaller({
    doorbell,
    slots: slots.buffer,
    fds: gate.fds,
    ciphers: [...settings.credentials.ciphers],
    ringBytes: config.ringBytes,
    onFailure: onFatal,
  });
  rings.attach(installer);

  const throttle = createThrottle(log);
  const flowMetrics = new FlowMetrics(config.metricsConnectionsKept);
  const directory = new DirectoryHistory(settings);
  const kernelFlows = (): Iterable<SweepRecord> => readSweep(addon, gate.fds.sweepLink);
  const dispatcher = new Dispatcher({
    kernel: addon,
    fds: gate.fds,
    slots,
    provider,
    directory,
    send: (command) => installer.send(command),
    observer: flowMetrics,
    sweep: kernelFlows,
    log: log.child({ component: 'dispatcher' }),
    limits: () => inForce.config,
  });
  const reader = await startEventReader({
    eventsFd: gate.fds.events,
    pagesPerCpu: config.perfPages,
    ringBytes: config.ringBytes,
    wake: (fd) => addon.wake(fd),
    onFailure: onFatal,
  });

  const rest = new Rest({
    collect: async () => {
      const beforeKb = process.memoryUsage.rss() / 1024;
      await provider.rest();
      installer.rest();
      reader.rest();
      addon.collectGarbage();
      addon.trimMemory();
      log.debug('at rest: garbage collected', {
        component: 'memory',
        beforeKb,
        afterKb: process.memoryUsage.rss() / 1024,
      });
    },
    trim: () => addon.trimMemory(),
  });

  let swept = false;
  const sweep = (): void => {
    const result = sweepNow(dispatcher, kernelFlows, (error) =>
      throttle.log('error', 'sweep', 'the sweep failed: lost events are not made up for', { error }),
    );
    const forgotten = continueForgotten(dispatcher, addon.stoppedFlows(gate.fds.stops), (cookie) =>
      addon.continueStopped(gate.fds, cookie),
    );
    swept ||= result !== undefined;
    if (forgotten > 0) log.info(`continued ${forgotten} processes that stood still for connections nobody works on`);
    if (result === undefined || result.found + result.gone + result.adopted === 0) return;
    log.debug('sweep', { component: 'dispatcher', ...result });
  };
  const continueAll = (): void => {
    for (const cookie of addon.stoppedFlows(gate.fds.stops)) addon.continueStopped(gate.fds, cookie);
  };
  let lostSeen = 0;
  let lossSweep: NodeJS.Timeout | undefined;
  const watchLosses = (): void => {
    const { lost } = reader.counts();
    if (lost === lostSeen) return;
    throttle.log('warning', 'lost', 'the perf buffer had no room for events: looking for their flows', { lost });
    lostSeen = lost;
    lossSweep ??= setTimeout(() => {
      lossSweep = undefined;
      sweep();
    }, SWEEP_AFTER_LOSS_MS);
  };
  pump({
    wait: () => reader.ring.wait(),
    drain: (max) => {
      const count = reader.ring.drain(
        (_tag, at, length) => dispatcher.onEvent(decodeEvent(reader.ring.view, at, length)),
        max,
      );
      watchLosses();
      return count;
    },
  }).catch(onFatal);
  pump({
    wait: () => installer.reports.ring.wait(),
    drain: (max) => installer.reports.receive((report) => dispatcher.onReport(report), max),
  }).catch(onFatal);
  sweep();
  const sweeping = setInterval(() => {
    watchLosses();
    sweep();
    scope.look();
    rest.look(reader.counts().records, performance.now());
  }, SWEEP_EVERY_MS);

  const perf = new PerfReporter({
    dir: () => inForce.config.metricsDir,
    node: config.nodeName,
    flows: () => {
      sweep(); // brings the counts of running connections up to date
      return flowMetrics.report(dispatcher.live(), monotonicNs());
    },
    log: log.child({ component: 'metrics' }),
  });
  let draining = false;
  const gateUpdate = new GateUpdate(addon, gate.fds);
  const reloader = new Reloader({
    configFile,
    inForce,
    sources,
    provider,
    plan,
    directory,
    gate: gateUpdate,
    scope,
    tryCipher: (cipher) => addon.tryCipher(cipher),
    revoke: () => revokeForbidden(dispatcher, inForce.current, kernelFlows()),
    draining: () => draining,
    log: log.child({ component: 'reload' }),
  });
  sources.onChange((change) => void reloader.mappingChanged(change));
  const status = (): StatusReport =>
    statusReport({
      inForce,
      configFile,
      reloader,
      sources,
      scope,
      dispatcher,
      provider,
      rings: () => ({
        events: { ...reader.ring.stats(), overflows: reader.counts().full },
        commands: { ...installer.commandRing().stats(), overflows: dispatcher.commandsDelayed },
        reports: { ...installer.reports.ring.stats(), overflows: 0 },
      }),
      lost: () => reader.counts().lost,
      delays: () => reader.delays(),
      gateCounters: () => addon.counters(gate.fds.counters),
      guardianPid: () => guardian.pid,
      adopted: gate.adopted,
      startedAt,
      draining: () => draining,
      swept: () => swept,
    });
  registerAgentMetrics(metrics, status);
  registerFlowMetrics(metrics, flowMetrics, () => dispatcher.traffic());
  notReady = () => status().notReady;
  control.serve(controlHandlers({ inForce, dispatcher, provider, reloader, metrics, status, sweep }));
  log.info(
    `ready: node ${config.nodeName}, ${settings.mapping.size} pods, policy ${config.policy}, keys by ${provider.name} (${libraryText(provider)})`,
    {
      cgroups: scope.cgroups,
      adopted: gate.adopted,
    },
  );

  const held: Drainable = {
    name: 'held connections',
    // The gate is on, so new connections still come; they are finished or refused like the others.
    stop: () => (draining = true),
    idle: () => until(() => dispatcher.pending().length === 0),
    force: () => void dispatcher.giveUpAll(DRAINED),
  };

  return {
    writeMetrics: () => void perf.write(),
    reload: () => reloader.reload(),
    shutdown: async () => {
      const outcome = await drain(held, inForce.config.drainTimeoutMs);
      clearInterval(sweeping);
      clearTimeout(lossSweep);
      let refused = 0;
      // Also those that no program has accepted, and those that come while others are being ended: nobody but us may have said anything
      // on a connection that goes on without the gate.
      const nothingBegun = (): boolean => {
        refused += dispatcher.giveUpAll(DRAINED);
        if (!quiet(dispatcher)) return false;
        sweep();
        refused += dispatcher.giveUpAll(DRAINED);
        return quiet(dispatcher);
      };
      const last = await drain(
        { name: 'last answers', stop: () => undefined, idle: () => until(nothingBegun), force: () => undefined },
        LAST_ANSWERS_MS,
      );
      const lastReport = perf.report();
      gateUpdate.close();
      scope.close();
      gate.detach();
      // The guardian goes after the gate: as long as the one may stop a program, the other is there to continue it.
      continueAll();
      log.info('drained', { ms: Math.round(outcome.ms), forced: outcome.forced, refused, unanswered: last.forced });
      await guardian.stop();
      dispatcher.close();
      await control.close();
      await health?.close();
      await reloader.idle();
      await sources.close();
      await provider.close();
      await reader.stop();
      await installer.stop();
      // Whoever was inside the gate when it was taken away.
      continueAll();
      lease.stop();
      const written = await perf.write(lastReport);
      throttle.flush();
      return written !== undefined;
    },
  };
}

const DRAINED = {
  state: 'refused',
  code: 'TLSHUB_DRAINING',
  reason: 'the agent is shutting down',
  final: false,
} as const;

function quiet(dispatcher: Dispatcher): boolean {
  return dispatcher.pending().length === 0 && dispatcher.table.pendingTickets === 0;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, IDLE_LOOK_MS));
}

function libraryText(provider: ProviderSwitch): string {
  const { library } = provider.stats();
  return library === undefined ? 'unknown' : `${library.version}, ${library.file}`;
}
