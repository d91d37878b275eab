// SPDX-License-Identifier: Apache-2.0
/**
 * An agent's first steps, which need little of the program: the rest of it is read while the kernel checks the gate's programs, which is
 * what takes longest of a start.
 */
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { KernelAddon, LoadedGate } from '../shared/kernel/kernel-addon.js';
import { takeAgentLock } from './gate/agent-lock.js';
import { loadGate } from './gate/opening.js';
import { preflight } from './preflight.js';
import { Startup } from './startup.js';

export interface Beginning {
  configFile: string;
  config: Config;
  startup: Startup;
  addon: KernelAddon;
  /** Until then nothing may be made that a running agent also has. Rejects with AlreadyRunningError. */
  alone: Promise<void>;
  /** The gate's programs, in the kernel and attached to nothing. Rejects as `alone` and loadGate do. */
  loaded: Promise<LoadedGate>;
}

/** @throws ConfigError (exit status 78), and what preflight throws */
export function begin(configFile: string): Beginning {
  const startup = new Startup();
  const config = startup.time('configuration', () => loadConfig(configFile));
  const addon = startup.time('preflight', () => preflight(config));
  const alone = startup.time('lock', () => takeAgentLock(addon, config.bpfPinDir));
  const loaded = alone.then(() => startup.time('gate', () => loadGate(addon, config)));
  // Whoever waits for them may have failed before; then that is the failure to tell.
  for (const each of [alone, loaded]) each.catch(() => undefined);
  return { configFile, config, startup, addon, alone, loaded };
}
