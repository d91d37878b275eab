// SPDX-License-Identifier: Apache-2.0
/** The providers of this build by name. What makes them is in plans.ts, which an agent reads later. */
import { PROVIDER_NUMBERS } from '../../shared/kernel/abi.js';
import { ProviderUnavailableError } from '../../shared/errors/errors.js';
import type { ProviderName } from './provider.js';

/** Modes that this build has a provider for. */
export const PROVIDERS = Object.keys(PROVIDER_NUMBERS) as readonly ProviderName[];

/** @throws ProviderUnavailableError */
export function knownProvider(mode: string): ProviderName {
  const known = PROVIDERS.find((name) => name === mode);
  if (known === undefined) throw new ProviderUnavailableError(mode, PROVIDERS);
  return known;
}
