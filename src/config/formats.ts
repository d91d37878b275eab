// SPDX-License-Identifier: Apache-2.0
/**
 * What a value may look like: each format turns the text of a `key = value` line into a typed value, and back for the documentation.
 * A format's `decode` throws a plain Error whose message says what is wrong with this text; the caller adds file, line, key and `allowed`.
 */
import { isAbsolute } from 'node:path';
import { parseListenAddress } from '../shared/net/listen-address.js';
import { MAX_RULES, RULE_SYNTAX, parseRule, type RuleAction } from '../policy/rules.js';
import { MAX_SCOPES, checkPattern } from './cgroup-pattern.js';
import { NODE_NAME_RULE, parseNodeName } from '../shared/text/node-name.js';

export interface Format<T> {
  /** for people: what is allowed */
  readonly allowed: string;
  /** of numbers that have one */
  readonly unit?: string;
  decode(text: string): T;
  encode(value: T): string;
}

export function choice<const T extends string>(...names: T[]): Format<T> {
  const allowed = names.join(', ');
  return {
    allowed,
    decode: (text) => {
      const found = names.find((name) => name === text);
      if (found === undefined) throw new Error('not one of them');
      return found;
    },
    encode: (value) => value,
  };
}

export interface IntegerRange {
  min: number;
  max: number;
  unit?: string;
  powerOfTwo?: boolean;
}

export function integer(range: IntegerRange): Format<number> {
  const { min, max, unit, powerOfTwo = false } = range;
  const kind = powerOfTwo ? 'a power of two' : 'a whole number';
  return {
    allowed: `${kind} from ${min} to ${max}${unit === undefined ? '' : ` (${unit})`}`,
    ...(unit === undefined ? {} : { unit }),
    decode: (text) => {
      if (!/^(?:0|[1-9]\d{0,14})$/.test(text)) throw new Error('no whole number');
      const value = Number(text);
      if (value < min) throw new Error('too small');
      if (value > max) throw new Error('too large');
      if (powerOfTwo && !Number.isInteger(Math.log2(value))) throw new Error('no power of two');
      return value;
    },
    encode: String,
  };
}

export const boolean: Format<boolean> = {
  allowed: 'true or false (also yes, no, on, off, 1, 0)',
  decode: (text) => {
    const word = text.toLowerCase();
    if (['true', 'yes', 'on', '1'].includes(word)) return true;
    if (['false', 'no', 'off', '0'].includes(word)) return false;
    throw new Error('neither true nor false');
  },
  encode: String,
};

/** Linux's PATH_MAX, including the terminating NUL. */
const PATH_MAX = 4096;

function checkPath(text: string): string {
  if (Buffer.byteLength(text) >= PATH_MAX) throw new Error('longer than a path may be');
  return text;
}

function required(text: string): string {
  if (text === '') throw new Error('empty');
  return checkPath(text);
}

/** Kept as written; the loader resolves it against the folder of the configuration file. */
export const path: Format<string> = {
  allowed: 'a path; a relative one is taken from the folder of the configuration file',
  decode: required,
  encode: (value) => value,
};

export const optionalPath: Format<string> = {
  allowed: 'a path (a relative one is taken from the folder of the configuration file), or nothing',
  decode: checkPath,
  encode: (value) => value,
};

export const workingPath: Format<string> = {
  allowed: 'a path; a relative one is taken from the working folder of the agent',
  decode: required,
  encode: (value) => value,
};

export const logDestination: Format<string> = {
  allowed: 'an absolute path, stdout, stderr, or nothing',
  decode: (text) => (['', 'stdout', 'stderr'].includes(text) ? text : absolute(text)),
  encode: (value) => value,
};

function absolute(text: string): string {
  if (!isAbsolute(text)) throw new Error('not absolute');
  return required(text);
}

export const absolutePath: Format<string> = {
  allowed: 'an absolute path',
  decode: absolute,
  encode: (value) => value,
};

/**
 * sun_path holds 108 bytes including the NUL (unix(7)); the rest is room for the temporary name under which the socket is made before it
 * is moved into place.
 */
const MAX_SOCKET_PATH = 96;

export const socketPath: Format<string> = {
  allowed: `an absolute path of at most ${MAX_SOCKET_PATH} bytes`,
  decode: (text) => {
    if (Buffer.byteLength(text) > MAX_SOCKET_PATH) throw new Error('too long');
    return absolute(text);
  },
  encode: (value) => value,
};

export const optionalListenAddress: Format<string> = {
  allowed: 'ADDRESS:PORT, [IPV6-ADDRESS]:PORT, or nothing',
  decode: (text) => {
    if (text !== '' && parseListenAddress(text) === undefined) throw new Error('no address with a port');
    return text;
  },
  encode: (value) => value,
};

