// SPDX-License-Identifier: Apache-2.0
/**
 * What can fail before the gate is touched, once this is the only agent on its pins: the control socket, the ciphers. An agent that fails
 * here leaves nothing behind.
 */
import type { Config } from '../config/schema.js';
import { startControlServer, type ControlServer } from '../control/server.js';
import type { Logger } from '../logging/logger.js';
import type { KernelAddon } from '../shared/kernel/kernel-addon.js';
import type { CipherName } from '../shared/kernel/words.js';
import { tryCiphers } from './gate/ciphers.js';

/**
 * @param captured cgroups whose programs the control socket refuses
 * @returns the control socket, bound; it says that the agent is starting until it is given its handlers
 * @throws (rejects) as startControlServer and tryCiphers do
 */
export async function claim(
  addon: KernelAddon,
  config: Config,
  ciphers: readonly CipherName[],
  captured: () => readonly string[],
  log: Logger,
): Promise<ControlServer> {
  const control = await startControlServer({ path: config.controlSocket, logger: log, captured });
  process.once('exit', () => control.unlink());
  tryCiphers(addon, ciphers);
  return control;
}
