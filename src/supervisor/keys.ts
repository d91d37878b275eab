// SPDX-License-Identifier: Apache-2.0
/** The key provider in force, and what others need to know of it: how another one would be made, and where its threads put their keys. */
import type { Logger } from '../logging/logger.js';
import { Doorbell } from '../shared/ipc/doorbell.js';
import { totalMs } from './flow/timers.js';
import { planProvider } from './provider/plans.js';
import { RingRegistry } from './provider/ring-registry.js';
import { ProviderSwitch, type ProviderPlan } from './provider/switch.js';
import type { InForce, Settings } from './settings/in-force.js';

/** For an old provider, beyond the deadline of its last negotiation, in ms. */
const RETIRE_GRACE_MS = 5000;

export interface Keys {
  /** What the provider would be under these settings. Nothing is made yet. @throws ProviderUnavailableError */
  plan: (settings: Settings) => ProviderPlan;
  /** the installer sleeps on it */
  doorbell: Doorbell;
  rings: RingRegistry;
  /** Rejects with ProviderStartError, or what the addon says of the credentials. */
  started: Promise<ProviderSwitch>;
}

/** Begins to start the provider of the settings in force. Its threads load while others go on; wait for `started` before the gate. */
export function startKeys(
  inForce: InForce,
  helperParentFd: number,
  log: Logger,
  onFatal: (error: Error) => void,
): Keys {
  const parts = { doorbell: new Doorbell(), rings: new RingRegistry(), helperParentFd, log };
  const plan = ({ config, credentials }: Settings): ProviderPlan =>
    planProvider(config.mode, { ...parts, config, credentials });
  const started = ProviderSwitch.start(plan(inForce.current), {
    retireMs: () => totalMs(inForce.config) + RETIRE_GRACE_MS,
    onFatal,
    log,
  });
  // Whoever starts it may fail before it waits for this one; then that is the failure to tell.
  started.catch(() => undefined);
  return { ...parts, plan, started };
}
