// SPDX-License-Identifier: Apache-2.0
/** What is different between two configurations, for a reload: which keys, and which of them can change while the agent runs. */
import { KEY_NAMES, keySpec, type FlatConfig, type KeyName } from './keys.js';
import { toConfig, toFlat, type Config } from './schema.js';

export interface ConfigChange {
  key: KeyName;
  /** values as they would stand in the file; nothing in the configuration is a secret, it only names files that are */
  before: string;
  after: string;
  /** why it takes a restart to put it in force; undefined: it does not */
  restart: string | undefined;
}

export function compareConfigs(before: Config, after: Config): ConfigChange[] {
  const [old, now] = [toFlat(before), toFlat(after)];
  const changes: ConfigChange[] = [];
  for (const key of KEY_NAMES) {
    const { format, restart } = keySpec(key);
    const [was, is] = [format.encode(old[key]), format.encode(now[key])];
    if (was !== is) changes.push({ key, before: was, after: is, restart });
  }
  return changes;
}

/** `wanted`, but with the values of `running` for keys that cannot change while the agent runs. */
export function withRunning(wanted: Config, running: Config): Config {
  const values: Record<KeyName, unknown> = toFlat(wanted);
  const present = toFlat(running);
  for (const key of KEY_NAMES) if (keySpec(key).restart !== undefined) values[key] = present[key];
  return toConfig(values as FlatConfig);
}

/** The configuration with another mode. */
export function withMode(config: Config, mode: Config['mode']): Config {
  return toConfig({ ...toFlat(config), mode });
}
