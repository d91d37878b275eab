// SPDX-License-Identifier: Apache-2.0
/** The boot gate (native/bootgate) of a node, and what an agent of that node would keep for it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../../../src/config/load.js';
import { PodNodeMapping } from '../../../src/mapping/pod-node-mapping.js';
import { encodeBootState } from '../../../src/supervisor/gate/boot-state.js';
import { lab, type MeshNode } from './lab.js';

const BOOTGATE = resolve('dist/native/tlshub-bootgate');

export interface BootGateEnded {
  status: number | null;
  stderr: string;
}

/** As the unit does at boot; `state` is the file that it goes by. */
export function shutBootGate(state: string): BootGateEnded {
  const { status, stderr } = spawnSync(BOOTGATE, ['--state', state], { encoding: 'utf8' });
  return { status, stderr };
}

/** The same within the limits of its unit. */
export function shutBootGateInUnit(state: string): BootGateEnded {
  const command = ['deploy/systemd/tlshub-bootgate.service', '/run/sandbox/here/dist/native/tlshub-bootgate'];
  const { status, stderr } = spawnSync('test/unit/support/sandbox.sh', [...command, '--state', state], {
    encoding: 'utf8',
  });
  return { status, stderr };
}

/**
 * A file that the agent of the node would keep with its capture.conf and these settings, by their names in the environment.
 * @returns its path
 */
export async function keptState(node: MeshNode, settings: Record<string, string> = {}): Promise<string> {
  // Not in /run: what runs in the limits of a unit has one of its own (test/unit/support/sandbox.sh).
  const folder = `/var/lib/bootgate-${node}`;
  const config = loadConfig(lab.config(node), settings);
  const inputs = { config, mapping: PodNodeMapping.load(config.podNodeConfig) };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const state = await encodeBootState(inputs, 'closed', Date.now());
  writeFileSync(`${folder}/boot.state`, Buffer.concat(state), { mode: 0o600 });
  return `${folder}/boot.state`;
}
