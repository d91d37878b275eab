// SPDX-License-Identifier: Apache-2.0
/**
 * The gate's beginning, in two steps: the kernel takes in its programs, which costs time and changes nothing, and then it is attached. In
 * between others get ready, and may fail with nothing to be taken back.
 */
import type { Config } from '../../config/schema.js';
import { KernelUnsupportedError } from '../../shared/errors/errors.js';
import { builtFile } from '../../shared/files/package.js';
import type { Gate, KernelAddon, LoadedGate } from '../../shared/kernel/kernel-addon.js';
import { gateSettings, meshEntries, type GateInputs, type NumberOf } from './settings.js';

const OBJECT = builtFile('bpf/tlshub.bpf.o');
const SLEEP_OBJECT = builtFile('bpf/sleep.bpf.o');

/** @throws (rejects) KernelUnsupportedError (exit status 69) that names what is missing, when that explains the failure; else with TLSHUB_GATE */
export async function loadGate(
  addon: KernelAddon,
  { bpfPinDir, hold }: Pick<Config, 'bpfPinDir' | 'hold'>,
): Promise<LoadedGate> {
  let loaded: LoadedGate;
  try {
    loaded = await addon.loadGate(OBJECT, bpfPinDir, hold === 'stop' ? '' : SLEEP_OBJECT);
  } catch (cause) {
    throw explained(addon, cause);
  }
  if (hold === 'sleep' && !loaded.sleeps) {
    throw new KernelUnsupportedError(['hold = sleep'], {
      remedy: `${loaded.whyNoSleep}; or set hold = auto, which holds by stopping where callers cannot sleep`,
    });
  }
  return loaded;
}

/**
 * @param cgroups to capture; more may come later
 * @throws as `loadGate`, and with TLSHUB_CGROUP
 */
export function openGate(
  addon: KernelAddon,
  loaded: LoadedGate,
  inputs: GateInputs,
  numberOf: NumberOf,
  cgroups: string[],
): Gate {
  try {
    return loaded.open({ cgroups, settings: gateSettings(inputs.config), mesh: [...meshEntries(inputs, numberOf)] });
  } catch (cause) {
    throw explained(addon, cause);
  }
}

function explained(addon: Pick<KernelAddon, 'probe'>, cause: unknown): unknown {
  const missing = addon.probe().filter((probe) => !probe.ok);
  if (missing.length === 0) return cause;
  const remedy = missing.map((probe) => `${probe.name}: ${probe.remedy}`).join('\n  ');
  return new KernelUnsupportedError(
    missing.map((probe) => probe.name),
    { cause, remedy },
  );
}
