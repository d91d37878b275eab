// SPDX-License-Identifier: Apache-2.0
/** `tlshubctl bug-report`: what is in the archive, that no secret is, and where it is written. */
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { BugReport } from '../../src/cli/bug-report.js';
import { noModule } from '../fakes/module-control.js';
import { withoutKeys } from '../../src/cli/bug-report.js';
import { run } from '../../src/cli/program.js';
import { startControlServer, type ControlServer } from '../../src/control/server.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import { initCa, issueNode } from '../../src/tls/lab-ca/pki.js';
import { agentStatus } from './support/agent-status.js';
import { unpack } from './support/archive.js';
import { temporaryFolder } from './support/temporary.js';

describe('tlshubctl bug-report', () => {
  const path = temporaryFolder();
  let server: ControlServer;
  let config: string;
  /** what must not be found, in the forms that it could be found in */
  const secrets: string[] = [];
  let number = 0;

  before(async () => {
    const pki = path('pki');
    await initCa(pki, { days: 10, name: 'a CA', force: false });
    const { key, certificate } = await issueNode(pki, 'node-a', { days: 10, force: false });
    const pem = readFileSync(key, 'utf8');
    secrets.push(...pem.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----')));
    const [random, secret, psk] = [randomBytes(32), randomBytes(32), randomBytes(24)].map((one) => one.toString('hex'));
    const keylog = `CLIENT_TRAFFIC_SECRET_0 ${random!} ${secret!}`;
    writeFileSync(path('keys.log'), `${keylog}\n`);
    secrets.push(secret!, psk!);
    config = path('capture.conf');
    const lines = [
      `# the key, so that I do not forget it: ${psk!}`,
      ...[
        `tls.ca = ${pki}/ca.crt`,
        `tls.cert = ${certificate}`,
        `tls.key = ${key}`,
        `keylog_file = ${path('keys.log')}`,
      ],
      'node_name = node-a',
    ];
    writeFileSync(config, lines.join('\n'));
    // An agent that says its secrets, as none should: in a problem, in a connection.
    const status = { ...agentStatus(), configFile: config };
    status.problems = [{ severity: 'warning', code: 'TLSHUB_SYS', message: keylog, remedy: pem }];
    const metrics = new MetricsRegistry();
    server = await startControlServer({
      path: path('control.sock'),
      handlers: {
        status: () => Promise.resolve(status),
        flows: () => Promise.resolve([]),
        channels: () => Promise.resolve([]),
        metrics: async () => ({ text: await metrics.text(), families: await metrics.families() }),
      },
    });
  });
  after(() => server.close());

  async function report(
    file = path(`report-${number++}.tar.gz`),
    socket = path('control.sock'),
    env: Record<string, string> = {},
  ): Promise<{ status: number; out: string; err: string; file: string }> {
    let [out, err] = ['', ''];
    const status = await run(['--socket', socket, '--json', 'bug-report', file], {
      out: (text) => (out += text),
      err: (text) => (err += text),
      env,
      probe: () => [{ name: 'kernel TLS', ok: true, detail: 'there', remedy: '' }],
      library: () => '',
      module: noModule,
      release: () => Promise.reject(new Error('not asked')),
      uid: 0,
      untilInterrupted: () => new AbortController().signal,
    });
    return { status, out, err, file };
  }

  it('is an archive of what it says, for its owner alone', async () => {
    const { status, out, file } = await report();
    expect(status).to.equal(0);
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    const { parts, file: named } = JSON.parse(out) as BugReport;
    expect(named).to.equal(file);
    const found = await unpack(file);
    const there = parts.filter(({ missing }) => missing === null).map(({ name }) => name);
    expect([...found.keys()]).to.have.members([...there, 'CONTENTS.txt']);
    expect(there).to.include.members(['versions.json', 'check.json', 'status.json', 'flows.json', 'channels.json']);
    expect(there).to.include.members(['metrics.txt', 'config.txt', 'kernel.txt']);
    for (const { name, bytes } of parts.filter(({ missing }) => missing === null)) {
      expect(Buffer.byteLength(found.get(name)!), name).to.equal(bytes);
    }
    expect(JSON.parse(found.get('status.json')!)).to.include({ node: 'node-a', version: '9.9.9' });
    expect(found.get('config.txt'))
      .to.match(/^node_name = node-a$/m)
      .and.match(/^tls\.key = .*node-a\.key$/m);
    for (const { name } of parts) expect(found.get('CONTENTS.txt')).to.include(name);
  });

  it('holds no secret, also where the agent says one and where one stands in a comment', async () => {
    const { file } = await report();
    const text = [...(await unpack(file)).values()].join('\n');
    expect(secrets).to.have.length.greaterThan(3);
    for (const secret of secrets) {
      expect(text).to.not.include(secret);
      expect(text.toLowerCase()).to.not.include(Buffer.from(secret).toString('base64').toLowerCase());
    }
    expect(text).to.include('(a private key)').and.include('(a line of a key log)');
  });

  it('says of a configuration that is wrong where, and not what stands there', async () => {
    const { out, file } = await report(undefined, undefined, { TLSHUB_NODE_NAME: 's3cret passphrase' });
    const { parts } = JSON.parse(out) as BugReport;
    const { missing } = parts.find(({ name }) => name === 'config.txt')!;
    expect(missing).to.equal('TLSHUB_CONFIG_BAD_VALUE (environment:TLSHUB_NODE_NAME)');
    expect([...(await unpack(file)).values()].join() + out).to.not.include('s3cret');
  });

  it('is made without an agent too, and says what is missing', async () => {
    const { status, out, file } = await report(undefined, path('none.sock'));
    expect(status).to.equal(0);
    const { parts } = JSON.parse(out) as BugReport;
    expect(parts.find(({ name }) => name === 'status.json')!.missing).to.equal('TLSHUB_CONTROL_UNREACHABLE');
    const found = await unpack(file);
    expect(found.has('status.json')).to.equal(false);
    expect(found.get('CONTENTS.txt')).to.match(/status\.json.*not there: TLSHUB_CONTROL_UNREACHABLE/);
    expect(found.get('check.json')).to.include('kernel TLS');
  });

  it('takes no place of a file, and leaves none where it fails', async () => {
    const taken = path('taken.tar.gz');
    writeFileSync(taken, 'mine');
    chmodSync(taken, 0o644);
    const { status, err } = await report(taken);
    expect(status).to.equal(1);
    expect(err).to.include('TLSHUB_BUG_REPORT').and.include('there is such a file already');
    expect(readFileSync(taken, 'utf8')).to.equal('mine');
    const before = readdirSync(path());
    expect((await report(path('nowhere', 'report.tar.gz'))).status).to.equal(1);
    expect(readdirSync(path())).to.deep.equal(before);
  });

  it('takes keys out of texts, and leaves what is shorter', () => {
    const hex = 'ab'.repeat(32);
    expect(withoutKeys(`serial 0A1B ${hex} end`)).to.equal('serial 0A1B (64 or more hexadecimal digits) end');
    expect(withoutKeys('x -----BEGIN EC PRIVATE KEY-----\nMHc')).to.equal('x (a private key)');
  });
});
