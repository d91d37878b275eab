/** What the gate in the kernel is told of the settings in force: at start, and again after a swap. */
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/index.js';
import { meshForGate, policyForGate, policyOf } from '../policy/index.js';
import { KernelUnsupportedError } from '../shared/errors.js';
import type { Gate, GateSettings, KernelAddon } from '../shared/native.js';
import type { Settings } from './settings.js';

const OBJECT = fileURLToPath(new URL('../bpf/tlshub.bpf.o', import.meta.url));

/**
 * Loads, fills and attaches the gate.
 * @throws KernelUnsupportedError (exit status 69) that names what is missing, when that explains the failure
 */
export function openGate(addon: KernelAddon, { config, mapping }: Settings): Gate {
  try {
    return addon.openGate({
      objectPath: OBJECT,
      pinDir: config.bpfPinDir,
      cgroups: [...config.capture.cgroup],
      settings: gateSettings(config),
      mesh: meshForGate(mapping.entries(), config.nodeName),
    });
  } catch (cause) {
    const missing = addon.probe().filter((probe) => !probe.ok);
    if (missing.length === 0) throw cause;
    const remedy = missing.map((probe) => `${probe.name}: ${probe.remedy}`).join('\n  ');
    throw new KernelUnsupportedError(
      missing.map((probe) => probe.name),
      { cause, remedy },
    );
  }
}

export function gateSettings(config: Config): GateSettings {
  return {
    holdMs: config.holdTimeoutMs,
    silentPeerMs: config.silentPeerTimeoutMs,
    ...policyForGate(policyOf(config)),
    // No provider begins before the connection is established.
    emitConnect: false,
  };
}
