// SPDX-License-Identifier: Apache-2.0
/**
 * An operator's day: each thing missing or wrong in turn. What the agent says at its start, its exit status, `tlshubctl check --config`,
 * `status`, the log and `explain` lead to the remedy, and no document has to be opened.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import type { CliContext } from '../../src/cli/context.js';
import { noModule } from '../fakes/module-control.js';
import { run } from '../../src/cli/program.js';
import { statusText } from '../../src/cli/status-text.js';
import { catalogEntry } from '../../src/shared/errors/catalog.js';
import { ProblemLog } from '../../src/supervisor/problem-log.js';
import { problemsOf, type ProblemFacts } from '../../src/supervisor/problems.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { NodeFiles } from '../fakes/settings.js';
import { patience } from '../speed.js';
import { agentStatus } from './support/agent-status.js';
import { temporaryFolder } from './support/temporary.js';

interface Ended {
  status: number | null;
  out: string;
  err: string;
}

async function tlshubctl(...args: string[]): Promise<Ended> {
  const ended = { status: -1, out: '', err: '' };
  const context: CliContext = {
    out: (text) => (ended.out += text),
    err: (text) => (ended.err += text),
    env: {},
    probe: () => [],
    library: () => 'OpenSSL',
    module: noModule,
    release: () => Promise.reject(new Error('not asked')),
    uid: 0,
    untilInterrupted: () => AbortSignal.abort(),
  };
  ended.status = await run(args, context);
  return ended;
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ');

/** `explain` has the remedy of a code, and what it means. */
async function expectExplained(code: string): Promise<void> {
  const { status, out } = await tlshubctl('explain', code);
  expect(status, code).to.equal(0);
  expect(oneLine(out)).to.include(catalogEntry(code)?.meaning).and.include(catalogEntry(code)?.remedy);
}

