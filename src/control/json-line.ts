// SPDX-License-Identifier: Apache-2.0
/** One line of the control protocol as a JSON object, or where it stops being one: JSON.parse names the place of some mistakes only. */
import { isUtf8 } from 'node:buffer';
import { ControlError } from '../shared/errors/errors.js';

/**
 * @param what for messages, such as `the request`
 * @throws ControlError TLSHUB_CONTROL_PROTOCOL
 */
export function parseObjectLine(line: Buffer, what: string): Record<string, unknown> {
  if (!isUtf8(line)) throw malformed(`${what} is not UTF-8 text: byte ${firstInvalidByte(line)}`);
  const text = line.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const at = Buffer.byteLength(text.slice(0, offsetOfMistake(text)));
    throw malformed(`${what} is not JSON: ${at < line.length ? `byte ${at}` : `it ends too early, after byte ${at}`}`);
  }
  if (!isObject(value)) throw malformed(`${what} is not an object`);
  return value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function malformed(detail: string): ControlError {
  return new ControlError('TLSHUB_CONTROL_PROTOCOL', detail);
}

/** What is no UTF-8 is replaced when it is decoded, so it comes back as other bytes: of a character that is cut off, as more of them. */
function firstInvalidByte(line: Buffer): number {
  const again = Buffer.from(line.toString('utf8'));
  const at = line.findIndex((byte, i) => byte !== again[i]);
  return at === -1 ? line.length : at;
}

/** RFC 8259: a structural character, a string, a number or a name. */
const TOKEN =
  // eslint-disable-next-line no-control-regex
  /([[\]{}:,])|("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[Ee][+-]?\d+)?|true|false|null)/y;
const SPACE = /[ \t\n\r]*/y;

/** Of a text that is no JSON: where the first token begins that cannot stand there; its length if only something is missing at the end. */
function offsetOfMistake(text: string): number {
  const open: ('{' | '[')[] = [];
  let wanted = 'value';
  for (let at = 0; ;) {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = TOKEN.lastIndex = SPACE.lastIndex;
    const found = TOKEN.exec(text);
    if (found === null) return at;
    const [, sign, string] = found;
    const next = after(wanted, sign ?? (string === undefined ? 'other' : 'string'), open);
    if (next === undefined) return at;
    wanted = next;
    at = TOKEN.lastIndex;
  }
}

/** What may follow a token, where `wanted` may stand; undefined if the token may not. `open` is kept up to date. */
function after(wanted: string, token: string, open: ('{' | '[')[]): string | undefined {
  const within = open.at(-1);
  const closes = token === '}' ? '{' : token === ']' ? '[' : undefined;
  if (closes !== undefined) {
    if (within !== closes || !['end', 'first value', 'first key'].includes(wanted)) return undefined;
    open.pop();
    return 'end';
  }
  switch (wanted) {
    case 'first key':
    case 'key':
      return token === 'string' ? 'colon' : undefined;
    case 'colon':
      return token === ':' ? 'value' : undefined;
    case 'end':
      if (token !== ',' || within === undefined) return undefined;
      return within === '{' ? 'key' : 'value';
    default:
      if (token === '{' || token === '[') {
        open.push(token);
        return token === '{' ? 'first key' : 'first value';
      }
      return token === ',' || token === ':' ? undefined : 'end';
  }
}
