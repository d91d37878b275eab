// SPDX-License-Identifier: Apache-2.0
/**
 * The control socket under clients that do not speak its protocol, or only almost: over a real socket, many messages on a connection, cut
 * into chunks anywhere. A model that shares no code with the server says what each is answered with.
 */
import { createConnection } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { ControlHandlers } from '../../src/control/protocol.js';
import { startControlServer, type ControlServer } from '../../src/control/server.js';
import { LineSplitter } from '../../src/shared/text/lines.js';
import { NotFoundError } from '../../src/shared/errors/errors.js';
import { fuzz } from './support/fuzz.js';
import type { Random } from './support/random.js';
import { temporaryFolder } from './support/temporary.js';

const LIMIT = 65_536;
const STATES = ['held', 'negotiating', 'secured', 'plaintext', 'refused', 'closed'];
const PLAIN = ['status', 'mapping.list', 'reload', 'mode.get', 'metrics'];

const handlers = {
  flows: () => Promise.resolve([]),
  'mapping.get': ({ pod }: { pod: string }) => Promise.reject(new NotFoundError(`no pod ${pod} in the mapping`)),
  'mode.set': ({ mode }: { mode: string }) => Promise.resolve({ mode, previous: 'openssl' }),
  ...Object.fromEntries(PLAIN.map((op) => [op, () => Promise.resolve({ op })])),
} as unknown as ControlHandlers;

const EXAMPLES: Record<string, unknown>[] = [
  ...PLAIN.map((op) => ({ v: 1, id: 1, op })),
  { v: 1, id: 7, op: 'status', args: {} },
  { v: 1, id: 2, op: 'flows', args: { states: ['held', 'refused'], pod: 'web/nginx-0' } },
  { v: 1, id: 3, op: 'mapping.get', args: { pod: 'nginx-pod' } },
  { v: 1, id: 4, op: 'mode.set', args: { mode: 'boringssl' } },
];