describe("an operator's day", function () {
  this.timeout(patience(120_000));
  const folder = temporaryFolder();
  let files: NodeFiles;

  before(async () => {
    files = await NodeFiles.make(folder('node'));
    for (const [name, options] of [
      ['other', {}],
      ['expired', { days: -1 }],
      ['named', { node: 'z' }],
    ] as const) {
      await files.certificates(name, options);
    }
    mkdirSync(folder('cgroup'));
  });

  const SETTINGS = (): Record<string, string> => ({
    'capture.cgroup': folder('cgroup'),
    control_socket: folder('run', 'control.sock'),
    bpf_pin_dir: folder('pins'),
    health_listen: '',
  });
  const write = (keys: Record<string, string> = {}, pki = 'pki', node = 'a'): void =>
    files.write({ ...SETTINGS(), ...keys }, pki, node);

  /** The agent as it is started on a host, up to the moment at which it gives up. */
  function start(): Ended {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/supervisor.js', files.config], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
      timeout: patience(30_000),
    });
    return { status, out: stdout, err: stderr };
  }

  const WRONG: Record<string, { make: () => void; code: string; says: RegExp; todo: RegExp }> = {
    'there is no configuration': {
      make: () => rmSync(files.config),
      code: 'TLSHUB_CONFIG_UNREADABLE',
      says: /capture\.conf: cannot read the configuration/,
      todo: /config\/capture\.conf of the package/,
    },
    'a line of it is none': {
      make: () => write({ 'policy strict #': '' }),
      code: 'TLSHUB_CONFIG_SYNTAX',
      says: /capture\.conf:10: "policy strict" has no "="; a line is `key = value`/,
      todo: /Correct the line/,
    },
    'a key is misspelt': {
      make: () => write({ polcy: 'strict' }),
      code: 'TLSHUB_CONFIG_UNKNOWN_KEY',
      says: /did you mean policy\?/,
      todo: /Correct the line/,
    },
    'a value is not allowed': {
      make: () => write({ mode: 'fast' }),
      code: 'TLSHUB_CONFIG_BAD_VALUE',
      says: /mode: "fast" is not allowed .* allowed: tlshub, openssl, boringssl/,
      todo: /Correct the line/,
    },
    'two values do not go together': {
      make: () => write({ handshake_timeout_ms: '20000' }),
      code: 'TLSHUB_CONFIG_CONFLICT',
      says: /handshake_timeout_ms \(20000\) must be at most hold_timeout_ms \(10000\)/,
      todo: /Change one of the two keys/,
    },
    'there is no certificate': {
      make: () => write({ 'tls.cert': 'nowhere.crt' }),
      code: 'TLSHUB_CREDENTIALS',
      says: /nowhere\.crt: tls\.cert: cannot read it/,
      todo: /tlshubctl pki issue NODE --as node/,
    },
    'the certificate has expired': {
      make: () => write({}, 'expired'),
      code: 'TLSHUB_CREDENTIALS',
      says: /a\.crt: tls\.cert: the certificate of a has expired/,
      todo: /new certificate and key into the files/,
    },
    "the certificate is another node's": {
      make: () => write({}, 'named', 'z'),
      code: 'TLSHUB_CREDENTIALS',
      says: /the certificate names DNS:z, and this node is a/,
      todo: /pki issue NODE/,
    },
    'the certificate is of another CA': {
      make: () => write({ 'tls.ca': 'other/ca.crt' }),
      code: 'TLSHUB_CREDENTIALS',
      says: /issued by CA of pki, which is not among the CAs of tls\.ca/,
      todo: /Check tls\.ca/,
    },
    'the key is of another certificate': {
      make: () => write({ 'tls.key': 'other/a.key' }),
      code: 'TLSHUB_CREDENTIALS',
      says: /other\/a\.key: tls\.key: does not belong to the certificate of a/,
      todo: /tls\.key/,
    },
    'there is no mapping': {
      make: () => write({ pod_node_config: 'nowhere.conf' }),
      code: 'TLSHUB_MAPPING_UNREADABLE',
      says: /nowhere\.conf: cannot read the mapping/,
      todo: /config\/pod_node_mapping\.conf of the package/,
    },
    'a pod is in the mapping twice': {
      make: () => files.map('web a 10.0.0.1\nweb b 10.0.0.2\n'),
      code: 'TLSHUB_MAPPING_DUPLICATE',
      says: /mapping\.conf:2: pod web is listed twice, before in line 1/,
      todo: /Join the two lines/,
    },
    'an address of the mapping is none': {
      make: () => files.map('web a 10.0.0\n'),
      code: 'TLSHUB_MAPPING_BAD_ADDRESS',
      says: /mapping\.conf:1: /,
      todo: /pod_name node_name/,
    },
    'the endpoints of nodes are not there': {
      make: () => write({ exchange: 'channel', node_endpoints: 'nowhere.conf' }),
      code: 'TLSHUB_ENDPOINTS_UNREADABLE',
      says: /nowhere\.conf: /,
      todo: /node_endpoints in capture\.conf/,
    },
  };

  for (const [what, { make, code, says, todo }] of Object.entries(WRONG)) {
    it(`at the start ${what}: exit status 78, what and where, and what to do`, async function () {
      if (process.getuid?.() !== 0) this.skip();
      files.map('web a 10.0.0.1\ndb b 10.0.0.2\n');
      write();
      make();
      const agent = start();
      expect(agent.status, agent.err).to.equal(78);
      expect(agent.err).to.match(says).and.match(todo).and.include(code);
      // The log ends with this, and nothing like it is hidden between stack traces.
      expect(agent.err.trimEnd().split('\n').length, agent.err).to.be.at.most(2);

      const checked = await tlshubctl('check', '--config', files.config);
      expect(checked.status, checked.out).to.equal(78);
      expect(oneLine(checked.out)).to.match(says).and.match(todo).and.include(code);
      await expectExplained(code);
    });
  }

  it('without an agent every question says how to start one', async () => {
    const { status, err } = await tlshubctl('--socket', folder('none.sock'), 'status');
    expect(status).to.equal(1);
    expect(err)
      .to.include('TLSHUB_CONTROL_UNREACHABLE')
      .and.match(/Start one with/);
    await expectExplained('TLSHUB_CONTROL_UNREACHABLE');
  });

  it('for somebody who may not it says who may', function () {
    if (process.getuid?.() !== 0) this.skip();
    files.map('web a 10.0.0.1\n');
    write();
    // What `nobody` is to read lies where nobody may look.
    for (const path of [folder(), files.folder]) chmodSync(path, 0o755);
    const { status, stderr } = spawnSync(process.execPath, ['dist/supervisor.js', files.config], {
      encoding: 'utf8',
      uid: 65534,
      env: {},
      timeout: patience(30_000),
    });
    expect(status, stderr).to.equal(77);
    expect(stderr).to.include('must run as root').and.include('TLSHUB_NOT_PERMITTED');
  });

  describe('while it runs', () => {
    const FINE: ProblemFacts = {
      ...{
        now: Date.now(),
        swept: true,
        draining: false,
        guardian: true,
        workers: 1,
        late: [],
        staleMapping: undefined,
      },
      ...{
        mapping: { networks: 3, source: 'file /x' },
        cgroupsAwaited: [],
        certificates: [],
        keyExposure: undefined,
        accessLog: null,
        otlp: null,
        bootState: { file: '/var/lib/tlshub/boot.state', error: null },
      },
    };
    const expired = { ...agentStatus().certificates[0]!, notAfter: '2020-01-01T00:00:00.000Z' };
    const LATER: Record<string, { facts: Partial<ProblemFacts>; ready: boolean; logged: boolean }> = {
      'its certificate expires': { facts: { certificates: [expired] }, ready: false, logged: true },
      'no thread makes keys': { facts: { workers: 0 }, ready: false, logged: true },
      'its guardian is gone': { facts: { guardian: false }, ready: false, logged: true },
      'the API server is gone': { facts: { staleMapping: 'not reached for 90 s' }, ready: false, logged: true },
      'a thread hangs': { facts: { late: ['installer'] }, ready: false, logged: true },
      'the cgroup is not there': { facts: { cgroupsAwaited: ['/sys/fs/cgroup/tlshub'] }, ready: true, logged: false },
      'the mapping is empty': { facts: { mapping: { networks: 0, source: 'file /x' } }, ready: true, logged: true },
    };
    for (const [what, { facts, ready, logged }] of Object.entries(LATER)) {
      it(`${what}: status says so first, the log has it, and explain knows it`, async () => {
        const problems = problemsOf({ ...FINE, ...facts });
        expect(problems).to.have.length(1);
        const { code, message, remedy } = problems[0]!;
        const text = statusText(
          { env: {}, out: () => undefined } as unknown as CliContext,
          { ...agentStatus(), ready, problems },
          false,
        );
        const [verdict = '', ...rest] = text.split('\n');
        expect(verdict).to.match(ready ? /^! ready: .* a warning$/ : /^✘ not ready: /);
        expect(oneLine(rest.slice(0, 8).join(' ')))
          .to.include(code)
          .and.include(message)
          .and.include(remedy);
        const { log, lines } = memoryLogger();
        new ProblemLog(() => problems, log).look();
        expect(lines.map(({ fields }) => [fields.code, fields.remedy])).to.deep.equal(logged ? [[code, remedy]] : []);
        await expectExplained(code);
      });
    }
  });
});
