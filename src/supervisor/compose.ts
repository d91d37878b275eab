// SPDX-License-Identifier: Apache-2.0
/**
 * The composition point: makes all parts and joins them, and nothing else. docs/ARCHITECTURE.md has the picture.
 *
 * Order of coming up: everything that can fail by configuration first (nothing is attached then; the lock on the pins and the control
 * socket among it, so that a second agent ends here), while the kernel takes the gate's programs in (beginning.ts), the provider's
 * threads, and only then the gate with the mesh in it, so that there is no moment in which a pod's connection would pass as plaintext.
 * Then the threads that need its maps, which have loaded their programs meanwhile, and a sweep for what happened before they ran. Anything
 * unexpected ends the process with the gate shut.
 */
import { startHealthServer } from '../health/server.js';
import type { Logger } from '../logging/logger.js';
import { createThrottle } from '../logging/throttle.js';
import { FlowMetrics } from '../metrics/flow-metrics.js';
import { MetricsRegistry } from '../metrics/registry.js';
import type { ReloadReport } from '../report/reload.js';
import { SlotTable, createSlots } from '../shared/ipc/slots.js';
import { parseListenAddress } from '../shared/net/listen-address.js';
import { startAccessLog } from './access-log.js';
import { attach } from './attach.js';
import type { Beginning } from './beginning.js';
import { startChannels } from './channels.js';
import { claim } from './claim.js';
import { expose } from './expose.js';
import { keepBootState } from './gate/boot-state.js';
import { HelperParent } from './gate/helper-parent.js';
import { Dispatcher } from './flow/dispatcher.js';
import { tellAll } from './flow/observer.js';
import { Revocation } from './flow/revocation.js';
import { housekeeping, lookAfter } from './housekeeping.js';
import { startKeys } from './keys.js';
import { otlpExport } from './otlp.js';
import { startSessions } from './provider/channel-sessions.js';
import { DirectoryHistory } from './settings/directory.js';
import { InForce, firstSettings } from './settings/in-force.js';
import { followSettings } from './settings/logged.js';
import { MappingSources } from './settings/mapping-sources.js';
import { Reloader } from './settings/reload.js';
import { tellIfUnlocked } from './secret-memory.js';
import { shutdown } from './shutdown.js';
import { Sweeper } from './sweeper.js';
import { beginThreads, pumpEvents, pumpReports } from './threads.js';

export interface Supervisor {
  /** Reads configuration, mapping and credentials anew. Rejects with what is wrong with them, which is logged; then all is as before. */
  reload(): Promise<ReloadReport>;
  /** Writes metrics files, in its own time; the log says where they are or why there are none. */
  writeMetrics(): void;
  /**
   * Drains, leaves the gate to the next agent or takes it away, ends all threads, writes the metrics files: shutdown.ts.
   * @param release take it away, whatever is configured
   * @returns false: all went well but for the metrics files
   */
  shutdown(release: boolean): Promise<boolean>;
}

export interface ComposeOptions {
  beginning: Beginning;
  log: Logger;
  /** something that cannot be mended: the caller ends the process and leaves the gate shut */
  onFatal: (error: Error) => void;
}

