// SPDX-License-Identifier: Apache-2.0
/**
 * From a file and the environment to a checked configuration. All or nothing: whatever is wrong is thrown before anything is returned, so
 * that a reload can parse first and swap once.
 */
import { dirname, resolve } from 'node:path';
import { MAX_RULES } from '../policy/rules.js';
import { ConfigError, type Place } from '../shared/errors/errors.js';
import { clip, controlCharacter, readRegularFile } from '../shared/files/text-file.js';
import { optionalPath, path } from './formats.js';
import { KEY_NAMES, environmentName, keySpec, type FlatConfig, type KeyName } from './keys.js';
import { parseSettings, type Setting } from './parse.js';
import { complete, toConfig, type Config } from './schema.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Larger files are not a configuration. Bytes. */
const MAX_FILE_BYTES = 1 << 20;

/**
 * Reads, checks and freezes. The environment (`TLSHUB_` and the key in capitals) goes before the file.
 * @throws ConfigError (exit status 78) that names file, line, key and what is allowed
 */
export function loadConfig(file: string, env: Environment = process.env): Config {
  return parseConfig(readConfigFile(file), file, env);
}

/** As `loadConfig`, on text at hand; `file` is for messages and for relative paths. */
export function parseConfig(contents: Uint8Array | string, file: string, env: Environment = {}): Config {
  const settings = parseSettings(contents, file);
  for (const key of KEY_NAMES) {
    const name = environmentName(key);
    const text = env[name];
    if (text === undefined) continue;
    const place = { file: 'environment', key: name };
    const control = controlCharacter(text);
    if (control !== undefined)
      throw new ConfigError('TLSHUB_CONFIG_BAD_VALUE', place, `the value contains the control character ${control}`);
    settings.set(key, { key, text, place });
  }
  const values: Record<string, unknown> = {};
  for (const setting of settings.values()) values[setting.key] = decode(setting);
  const flat = complete(values);
  flat.exchange = exchangeInForce(flat, (key) => settings.has(key));
  checkTogether(flat, (key) => settings.get(key)?.place ?? { file, key });
  resolvePaths(flat, dirname(resolve(file)));
  return toConfig(flat);
}

function readConfigFile(file: string): Buffer {
  try {
    return readRegularFile(file, MAX_FILE_BYTES);
  } catch (cause) {
    const detail = `cannot read the configuration: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new ConfigError('TLSHUB_CONFIG_UNREADABLE', { file }, detail, { cause });
  }
}

function decode(setting: Setting): unknown {
  const { format } = keySpec(setting.key);
  try {
    return format.decode(setting.text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const detail = `"${clip(setting.text)}" is not allowed (${why}); allowed: ${format.allowed}`;
    throw new ConfigError('TLSHUB_CONFIG_BAD_VALUE', setting.place, detail);
  }
}

/**
 * Channels are for those who have said how agents reach each other: a configuration that says nothing of them opens no port, and asks nobody for
 * the marker.
 */
function exchangeInForce(flat: FlatConfig, isSet: (key: KeyName) => boolean): FlatConfig['exchange'] {
  if (isSet('exchange')) return flat.exchange;
  const told = flat.node_endpoints !== '' || (isSet('channel_listen') && flat.channel_listen !== '');
  return told && flat.marker ? flat.exchange : 'in-band';
}

/** Rules between keys. `placeOf` is where a key was set. */
function checkTogether(flat: FlatConfig, placeOf: (key: KeyName) => Place): void {
  const atMost = (small: KeyName, large: KeyName, why: string): void => {
    if (Number(flat[small]) <= Number(flat[large])) return;
    // Point at the key that somebody set; the other may be a default.
    const key = placeOf(large).line === undefined && placeOf(small).line !== undefined ? small : large;
    const detail = `${small} (${String(flat[small])}) must be at most ${large} (${String(flat[large])}): ${why}`;
    throw new ConfigError('TLSHUB_CONFIG_CONFLICT', placeOf(key), detail);
  };
  atMost('handshake_timeout_ms', 'hold_timeout_ms', 'the gate would refuse a connection whose handshake still runs');
  atMost('silent_peer_timeout_ms', 'hold_timeout_ms', 'no program is held for longer than its connection');
  atMost('hold_nonblocking_ms', 'hold_timeout_ms', 'no program is held for longer than its connection');

  atMost('otlp.timeout_ms', 'otlp.interval_ms', 'an export would begin before the last one has ended');

  if (flat.exchange === 'channel' && flat.mode !== 'tlshub' && !flat.marker) {
    const detail = 'exchange = channel agrees on keys by the marker: set marker = true, or exchange = in-band';
    throw new ConfigError('TLSHUB_CONFIG_CONFLICT', placeOf('marker'), detail);
  }

  const both = flat.policy_require.find((rule) => flat.policy_exclude.includes(rule));
  if (both !== undefined) {
    const detail = `${both} is in policy_exclude as well: leave one of them out`;
    throw new ConfigError('TLSHUB_CONFIG_CONFLICT', placeOf('policy_require'), detail);
  }
  const rules = flat.policy_exclude.length + flat.policy_require.length;
  if (rules > MAX_RULES) {
    const detail = `policy_exclude and policy_require have ${rules} rules together, at most ${MAX_RULES} are allowed`;
    throw new ConfigError('TLSHUB_CONFIG_CONFLICT', placeOf('policy_exclude'), detail);
  }

  const scopes = flat['capture.cgroup'].map((scope) => resolve(scope));
  for (const outer of scopes) {
    const inner = scopes.find((scope) => scope.startsWith(outer === '/' ? outer : `${outer}/`) && scope !== outer);
    if (inner === undefined) continue;
    const detail = `${inner} lies inside ${outer}, which is captured as a whole: leave one of them out`;
    throw new ConfigError('TLSHUB_CONFIG_CONFLICT', placeOf('capture.cgroup'), detail);
  }
}

function resolvePaths(flat: FlatConfig, folder: string): void {
  const values: Record<KeyName, unknown> = flat;
  for (const key of KEY_NAMES) {
    const { format } = keySpec(key);
    const value = values[key];
    const relative = format === path || format === optionalPath;
    if (relative && typeof value === 'string' && value !== '') values[key] = resolve(folder, value);
  }
  flat.metrics_dir = resolve(flat.metrics_dir);
}
