// SPDX-License-Identifier: Apache-2.0
/**
 * The convict schema, made from the table of keys, and the type of a loaded configuration.
 *
 * Convict holds defaults and checks every value against its format once more, whatever path it came by. The texts of the file and of the
 * environment are decoded before (load.ts), since only there is it known which line a value stood in.
 */
import convict from 'convict';
import { KEY_NAMES, environmentName, keySpec, type FlatConfig, type KeyName } from './keys.js';

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;
type Section<K extends string> = K extends `${infer S}.${string}` ? S : never;
type TopLevel<K extends string> = K extends `${string}.${string}` ? never : K;

/**
 * A loaded configuration: `handshake_timeout_ms` is `config.handshakeTimeoutMs`, `openssl.pool_size` is `config.openssl.poolSize`.
 * Frozen, all the way down.
 */
export type Config = {
  readonly [K in TopLevel<KeyName> as CamelCase<K>]: FlatConfig[K];
} & {
  readonly [S in Section<KeyName>]: {
    readonly [K in KeyName as K extends `${S}.${infer Name}` ? CamelCase<Name> : never]: FlatConfig[K];
  };
};

function camelCase(text: string): string {
  return text.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function convictSchema(): convict.Schema<Record<string, unknown>> {
  const schema: Record<string, unknown> = {};
  for (const name of KEY_NAMES) {
    const { format, default: fallback, doc } = keySpec(name);
    let level = schema;
    const parts = name.split('.');
    const leaf = parts.pop() ?? name;
    for (const part of parts) level = (level[part] ??= {}) as Record<string, unknown>;
    level[leaf] = {
      doc,
      default: fallback,
      env: environmentName(name),
      format: (value: unknown): void => {
        format.decode(format.encode(value));
      },
    };
  }
  return schema as convict.Schema<Record<string, unknown>>;
}

/** Defaults under `values`, all of them checked. Throws convict's own error for a value that its format does not take. */
export function complete(values: Partial<FlatConfig>): FlatConfig {
  // Without env and args of their own convict would read those of the process, undecoded.
  const instance = convict(convictSchema(), { env: {}, args: [] });
  for (const name of KEY_NAMES) if (values[name] !== undefined) instance.set(name, values[name]);
  instance.validate({ allowed: 'strict' });
  return Object.fromEntries(KEY_NAMES.map((name) => [name, instance.get(name)])) as FlatConfig;
}

/** The nested, frozen form that the program uses. */
export function toConfig(flat: FlatConfig): Config {
  const config: Record<string, unknown> = {};
  for (const name of KEY_NAMES) {
    const dot = name.indexOf('.');
    if (dot === -1) {
      config[camelCase(name)] = flat[name];
    } else {
      const section = (config[name.slice(0, dot)] ??= {}) as Record<string, unknown>;
      section[camelCase(name.slice(dot + 1))] = flat[name];
    }
  }
  return freezeAll(config) as Config;
}

/** The values of a loaded configuration by key. */
export function toFlat(config: Config): FlatConfig {
  return Object.fromEntries(KEY_NAMES.map((name) => [name, valueOf(config, name)])) as FlatConfig;
}

function valueOf(config: Config, name: KeyName): unknown {
  return name.split('.').reduce<unknown>((level, part) => (level as Record<string, unknown>)[camelCase(part)], config);
}

function freezeAll(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(freezeAll);
  return Object.freeze(value);
}