/** JSON texts: what is nested this deep JSON.stringify cannot write. */
const VALUES = [
  ...['null', 'true', '0', '1', '2', '-1', '1.5', '1e300', '9007199254740991', '9007199254740992', '1.0', '-0'],
  ...['""', '"1"', '"held"', `"${'x'.repeat(2000)}"`, '"\\u0000"', '"\\ud800"', '"\u{1f512}"'],
  ...['[]', '["held"]', '["held",7]', '['.repeat(50) + ']'.repeat(50), '['.repeat(30_000) + ']'.repeat(30_000)],
  ...['{}', '{"pod":"x"}', '{"pod":""}', '{"mode":7}', '{"more":1}', '{"states":"held"}', '{"__proto__":{"pod":"x"}}'],
  `${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`,
];
const NAMES = ['v', 'id', 'op', 'args', 'pod', 'mode', 'states', 'more', '__proto__', 'constructor', 'toString', ''];
const WORDS = [
  ...['{', '}', '[', ']', ',', ':', '"', '"v"', '"id"', '"op":"status"', '"v":1', '1', '01', '-', '1e', '.5', 'true'],
  ...['nul', 'NaN', ' ', '\t', '\r', '\n', '\\u12', '\\x', '\u0001', '\ufeff', 'é', '{"v":1,"id":1,"op":"mode.get"}\n'],
];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A request of which something is otherwise than it should be, mostly. */
function altered(random: Random): string {
  const request = structuredClone(random.pick(EXAMPLES));
  for (let n = random.below(3); n > 0; n--) {
    const target = random.below(4) === 0 ? request : (request['args'] ??= {});
    if (!isObject(target)) break;
    const name = random.pick([...Object.keys(target), ...NAMES]);
    if (random.below(4) === 0) {
      Reflect.deleteProperty(target, name);
      continue;
    }
    const value = `@${random.below(VALUES.length)}`;
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return JSON.stringify(request).replaceAll(/"@(\d+)"/g, (_, value: string) => VALUES[Number(value)]!);
}

function message(random: Random): Buffer {
  const kind = random.below(60);
  if (kind === 0) return random.bytes(random.below(200));
  if (kind === 1) return Buffer.from(`${' '.repeat(LIMIT - 40 + random.below(80))}\n`);
  const line = Buffer.from(`${altered(random)}\n`);
  if (kind < 5) return random.mutate(line);
  if (kind > 7) return line;
  const at = random.below(line.length);
  return Buffer.concat([line.subarray(0, at), Buffer.from(random.pick(WORDS)), line.subarray(at + random.below(3))]);
}

interface Expected {
  id: number | null;
  /** undefined: a result */
  code?: string;
  /** of what is no JSON: its bytes */
  notJson?: Buffer;
}

function argumentsFit(op: string, args: Record<string, unknown>): boolean {
  const only = (...names: string[]): boolean => Object.keys(args).every((name) => names.includes(name));
  const text = (name: string): boolean => typeof args[name] === 'string' && args[name] !== '';
  if (op === 'mapping.get') return only('pod') && text('pod');
  if (op === 'mode.set') return only('mode') && text('mode');
  if (op !== 'flows') return only();
  const { states, pod } = args;
  const known =
    states === undefined || (Array.isArray(states) && states.every((state) => STATES.includes(state as string)));
  return only('states', 'pod') && known && (pod === undefined || text('pod'));
}

/** What a line is answered with. With `id: null` the connection ends. */
function answerTo(line: Buffer): Expected {
  const nothing = { id: null, code: 'TLSHUB_CONTROL_PROTOCOL' };
  let request: unknown;
  try {
    request = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line));
  } catch {
    return { ...nothing, notJson: line };
  }
  if (!isObject(request)) return nothing;
  const { v, id, op, args = {} } = request;
  const whole = typeof id === 'number' && Number.isSafeInteger(id) && id >= 0;
  if (v !== 1 || !whole || typeof op !== 'string' || !isObject(args)) return nothing;
  if (!Object.hasOwn(handlers, op)) return { id, code: 'TLSHUB_CONTROL_UNKNOWN_OP' };
  if (!argumentsFit(op, args)) return { id, code: 'TLSHUB_CONTROL_BAD_ARGS' };
  return op === 'mapping.get' ? { id, code: 'TLSHUB_NOT_FOUND' } : { id };
}

/** What all that is said on a connection is answered with. */
function answersTo(said: Buffer): Expected[] {
  const answers: Expected[] = [];
  const nothing = { id: null, code: 'TLSHUB_CONTROL_PROTOCOL' };
  for (let start = 0; start < said.length;) {
    const newline = said.indexOf(0x0a, start);
    const line = said.subarray(start, newline === -1 ? said.length : newline);
    if (newline === -1 || line.length > LIMIT) return [...answers, nothing];
    answers.push(answerTo(line));
    if (answers.at(-1)!.id === null) return answers;
    start = newline + 1;
  }
  return answers;
}

interface Answer {
  v: unknown;
  id: unknown;
  ok: unknown;
  result?: unknown;
  error?: { code: string; message: string };
}

/** Says it in pieces, then no more; the answers until the server hangs up. */
async function converse(path: string, said: Buffer, random: Random): Promise<Answer[]> {
  const socket = createConnection({ path, allowHalfOpen: true });
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  const ended = new Promise((resolve, reject) => {
    socket.once('end', resolve);
    socket.once('error', reject);
  });
  for (let at = 0; at < said.length;) {
    const size = 1 + random.below(random.pick([8, 300, 100_000]));
    socket.write(said.subarray(at, at + size));
    at += size;
    if (random.below(3) === 0) await turn();
  }
  socket.end();
  await ended;
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Answer);
}