/** @throws TlshubError and its kin, with the exit status of each */
export async function compose({ beginning, log, onFatal }: ComposeOptions): Promise<Supervisor> {
  const startedAt = performance.now();
  const { config, configFile, startup, addon } = beginning;
  const part = (component: string): Logger => log.child({ component });
  tellIfUnlocked(addon, part('memory'));
  // They load their programs while the rest comes up, and are given their work when there is a gate.
  const startThreads = beginThreads();

  const sources = new MappingSources(part('mapping'));
  const inForce = new InForce(await startup.time('settings', () => firstSettings(config, sources)));
  followSettings(inForce, log);

  const helperParent = new HelperParent(addon, part('helpers'));
  // They too: while this thread asks the machine whether it can, and others whether it may.
  const keys = startKeys(inForce, helperParent.fd, part('provider'), onFatal);
  const { ciphers } = inForce.current.credentials;
  let captured = (): readonly string[] => config.capture.cgroup;
  await beginning.alone;
  const control = await startup.time('claim', () => claim(addon, config, ciphers, () => captured(), part('control')));

  const metrics = new MetricsRegistry();
  let notReady = (): string[] => ['the agent is starting'];
  const listen = parseListenAddress(config.healthListen);
  const health =
    listen && (await startHealthServer({ listen, notReady: () => notReady(), metrics, log: part('health') }));

  const [provider, loaded] = await Promise.all([startup.time('provider', () => keys.started), beginning.loaded]);
  const attached = startup.time('attach', () => attach({ addon, loaded, inForce, provider, log }));
  const { fds, scope, beats, beatMs } = attached;
  helperParent.start(fds);
  const helpers = addon.openHelpers(helperParent.fd, fds);
  captured = () => scope.cgroups;

  const slots = new SlotTable(createSlots());
  const { installer, reader } = await startup.time('threads', () =>
    startThreads({
      ...{ slots: slots.buffer, fds, ciphers: [...ciphers], doorbell: keys.doorbell, ringBytes: config.ringBytes },
      ...{ helperParentFd: helperParent.fd, beats, beatMs },
      ...{ pagesPerCpu: config.perfPages, wake: (fd) => addon.wake(fd), onFailure: onFatal },
    }),
  );
  keys.rings.attach(installer);

  const throttle = createThrottle(log);
  const flowMetrics = new FlowMetrics(config.metricsConnectionsKept);
  const otlp = otlpExport(inForce, metrics, part('otlp'));
  const accessLog = startAccessLog(inForce, otlp, part('access-log'));
  const bootState = keepBootState(inForce, part('boot-gate'));
  const directory = new DirectoryHistory(inForce.current);
  const { channels, service } = startChannels({
    ...{ addon, fds, inForce, start: startSessions, log: part('channels') },
    numberOf: (node) => attached.nodes.of(node),
  });
  const dispatcher = new Dispatcher({
    ...{ kernel: addon, helpers, fds, slots, provider, keysByName: channels, directory },
    observer: tellAll(flowMetrics, accessLog),
    send: (command) => installer.send(command),
    log: part('dispatcher'),
    limits: () => inForce.config,
  });
  const lost = (): number => reader.counts().lost;
  const sweeper = new Sweeper({ dispatcher, kernel: addon, fds, lost, throttle, log });
  const { list } = sweeper;
  pumpEvents(reader, dispatcher, () => sweeper.watchLosses()).catch(onFatal);
  pumpReports(installer, dispatcher).catch(onFatal);
  sweeper.withEach(housekeeping({ addon, scope, provider, installer, reader, log: part('memory') }));
  await sweeper.start();

  let draining = false;
  const reloader = new Reloader({
    ...{ configFile, inForce, sources, provider, plan: keys.plan, directory, gate: attached.update, scope },
    tryCipher: (cipher) => addon.tryCipher(cipher),
    revoke: () => list.read(new Revocation(dispatcher, inForce.current)),
    draining: () => draining,
    log: part('reload'),
  });
  sources.onChange((change) => void reloader.mappingChanged(change));

  const exposed = expose({
    ...{ addon, inForce, configFile, sources, attached, dispatcher, provider, reader, installer, sweeper, reloader },
    channels: () => service.view,
    ...{ helpers, control, metrics, flowMetrics, accessLog, otlp, bootState, startedAt, startup, log: part('metrics') },
    draining: () => draining,
  });
  notReady = exposed.notReady;
  sweeper.withEach(
    () => accessLog.look(),
    () => bootState.look(),
    ...lookAfter({ reloader, inForce, problems: exposed.problems, log }),
  );
  startup.ready();
  otlp.follow();
  const { library } = provider.stats();
  log.info(
    `ready: node ${config.nodeName}, ${inForce.mapping.size} pods, policy ${config.policy}, keys by ${provider.name} (${library?.version ?? 'unknown'}, ${library?.file ?? 'unknown'})`,
    { cgroups: scope.cgroups, adopted: attached.adopted },
  );

  return {
    writeMetrics: () => void exposed.perf.write(),
    reload: () => {
      accessLog.reopen();
      return reloader.reload();
    },
    shutdown: (release) =>
      shutdown({
        ...{ dispatcher, sweeper, attached, control, health, reloader, sources, provider, reader, installer },
        ...{ helpers, helperParent, channels: service, accessLog, otlp, bootState },
        ...{ perf: exposed.perf, throttle, log, drainMs: inForce.config.drainTimeoutMs },
        handsOver: !release && inForce.config.shutdown === 'hand-over',
        onDraining: () => (draining = true),
      }),
  };
}