/** Where OTLP over HTTP is taken: a base, below which each kind of data has its path (OTLP specification, "OTLP/HTTP Request"). */
export const optionalHttpUrl: Format<string> = {
  allowed: 'http:// or https:// with host, port and path as needed, without user, query and fragment, or nothing',
  decode: (text) => {
    if (text === '') return text;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) throw new Error('no such URL');
    if (url.username !== '' || url.password !== '') throw new Error('it holds a secret, which belongs into a file');
    if (url.search !== '' || url.hash !== '') throw new Error('it has a query or a fragment');
    return url.href.replace(/\/+$/, '');
  },
  encode: (value) => value,
};

const MAX_ATTRIBUTES = 64;

/** Attributes of an OpenTelemetry resource, as `name=value`. */
export const attributes: Format<readonly string[]> = {
  allowed: `nothing, or name=value separated by commas or spaces, at most ${MAX_ATTRIBUTES}; neither has a comma or a space in it`,
  decode: (text) => {
    if (text.trim() === '') return Object.freeze([]);
    const names = new Set<string>();
    const items = list(text, (item) => {
      const [, name] = /^([A-Za-z][\w./-]*)=./.exec(item) ?? [];
      if (name === undefined) throw new Error(`"${item.slice(0, 60)}" is not name=value`);
      if (names.has(name)) throw new Error(`${name} is set twice`);
      names.add(name);
      return item;
    });
    if (items.length > MAX_ATTRIBUTES) throw new Error('too many');
    return items;
  },
  encode: (value) => value.join(', '),
};

/** A label selector or field selector of Kubernetes. Its grammar is the API server's business; what cannot be one at all is refused here. */
export const selector: Format<string> = {
  allowed: 'a selector as kubectl takes it, such as app=web,tier!=cache, of at most 1024 characters, or nothing',
  decode: (text) => {
    if (text.length > 1024) throw new Error('too long');
    if (!/^[A-Za-z0-9 ._/,=!()-]*$/.test(text)) throw new Error('no selector');
    return text;
  },
  encode: (value) => value,
};

/** RFC 1123 label, as Kubernetes wants it of namespaces. */
export const optionalNamespace: Format<string> = {
  allowed: 'the name of a namespace, or nothing',
  decode: (text) => {
    if (!/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?$/.test(text)) throw new Error('no such name');
    return text;
  },
  encode: (value) => value,
};

function list<T>(text: string, decode: (item: string) => T): readonly T[] {
  const items = text.split(/[\s,]+/).filter((item) => item !== '');
  if (items.length === 0) throw new Error('empty');
  const values = items.map(decode);
  if (new Set(values).size !== values.length) throw new Error('the same twice');
  return Object.freeze(values);
}

export const cgroupPatterns: Format<readonly string[]> = {
  allowed: `absolute paths, separated by commas or spaces, at most ${MAX_SCOPES}; * and ? stand for a part of one name, ** at the end for everything below`,
  decode: (text) => {
    const paths = list(text, (item) => {
      checkPattern(item);
      return absolute(item);
    });
    if (paths.length > MAX_SCOPES) throw new Error('too many');
    return paths;
  },
  encode: (value) => value.join(', '),
};

export function choices<const T extends string>(...names: T[]): Format<readonly T[]> {
  const one = choice(...names);
  return {
    allowed: `one or more of ${names.join(', ')}, the preferred one first, separated by commas or spaces`,
    decode: (text) =>
      list(text, (item) => {
        try {
          return one.decode(item);
        } catch {
          throw new Error(`"${item.slice(0, 60)}" is not one of them`);
        }
      }),
    encode: (value) => value.join(', '),
  };
}

/** Rules as canonical text; nothing is a list of none. */
export function policyRules(action: RuleAction): Format<readonly string[]> {
  return {
    allowed: `nothing, or rules separated by commas or spaces, at most ${MAX_RULES}, each of the form ${RULE_SYNTAX}`,
    decode: (text) => {
      if (text.trim() === '') return Object.freeze([]);
      const rules = list(text, (item) => parseRule(action, item).text);
      if (rules.length > MAX_RULES) throw new Error('too many');
      return rules;
    },
    encode: (value) => value.join(', '),
  };
}

export const nodeName: Format<string> = {
  allowed: NODE_NAME_RULE,
  decode: (text) => {
    const name = parseNodeName(text);
    if (name === undefined) throw new Error('no such name');
    return name;
  },
  encode: (value) => value,
};