/** Up to the byte that an error names the line could still have become JSON. */
function checkPlace(line: Buffer, message: string): void {
  const [, place = ''] = /byte (\d+)$/.exec(message) ?? [];
  expect(place, message).to.not.equal('');
  const before = line.subarray(0, Number(place));
  expect(before.length).to.equal(Number(place));
  if (message.includes('UTF-8')) {
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(before, { stream: true })).to.not.throw();
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(line)).to.throw();
    return;
  }
  try {
    JSON.parse(before.toString());
  } catch (error) {
    const [, position] = /at position (\d+)/.exec((error as Error).message) ?? [];
    const blamed = position === undefined ? (error as Error).message : Number(position);
    expect(blamed).to.be.oneOf(['Unexpected end of JSON input', before.toString().length]);
  }
}

function check(answers: readonly Answer[], expected: readonly Expected[]): void {
  const came = answers.map(({ id, error }) => `${String(id)} ${error?.code ?? 'result'}`);
  expect(came.join('\n')).to.equal(expected.map(({ id, code = 'result' }) => `${String(id)} ${code}`).join('\n'));
  for (const { v, ok, error } of answers) expect({ v, ok }).to.deep.equal({ v: 1, ok: error === undefined });
  answers.forEach(({ error }, i) => {
    const { code, notJson } = expected[i]!;
    if (notJson !== undefined) checkPlace(notJson, error!.message);
    else if (code === 'TLSHUB_CONTROL_PROTOCOL')
      expect(error!.message).to.match(/version|no id|no op|args|not an object|longer than \d+ bytes|after byte \d+$/);
    else if (code === 'TLSHUB_CONTROL_BAD_ARGS') expect(error!.message).to.match(/"(pod|mode|states)"|argument ".*"/s);
    else if (code !== undefined) expect(error!.message).to.match(/^no pod |^there is no operation "/);
  });
}

describe('fuzzed line splitter', () => {
  it('gives the lines of a stream, however it is cut, up to the first that is too long (10,000 streams)', async () => {
    await fuzz({ seed: 20_266, cases: 10_000 }, (random) => {
      const limit = random.below(12);
      const stream = Buffer.from(random.bytes(random.below(60)).map((byte) => (byte % 6 === 0 ? 0x0a : byte)));
      const splitter = new LineSplitter(limit);
      const lines: Buffer[] = [];
      let overlong = false;
      for (let at = 0; at < stream.length && !overlong;) {
        const size = random.below(9);
        const found = splitter.push(stream.subarray(at, at + size));
        lines.push(...found.lines);
        overlong = found.overlong;
        at += size;
      }
      const all = stream.toString('latin1').split('\n');
      const rest = all.pop()!;
      const tooLong = all.findIndex((line) => line.length > limit);
      expect(lines.map((line) => line.toString('latin1'))).to.deep.equal(tooLong === -1 ? all : all.slice(0, tooLong));
      expect(overlong).to.equal(tooLong !== -1 || rest.length > limit);
      if (!overlong) expect(splitter.pendingBytes).to.equal(rest.length);
    });
  });
});

describe('fuzzed control socket', function () {
  this.timeout(120_000);
  const path = temporaryFolder();
  let server: ControlServer;
  before(async () => {
    server = await startControlServer({ path: path('run', 'control.sock'), handlers });
  });
  after(() => server.close());

  it('answers each message, or says what is wrong with it and where (10,000 messages and more)', async () => {
    const seen: Record<string, number> = {};
    let answered = 0;
    const all = await fuzz({ seed: 20_265, cases: 3000 }, async (random) => {
      const said = Buffer.concat(Array.from({ length: 1 + random.below(24) }, () => message(random)));
      if (random.below(20) === 0) {
        // Who does not wait for an answer does no harm.
        const gone = createConnection(server.path, () => gone.write(said, () => gone.destroy()));
        gone.on('error', () => undefined);
      }
      const expected = answersTo(said);
      check(await converse(server.path, said, random), expected);
      answered += expected.length;
      for (const { code = 'result' } of expected) seen[code] = (seen[code] ?? 0) + 1;
    });
    if (!all) return;
    expect(answered).to.be.greaterThan(10_000);
    for (const [kind, count] of Object.entries(seen)) expect(count, kind).to.be.greaterThan(50);
    expect(Object.keys(seen)).to.have.length(5);
  });
});
