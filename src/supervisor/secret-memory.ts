// SPDX-License-Identifier: Apache-2.0
/** The memory for secrets (native/domain/secrets), as the supervisor looks after it. */
import type { Logger } from '../logging/logger.js';
import { TlshubError } from '../shared/errors/errors.js';
import type { KernelAddon } from '../shared/kernel/kernel-addon.js';

/**
 * Secrets wait for the installer for a fraction of a millisecond. Those that wait so long, in ms, belong to a thread that is gone: they are
 * wiped. An installer that comes later finds nothing, and refuses the connection.
 */
const FORGOTTEN_MS = 60_000;

/** After preflight has made it. Memory that cannot be locked is a lesser protection, but no reason to let nobody connect. */
export function tellIfUnlocked(addon: Pick<KernelAddon, 'secretMemory'>, log: Logger): void {
  const { problem } = addon.secretMemory();
  if (problem === '') return;
  const error = new TlshubError('TLSHUB_MEMORY_NOT_LOCKED', `keys may be written to swap: mlock: ${problem}`);
  log.warning(`the memory for keys is not locked: ${error.remedy ?? ''}`, { error });
}

/** To be called every few seconds. */
export function wipeForgotten(addon: Pick<KernelAddon, 'expireSecrets'>, log: Logger): void {
  const wiped = addon.expireSecrets(FORGOTTEN_MS);
  if (wiped > 0) log.warning(`wiped the secrets of ${wiped} connections that the installer never took`);
}
