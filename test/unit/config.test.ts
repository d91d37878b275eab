// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { KEY_NAMES, environmentName, keySpec } from '../../src/config/keys.js';
import { loadConfig, parseConfig } from '../../src/config/load.js';
import { ConfigError } from '../../src/shared/errors/errors.js';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import { renderConfiguration } from '../../tools/configuration.js';
import { renderCaptureConf } from '../../tools/render.js';
import { temporaryFolder } from './support/temporary.js';
import { thrown } from './support/thrown.js';

const FILE = '/etc/tlshub/capture.conf';
const failure = (text: string | Uint8Array, env = {}): ConfigError =>
  thrown(ConfigError, () => parseConfig(text, FILE, env));

describe('configuration', () => {
  const path = temporaryFolder();

  it('has a default for every key', () => {
    const config = parseConfig('', FILE);
    expect(config).to.deep.include({
      mode: 'openssl',
      podNodeConfig: '/etc/tlshub/pod_node_mapping.conf',
      netlinkProtocol: 31,
      logLevel: 'info',
      verbose: false,
      policy: 'strict',
      policyExclude: [],
      policyRequire: [],
      policySameNode: 'secure',
      marker: true,
      nodeName: hostname().toLowerCase(),
      capture: { cgroup: ['/sys/fs/cgroup/tlshub'] },
      openssl: { poolSize: 1, poolInFlight: 1024, poolQueue: 4096 },
      handshakeTimeoutMs: 5000,
      holdTimeoutMs: 10000,
      silentPeerTimeoutMs: 1000,
      drainTimeoutMs: 5000,
      controlSocket: '/run/tlshub/control.sock',
      bpfPinDir: '/sys/fs/bpf/tlshub',
      perfPages: 64,
      ringBytes: 1048576,
      leaseMs: 2000,
      guardian: true,
      guardianGraceMs: 10000,
      keylogFile: '',
      flowsKept: 1000,
    });
    expect(config.tls.ciphers).to.have.length(3);
    expect(config.metricsDir).to.equal(process.cwd());
  });

  it('reads lines, comments, blank lines, CRLF and a byte order mark', () => {
    const text =
      '\ufeff# comment\r\n\r\n  mode=tlshub  # the module\r\n\tlog_level\t=\tdebug\ntls.ca = /a#b/ca.crt\nnode_name = Node-A';
    const config = parseConfig(text, FILE);
    expect(config).to.include({ mode: 'tlshub', logLevel: 'debug', nodeName: 'node-a' });
    expect(config.tls.ca).to.equal('/a#b/ca.crt');
  });

  it('reads lists with commas or spaces', () => {
    expect(parseConfig('capture.cgroup = /a, /b  /c,/d', FILE).capture.cgroup).to.deep.equal(['/a', '/b', '/c', '/d']);
    const ciphers = 'tls.ciphers = TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256';
    expect(parseConfig(ciphers, FILE).tls.ciphers).to.deep.equal([
      'TLS_CHACHA20_POLY1305_SHA256',
      'TLS_AES_128_GCM_SHA256',
    ]);
  });

  it('reads rules of the policy, and writes them in one way', () => {
    const config = parseConfig(
      'policy_exclude = 10.96.0.10/32, :53,FD00::/8\npolicy_require = [fd00::/8]:443 10.0.0.0/8:9100\npolicy_same_node = plaintext',
      FILE,
    );
    expect(config.policyExclude).to.deep.equal(['10.96.0.10', ':53', 'fd00::/8']);
    expect(config.policyRequire).to.deep.equal(['[fd00::/8]:443', '10.0.0.0/8:9100']);
    expect(config.policySameNode).to.equal('plaintext');
    expect(parseConfig('policy_exclude =', FILE).policyExclude).to.deep.equal([]);
  });

  it('takes relative paths from the folder of the file, except metrics_dir', () => {
    const config = parseConfig(
      'pod_node_config = map.conf\ntls.key = ../k.pem\nkeylog_file = log\nmetrics_dir = out',
      '/srv/x/capture.conf',
    );
    expect(config.podNodeConfig).to.equal('/srv/x/map.conf');
    expect(config.tls.key).to.equal('/srv/k.pem');
    expect(config.keylogFile).to.equal('/srv/x/log');
    expect(config.metricsDir).to.equal(`${process.cwd()}/out`);
  });

  it('is frozen all the way down', () => {
    const config = parseConfig('', FILE);
    for (const part of [
      config,
      config.tls,
      config.tls.ciphers,
      config.capture,
      config.capture.cgroup,
      config.openssl,
    ]) {
      expect(Object.isFrozen(part)).to.equal(true);
    }
  });

  it('lets the environment go before the file', () => {
    const env = {
      TLSHUB_MODE: 'boringssl',
      TLSHUB_OPENSSL_POOL_SIZE: '3',
      TLSHUB_CAPTURE_CGROUP: '/x',
      OTHER: '1',
      TLSHUB_TLS_CA: undefined,
    };
    const config = parseConfig('mode = tlshub\nopenssl.pool_size = 2', FILE, env);
    expect(config.mode).to.equal('boringssl');
    expect(config.openssl.poolSize).to.equal(3);
    expect(config.capture.cgroup).to.deep.equal(['/x']);
    const error = failure('', { TLSHUB_PERF_PAGES: '65' });
    expect(error.message).to.match(
      /^environment: TLSHUB_PERF_PAGES: "65" is not allowed \(no power of two\); allowed: /,
    );
    expect(KEY_NAMES.map(environmentName)).to.satisfy((names: string[]) => new Set(names).size === names.length);
  });

  it('takes no control character from the environment either', () => {
    const error = failure('', { TLSHUB_TLS_CA: '/etc/ca.crt\n' });
    expect(error).to.include({ code: 'TLSHUB_CONFIG_BAD_VALUE', file: 'environment', key: 'TLSHUB_TLS_CA' });
    expect(error.message).to.include('the control character 0x0a');
  });

  it('names file, line, key and what is allowed', () => {
    const error = failure('# first\nmode = gnutls');
    expect(error.message).to.equal(
      `${FILE}:2: mode: "gnutls" is not allowed (not one of them); allowed: tlshub, openssl, boringssl`,
    );
    expect(error).to.include({ code: 'TLSHUB_CONFIG_BAD_VALUE', exitCode: 78, file: FILE, line: 2, key: 'mode' });
  });

  it('refuses values of every kind', () => {
    const wrong = [
      'openssl.pool_size = 0',
      'openssl.pool_size = 65',
      'openssl.pool_size = 1.5',
      'openssl.pool_size = 0x2',
      'openssl.pool_size = 01',
      'openssl.pool_size = ',
      'openssl.pool_size = 1e1',
      'openssl.pool_size = 99999999999999999999',
      'netlink_protocol = 32',
      'netlink_protocol = -1',
      'ring_bytes = 65535',
      'perf_pages = 0',
      'verbose = maybe',
      'guardian =',
      'log_level = warn',
      'log_level = INFO',
      'policy = loose',
      'policy_exclude = 53',
      'policy_exclude = 10.0.0.1/8',
      'policy_exclude = :53, :53',
      'policy_require = ::/0',
      'policy_require = [fd00::/8]:0',
      `policy_exclude = ${Array.from({ length: 1025 }, (_, i) => `:${i + 1}`).join(' ')}`,
      'policy_same_node = yes',
      'node_name = 10.0.0.1',
      'node_name = *.example',
      'control_socket = run/x.sock',
      `control_socket = /${'x'.repeat(96)}`,
      'bpf_pin_dir = pins',
      'capture.cgroup = ,',
      'capture.cgroup = relative',
      'capture.cgroup = /a /a',
      `capture.cgroup = ${Array.from({ length: 65 }, (_, i) => `/c${i}`).join(' ')}`,
      'tls.ciphers = TLS_AES_128_CCM_SHA256',
      'tls.ca =',
      `tls.ca = /${'x'.repeat(4096)}`,
      'otlp.endpoint = 10.0.0.1:4318',
      'otlp.endpoint = grpc://10.0.0.1:4317',
      'otlp.endpoint = http://user:password@10.0.0.1:4318',
      'otlp.endpoint = http://10.0.0.1:4318/?token=x',
      'otlp.export = traces',
      'otlp.export =',
      'otlp.interval_ms = 999',
      'otlp.resource = production',
      'otlp.resource = a=1, a=2',
      'otlp.resource = a=',
    ];
    for (const line of wrong) {
      const error = failure(`mode = openssl\n${line}`);
      expect(error, line).to.include({ code: 'TLSHUB_CONFIG_BAD_VALUE', line: 2 });
      expect(error.message).to.include('allowed: ');
    }
  });

  it('refuses unknown keys and proposes the nearest', () => {
    expect(failure('pod_node_confg = x').message).to.equal(
      `${FILE}:1: pod_node_confg: there is no such key; did you mean pod_node_config?`,
    );
    expect(failure('MODE = openssl')).to.include({ code: 'TLSHUB_CONFIG_UNKNOWN_KEY', key: 'MODE' });
    expect(failure('MODE = openssl').message).to.include('did you mean mode?');
    expect(failure('something_else = 1').message).to.include('the keys are mode, ');
    expect(failure('__proto__ = 1').code).to.equal('TLSHUB_CONFIG_UNKNOWN_KEY');
    expect(failure('constructor = 1').code).to.equal('TLSHUB_CONFIG_UNKNOWN_KEY');
    expect(failure('tls = 1').code).to.equal('TLSHUB_CONFIG_UNKNOWN_KEY');
  });

  it('refuses a key that is set twice', () => {
    const error = failure('mode = openssl\n\nmode = openssl');
    expect(error).to.include({ code: 'TLSHUB_CONFIG_DUPLICATE_KEY', line: 3 });
    expect(error.message).to.include('line 1');
  });

  it('refuses what is no line of text', () => {
    expect(failure('mode')).to.include({ code: 'TLSHUB_CONFIG_SYNTAX', line: 1 });
    expect(failure('= x')).to.include({ code: 'TLSHUB_CONFIG_SYNTAX', line: 1 });
    expect(failure('mode = openssl\nmode\0 = x').message).to.include(':2: the line contains a NUL byte');
    expect(failure('# \0').message).to.include('NUL byte');
    expect(failure(Buffer.from('mode = \xff\xfe', 'latin1')).message).to.include('not UTF-8');
    expect(failure('tls.ca = /a\u001b[31mb').message).to.include('control character 0x1b');
    expect(failure(`mode = ${'x'.repeat(9000)}`).message).to.include('longer than 8192 bytes');
    expect(failure(`#${'x'.repeat(9000)}`).code).to.equal('TLSHUB_CONFIG_SYNTAX');
  });

  it('checks keys against each other, and points at the one that was set', () => {
    const hold = failure('hold_timeout_ms = 4000');
    expect(hold).to.include({ code: 'TLSHUB_CONFIG_CONFLICT', line: 1, key: 'hold_timeout_ms' });
    expect(hold.message).to.include('handshake_timeout_ms (5000) must be at most hold_timeout_ms (4000)');
    expect(failure('\nhandshake_timeout_ms = 20000')).to.include({ line: 2, key: 'handshake_timeout_ms' });
    expect(failure('silent_peer_timeout_ms = 10001')).to.include({ key: 'silent_peer_timeout_ms' });
    expect(failure('', { TLSHUB_HANDSHAKE_TIMEOUT_MS: '20000' }).code).to.equal('TLSHUB_CONFIG_CONFLICT');
    expect(failure('capture.cgroup = /a/b/, /a')).to.include({ code: 'TLSHUB_CONFIG_CONFLICT', line: 1 });
    expect(failure('capture.cgroup = / /a').message).to.include('/a lies inside /');
    const rules = failure('policy_exclude = :53, fd00::/8\npolicy_require = [FD00::/8]');
    expect(rules).to.include({ code: 'TLSHUB_CONFIG_CONFLICT', line: 2, key: 'policy_require' });
    expect(rules.message).to.include('fd00::/8 is in policy_exclude as well');
    const many = (from: number): string => Array.from({ length: 600 }, (_, i) => `:${from + i}`).join(' ');
    expect(failure(`policy_exclude = ${many(1)}\npolicy_require = ${many(1000)}`).message).to.include(
      '1200 rules together',
    );
    expect(parseConfig('capture.cgroup = /a, /ab', FILE).capture.cgroup).to.have.length(2);
  });

  it('reads files, and says why it cannot', () => {
    writeFileSync(path('good.conf'), 'policy = permissive\ntls.ca = ca.crt\n');
    const config = loadConfig(path('good.conf'), {});
    expect(config.policy).to.equal('permissive');
    expect(config.tls.ca).to.equal(path('ca.crt'));

    const unreadable = (file: string): ConfigError => thrown(ConfigError, () => loadConfig(file, {}));
    expect(unreadable(path('missing.conf'))).to.include({
      code: 'TLSHUB_CONFIG_UNREADABLE',
      exitCode: 78,
      file: path('missing.conf'),
    });
    expect(unreadable(path('missing.conf')).message).to.include('ENOENT');
    mkdirSync(path('folder.conf'));
    expect(unreadable(path('folder.conf')).message).to.include('not a regular file');
    execFileSync('mkfifo', [path('pipe.conf')]);
    expect(unreadable(path('pipe.conf')).message).to.include('not a regular file');
    writeFileSync(path('large.conf'), Buffer.alloc((1 << 20) + 1, '#'));
    expect(unreadable(path('large.conf')).message).to.include('larger than');
    writeFileSync(path('secret.conf'), '');
    chmodSync(path('secret.conf'), 0);
    if (process.getuid?.() !== 0) expect(unreadable(path('secret.conf')).message).to.include('EACCES');
  });
});

