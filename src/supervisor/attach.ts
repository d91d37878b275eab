// SPDX-License-Identifier: Apache-2.0
/** The gate and what lives and dies with it: captured cgroups, the agent's lease, the guardian, what the marker says. */
import { intentOf } from './flow/marker.js';
import { takeBootMark } from './gate/boot-state.js';
import { planScope, Scope } from './gate/cgroups.js';
import { HAND_OVER, guardian } from './gate/guardian.js';
import { holder } from './gate/holder.js';
import type { KeptProcess } from './gate/kept-process.js';
import { NodeNumbers } from './gate/node-numbers.js';
import { openGate } from './gate/opening.js';
import { GateUpdate } from './gate/settings.js';
import type { ProviderSwitch } from './provider/switch.js';
import type { InForce } from './settings/in-force.js';
import type { Logger } from '../logging/logger.js';
import { Intent } from '../shared/kernel/abi.js';
import { BEAT_NAMES, Beat, createBeats, keepBeating } from '../shared/ipc/beats.js';
import type { GateFds, KernelAddon, LoadedGate } from '../shared/kernel/kernel-addon.js';

/** A lease is renewed so often that four renewals may be late. */
const LEASE_SHARE = 5;
const LEASE_EVERY_MIN_MS = 50;

export interface AttachOptions {
  addon: KernelAddon;
  loaded: LoadedGate;
  inForce: InForce;
  provider: ProviderSwitch;
  log: Logger;
}

export interface Attached {
  fds: GateFds;
  /** pins of an earlier agent were taken over */
  adopted: boolean;
  /** since when the boot gate had shut it, ISO 8601; null: it had not */
  bootGateSince: string | null;
  update: GateUpdate;
  /** as they are in the gate's maps */
  nodes: NodeNumbers;
  scope: Scope;
  guardian: KeptProcess;
  /** how callers are held, and why they are not put to sleep, '' if nobody wants it */
  hold: { way: 'sleep' | 'stop'; why: string };
  /** on which they sleep; undefined: they do not */
  holder: KeptProcess | undefined;
  /** Takes the programs away: connections that begin now are plaintext. */
  detach(): void;
  /** Leaves the programs, and guardian and holder with them: connections that begin now wait for the next agent, for the guardian's grace. */
  handOver(): void;
  /** the lease is renewed by these, and each is to change so often, in ms */
  beats: Uint32Array<SharedArrayBuffer>;
  beatMs: number;
  /** threads that the agent cannot do without, and for how many ms each has given no sign of life */
  silences(): { thread: string; ms: number }[];
  stopLease(): void;
}

/**
 * From when this returns mesh traffic is held.
 * @throws KernelUnsupportedError (exit status 69), and with the codes TLSHUB_GATE, TLSHUB_CGROUP
 */
export function attach({ addon, loaded, inForce, provider, log }: AttachOptions): Attached {
  const { config } = inForce;
  const plan = planScope(config.capture.cgroup);
  const nodes = new NodeNumbers();
  const gate = openGate(addon, loaded, inForce.current, nodes.ofOne, plan.capture);
  const { fds, adopted } = gate;
  const scope = new Scope(config.capture.cgroup, plan, gate, log.child({ component: 'scope' }));
  const announce = (): void =>
    addon.setIntent(fds.settings, inForce.config.marker ? intentOf(provider.name) : Intent.UNKNOWN);
  announce();
  provider.onSwitch(announce);
  inForce.onSwap(announce);
  const everyMs = Math.max(LEASE_EVERY_MIN_MS, Math.floor(config.leaseMs / LEASE_SHARE));
  const beats = createBeats();
  const stopBeating = keepBeating(beats, Beat.MAIN, everyMs);
  const lease = addon.startLease(fds.leases, config.leaseMs, everyMs, beats);
  const { bpfPinDir: pinDir, leaseMs } = config;
  const guards = guardian({
    pinDir,
    leaseMs,
    graceMs: config.guardianGraceMs,
    log: log.child({ component: 'guardian' }),
  });
  if (config.guardian) guards.start();
  const holds = loaded.sleeps
    ? holder({ pinDir, leaseMs, wakesFd: fds.wakesRead, log: log.child({ component: 'holder' }) })
    : undefined;
  holds?.start();
  if (loaded.whyNoSleep !== '') log.info('callers are held by stopping their process', { why: loaded.whyNoSleep });
  const update = new GateUpdate(addon, fds, nodes.ofOne);
  return {
    fds,
    adopted,
    bootGateSince: adopted ? takeBootMark(config.bpfPinDir) : null,
    update,
    nodes,
    scope,
    guardian: guards,
    hold: { way: loaded.sleeps ? 'sleep' : 'stop', why: loaded.whyNoSleep },
    holder: holds,
    detach: () => {
      update.close();
      scope.close();
      gate.detach();
    },
    handOver: () => {
      update.close();
      scope.close();
      guards.leave(HAND_OVER);
      holds?.leave();
    },
    beats,
    beatMs: everyMs,
    silences: () => lease.silences().map((ms, i) => ({ thread: BEAT_NAMES[i] ?? '', ms })),
    stopLease: () => {
      stopBeating();
      lease.stop();
    },
  };
}
