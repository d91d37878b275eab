// SPDX-License-Identifier: Apache-2.0
/** What must be so before anything is made: nothing is attached, bound or written when one of these fails. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/schema.js';
import { PermissionError } from '../shared/errors/errors.js';
import { builtFile } from '../shared/files/package.js';
import { checkAbi } from '../shared/kernel/abi.js';
import type { KernelAddon } from '../shared/kernel/kernel-addon.js';
import { kernel } from '../shared/kernel/native.js';
import { knownProvider } from './provider/known.js';

const OBJECT_ABI = builtFile('bpf/abi.json');

/**
 * @returns the addon, which fits this build and the BPF object
 * @throws ProviderUnavailableError, PermissionError (exit status 77), AbiError
 */
export function preflight(config: Config): KernelAddon {
  knownProvider(config.mode);
  if (process.geteuid?.() !== 0) throw new PermissionError('the supervisor loads BPF programs and must run as root');
  const addon = kernel();
  checkAbi(addon.abi(), (JSON.parse(readFileSync(OBJECT_ABI, 'utf8')) as { hash: string }).hash);
  addon.boundMemory();
  return addon;
}