const REMEDY = 'out of date: run `scripts/build && node build/tools/docs.js`';

describe('config/capture.conf', () => {
  const shipped = readFileSync('config/capture.conf', 'utf8');

  it('is what the schema generates', () => {
    expect(shipped, REMEDY).to.equal(renderCaptureConf());
  });

  it('is valid as shipped, and shows every key with its default', () => {
    expect(parseConfig(shipped, FILE)).to.deep.equal(parseConfig('', FILE));
    const allSet = shipped.replaceAll(/^#(?=\w)/gm, '');
    // That channel_listen is set at all begins channels.
    const { channelListen } = parseConfig('', FILE);
    expect(parseConfig(allSet, FILE)).to.deep.equal(parseConfig(`channel_listen = ${channelListen}`, FILE));
    for (const key of KEY_NAMES) {
      expect(shipped, key).to.match(new RegExp(`^(#|# default: )?${key.replace('.', '\\.')} =`, 'm'));
      expect(keySpec(key).doc).to.match(/\.$/);
    }
  });
});

describe('docs/CONFIGURATION.md', () => {
  const text = readFileSync('docs/CONFIGURATION.md', 'utf8');
  const block = (language: string): string => new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'ms').exec(text)![1]!;

  it('is what the schema generates', () => {
    expect(text, REMEDY).to.equal(renderConfiguration('en'));
    expect(readFileSync('docs/zh/CONFIGURATION.md', 'utf8'), REMEDY).to.equal(renderConfiguration('zh'));
  });

  it('has each key once, with its default, and says whether a reload takes it', () => {
    for (const key of KEY_NAMES) {
      const rows = text.split('\n').filter((line) => line.startsWith(`| \`${key}\` |`));
      expect(rows, key).to.have.length(1);
      const { format, default: fallback, defaultNote, restart } = keySpec(key);
      expect(rows[0]).to.match(restart === undefined ? /\| yes \|$/ : /\| restart: [^|]+ \|$/);
      expect(rows[0]).to.include(defaultNote ?? (format.encode(fallback) || 'nothing'));
    }
  });

  it('has examples that are valid', () => {
    expect(parseConfig(block('ini'), FILE).policyExclude).to.have.length(2);
    expect(PodNodeMapping.parse(block('conf')).podOf('10.78.2.9')).to.equal('shop/web-1');
    const cgroups = [...text.matchAll(/`(\/sys\/fs\/cgroup\/[^`]*)`/g)].map(([, path]) => path!);
    expect(cgroups.length).to.be.greaterThan(3);
    for (const path of cgroups) parseConfig(`capture.cgroup = ${path}`, FILE);
  });
});
