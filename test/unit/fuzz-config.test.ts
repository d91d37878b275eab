// SPDX-License-Identifier: Apache-2.0
/** capture.conf as nobody should write it. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadAll } from 'js-yaml';
import { KEY_NAMES, environmentName, keySpec, type KeyName } from '../../src/config/keys.js';
import { parseConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { toFlat } from '../../src/config/schema.js';
import { ConfigError, placeText } from '../../src/shared/errors/errors.js';
import { firstLines, fuzz, fuzzedText } from './support/fuzz.js';
import type { Random } from './support/random.js';
import { thrown } from './support/thrown.js';

const FILE = '/etc/tlshub/capture.conf';

const manifests = loadAll(readFileSync('deploy/kubernetes/tlshub.yaml', 'utf8')) as {
  kind: string;
  data?: Record<string, string>;
}[];

const EXAMPLES = [
  readFileSync('config/capture.conf', 'utf8'),
  manifests.find(({ kind }) => kind === 'ConfigMap')!.data!['capture.conf']!,
  `# node a
mode = boringssl
policy = strict
policy_exclude = :53, 10.96.0.10, 10.0.0.0/8:9100, [fd00:96::/112]:443
policy_require = 10.20.0.0/16
capture.cgroup = /sys/fs/cgroup/tlshub.slice, /sys/fs/cgroup/kubepods.slice/*/pod*
tls.cert = pki/node-a.crt
tls.ciphers = TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256
handshake_timeout_ms = 2000
hold_timeout_ms = 3000
health_listen = [::1]:9465
`,
];

const VALUES = [
  ...['', '0', '1', '-1', '007', '1e3', '0x10', '1.5', '64', '65536', '4294967296', '999999999999999', '9'.repeat(400)],
  ...['true', 'No', 'on', 'openssl', 'strict', 'kubernetes', 'TLS_AES_128_GCM_SHA256', 'node-a', 'a..b', '-x'],
  ...['/', '/a/../b', 'ca.crt', '/a b', '/sys/fs/cgroup/x/**', '/**/x', '/a, /a', '/a /a/b', '/*', '/é', '../../..'],
  ...['127.0.0.1:1', '[::1]:65535', '::1', ':0', ':53'],
  ...['10.0.0.0/8', '10.0.0.1/8', '[fd00::/8]:443', '0.0.0.0/0', '::/0'],
  ...['#', ' # ', ';', '=', '==', '"', '\\', '${HOME}', '__proto__', 'constructor'],
  ...['\u{1f512}', '\u202e', '\u0085', '\ufeff', '\0', '\u0001', '\u007f', '\t', '\r', '\n', '\r\n'],
  ...['x'.repeat(97), '/x'.repeat(2100), ', '.repeat(3000), 'y'.repeat(9000)],
];
/** Each alone is good; with another one or with a default it may not be. */
const TOGETHER = [
  ...['handshake_timeout_ms = 20000', 'hold_timeout_ms = 50', 'hold_timeout_ms = 30000'],
  ...['silent_peer_timeout_ms = 10001', 'policy = permissive', 'capture.cgroup = /a/b /a'],
  ...['policy_exclude = :53 10.0.0.0/8', 'policy_require = fd00::/8, :53'],
];
const WORDS = [...KEY_NAMES, ...KEY_NAMES.map((key) => `${key} = `), '\n', '\n', ' = ', ...VALUES];

/** Lines of keys that exist, most of them with values that are no good. */
function generated(random: Random): Buffer {
  const lines = Array.from({ length: 1 + random.below(6) }, () => {
    if (random.below(4) === 0) return random.pick(TOGETHER);
    const key = random.pick(KEY_NAMES);
    const { format, default: fallback } = keySpec(key);
    const value = random.below(3) === 0 ? random.pick(VALUES) : format.encode(fallback);
    return `${key} = ${value}${random.below(4) === 0 ? random.pick(VALUES) : ''}`;
  });
  return Buffer.from(lines.join('\n'));
}

function input(random: Random): Buffer {
  return fuzzedText(random, { examples: EXAMPLES, words: WORDS, babbled: 30, generated });
}

/** As somebody would write it down who has only what was loaded. */
function written(config: Config): string {
  const flat = toFlat(config);
  return KEY_NAMES.map((key) => `${key} = ${keySpec(key).format.encode(flat[key])}\n`).join('');
}

/** An error is true: it is in the line that it names, of the key that it names, and nothing in front of that line is wrong. */
function checkError(error: ConfigError, contents: Buffer): void {
  const { code, file, line, key, message } = error;
  const lines = contents.toString().split('\n');
  expect(code).to.match(/^TLSHUB_CONFIG_/);
  expect(file).to.equal(FILE);
  expect(line, message).to.be.a('number').within(1, lines.length);
  expect(message.startsWith(placeText({ file, line: line!, ...(key === undefined ? {} : { key }) }))).to.equal(true);
  // eslint-disable-next-line no-control-regex
  expect(message, 'would garble a terminal').to.not.match(/[\x00-\x08\x0a-\x1f\x7f]/);
  if (code !== 'TLSHUB_CONFIG_SYNTAX') {
    expect(key, message).to.not.equal(undefined);
    expect(lines[line! - 1]).to.include(key!.replace(/\.\.\.$/, ''));
  }
  if (code === 'TLSHUB_CONFIG_CONFLICT') return;
  const upTo = thrown(ConfigError, () => parseConfig(firstLines(contents, line!), FILE));
  expect([upTo.code, upTo.line, upTo.message]).to.deep.equal([code, line, message]);
  let before: ConfigError | undefined;
  try {
    parseConfig(firstLines(contents, line! - 1), FILE);
  } catch (caught) {
    before = caught as ConfigError;
  }
  // Lines come before values, and values before what they mean together.
  const later = ['TLSHUB_CONFIG_CONFLICT', ...(code === 'TLSHUB_CONFIG_BAD_VALUE' ? [] : ['TLSHUB_CONFIG_BAD_VALUE'])];
  if (before !== undefined) expect(before.code).to.be.oneOf(later);
}

describe('fuzzed configuration', function () {
  this.timeout(120_000);

  it('is taken whole, or refused with the place of what is wrong (10,000 files)', async () => {
    const seen: Record<string, number> = { taken: 0 };
    const all = await fuzz({ seed: 20_261, cases: 10_000 }, (random) => {
      const contents = input(random);
      let config: Config;
      try {
        config = parseConfig(contents, FILE);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        seen[error.code] = (seen[error.code] ?? 0) + 1;
        if (random.below(8) === 0) checkError(error, contents);
        return;
      }
      seen['taken']!++;
      if (random.below(8) === 0) expect(parseConfig(written(config), FILE)).to.deep.equal(config);
    });
    if (!all) return;
    for (const [kind, count] of Object.entries(seen)) expect(count, kind).to.be.greaterThan(50);
    expect(Object.keys(seen).sort()).to.deep.equal([
      'TLSHUB_CONFIG_BAD_VALUE',
      'TLSHUB_CONFIG_CONFLICT',
      'TLSHUB_CONFIG_DUPLICATE_KEY',
      'TLSHUB_CONFIG_SYNTAX',
      'TLSHUB_CONFIG_UNKNOWN_KEY',
      'taken',
    ]);
  });

  it('names the variable where it came from the environment (2,000 environments)', async () => {
    let bad = 0;
    const all = await fuzz({ seed: 20_262, cases: 2000 }, (random) => {
      const keys = Array.from({ length: 1 + random.below(3) }, () => random.pick(KEY_NAMES));
      const env = Object.fromEntries(
        // The kernel passes no NUL byte on.
        keys.map((key: KeyName) => [environmentName(key), random.pick(VALUES).replaceAll('\0', '')]),
      );
      // eslint-disable-next-line no-control-regex
      const garbled = Object.values(env).some((value) => /[\x01-\x08\x0a-\x1f\x7f]/.test(value));
      try {
        parseConfig('', FILE, env);
        expect(garbled, 'a control character was taken').to.equal(false);
      } catch (error) {
        bad++;
        if (!(error instanceof ConfigError)) throw error;
        const { code, file, key, message } = error;
        // A conflict is with a default: either of the two keys may be named.
        const places = code === 'TLSHUB_CONFIG_CONFLICT' ? [...Object.keys(env), ...KEY_NAMES] : Object.keys(env);
        expect(key, message).to.be.oneOf(places);
        expect(file).to.be.oneOf(code === 'TLSHUB_CONFIG_CONFLICT' ? ['environment', FILE] : ['environment']);
      }
    });
    if (all) expect(bad).to.be.within(200, 1990);
  });
});
