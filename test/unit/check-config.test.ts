// SPDX-License-Identifier: Apache-2.0
/** `tlshubctl check --config`: everything that an agent would find wrong with its files, at once, and what it would only find out later. */
import { expect } from 'chai';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { bootGateItem, type ConfigItem } from '../../src/cli/check-config.js';
import type { Config } from '../../src/config/schema.js';
import { noModule } from '../fakes/module-control.js';
import type { CliContext } from '../../src/cli/context.js';
import { checkNode } from '../../src/cli/node-version.js';
import { run } from '../../src/cli/program.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import { NodeFiles } from '../fakes/settings.js';
import { temporaryFolder } from './support/temporary.js';

describe('tlshubctl check --config', () => {
  const folder = temporaryFolder();
  let files: NodeFiles;
  let library: CliContext['library'];

  before(async () => {
    files = await NodeFiles.make(folder('node'));
    await files.certificates('pki', { days: 100 });
    await files.certificates('soon', { days: 12 });
    await files.certificates('expired', { days: -1 });
    mkdirSync(folder('cgroup'));
  });
  beforeEach(() => {
    library = () => 'OpenSSL 3.0.17, /usr/bin/node';
    files.map('web a 10.0.0.1\ndb b 10.0.0.2\n');
    write();
  });

  function write(keys: Record<string, string> = {}, pki = 'pki'): void {
    files.write({ 'capture.cgroup': folder('cgroup'), ...keys }, pki);
  }

  async function check(...more: string[]): Promise<{ status: number; out: string; err: string }> {
    const ended = { status: -1, out: '', err: '' };
    ended.status = await run(['check', '--config', files.config, ...more], {
      out: (text) => (ended.out += text),
      err: (text) => (ended.err += text),
      env: {},
      probe: () => [],
      library: (...asked) => library(...asked),
      module: noModule,
      release: () => Promise.reject(new Error('not asked')),
      uid: 1000,
      untilInterrupted: () => AbortSignal.abort(),
    });
    return ended;
  }

  /** Of the items that are not in order. */
  async function found(): Promise<{ status: number; bad: string[]; warnings: string[]; items: ConfigItem[] }> {
    const { status, out } = await check('--json');
    const items = JSON.parse(out) as ConfigItem[];
    const text = ({ name, detail, remedy }: ConfigItem): string => `${name}: ${detail} -> ${remedy}`;
    return {
      status,
      items,
      bad: items.filter(({ ok }) => !ok).map(text),
      warnings: items.filter(({ warning }) => warning).map(text),
    };
  }

  it('says what there is, and ends with 0, when all is well', async () => {
    const { status, out, err } = await check();
    expect({ status, err }).to.deep.equal({ status: 0, err: '' });
    expect(out).to.match(/^✔ Node\.js +v\d+/);
    expect(out.replace(/\s+/g, ' ')).to.match(/✔ configuration \S+capture\.conf: node a, mode openssl/);
    expect(out).to.match(/^✔ certificate +a, by CA of pki, until 20/m);
    expect(out.replace(/\s+/g, ' ')).to.match(/✔ mapping \S+mapping\.conf: 2 pods on 2 nodes, 2 networks/);
    expect(out).to.match(/^✔ provider +OpenSSL 3\.0\.17, \/usr\/bin\/node$/m);
    expect(out).to.include('\nnothing is missing\n');
    for (const line of out.split('\n')) expect(line.length, line).to.be.at.most(folder('node').length + 80);
  });

  it('names all mistakes of the configuration at once, each with its line and its code', async () => {
    write({ polcy: 'strict', mode: 'fast', handshake_timeout_ms: '99999', marker: 'perhaps' });
    const { status, bad } = await found();
    expect(status).to.equal(78);
    expect(bad).to.have.length(4);
    expect(bad[0]).to.match(/capture\.conf:7: polcy: .*did you mean policy\? \(TLSHUB_CONFIG_UNKNOWN_KEY\) -> /);
    expect(bad[1]).to.match(/capture\.conf:8: mode: "fast" is not allowed .*\(TLSHUB_CONFIG_BAD_VALUE\)/);
    expect(bad.join('\n'))
      .to.match(/:10: marker: /)
      .and.match(/:9: handshake_timeout_ms.*must be at most hold_timeout_ms/);
  });

  it('names all mistakes of the mapping, and looks at the rest all the same', async () => {
    files.map('web a 10.0.0.1\nweb b 10.0.0.2\nbad-address b 10.0.0\nfine b 10.0.0.9\nno-node\n');
    write({}, 'expired');
    const { status, bad } = await found();
    expect(status).to.equal(78);
    expect(bad.map((line) => line.replace(/^.*\//, ''))).to.have.length(4);
    expect(bad[0]).to.match(
      /^certificate: .*a\.crt: tls\.cert: the certificate of a has expired .* -> Put a new certificate/,
    );
    expect(bad.filter((line) => line.startsWith('mapping: '))).to.have.length(3);
    expect(bad.join('\n'))
      .to.match(/mapping\.conf:2: pod web is listed twice/)
      .and.match(/mapping\.conf:5: pod no-node/);
    expect((await check()).err).to.match(
      /an agent would not start with it: certificate, mapping \(TLSHUB_CHECK_FAILED\)/,
    );
  });

  it('says of files that are not there what the agent would', async () => {
    rmSync(files.mapping);
    write({ 'tls.ca': 'nowhere.crt' });
    const { bad } = await found();
    expect(bad.join('\n')).to.include('TLSHUB_MAPPING_UNREADABLE').and.include('tls.ca: cannot read it');
    rmSync(files.config);
    const { status, bad: none } = await found();
    expect(status).to.equal(78);
    expect(none.join('\n')).to.include('TLSHUB_CONFIG_UNREADABLE');
  });

  it('warns of what an agent would start with, and not be of use', async () => {
    files.map('db b 10.0.0.2\n');
    write({ 'capture.cgroup': '/sys/fs/cgroup/there-is-none' }, 'soon');
    chmodSync(folder('node', 'soon', 'a.key'), 0o644);
    const { status, bad, warnings } = await found();
    expect({ status, bad }).to.deep.equal({ status: 0, bad: [] });
    const text = warnings.join('\n');
    expect(text).to.match(/certificate: .*expires in 1[12] days .*TLSHUB_CERTIFICATE_EXPIRES/);
    expect(text).to.match(/key: .*every user of this node can read .* -> chmod 600/);
    expect(text).to.match(/mapping: no pod is on this node \(a\); the mapping has b -> Correct node_name/);
    expect(text).to.match(/cgroups: nothing matches \/sys\/fs\/cgroup\/there-is-none/);
    files.map('# nobody yet\n');
    expect((await found()).warnings.join('\n')).to.match(/mapping: The mapping has no address/);
  });

  it('says whether the boot gate is enabled, and warns if it is in vain', async () => {
    const { items } = await found();
    expect(items.find(({ name }) => name === 'boot gate')).to.include({ ok: true });
    const text = (policy: Config['bootPolicy'], enabled: boolean): string => {
      const { warning = false, detail } = bootGateItem({ bootPolicy: policy }, enabled);
      return `${warning} ${detail}`;
    };
    expect(text('closed', true)).to.equal('false closed, enabled');
    expect(text('closed', false)).to.match(/^false not enabled on this host: captured programs speak plaintext/);
    expect(text('off', false)).to.equal('false boot_policy = off, not enabled on this host');
    expect(text('open', true)).to.match(/^true enabled, and boot_policy = open: captured programs speak plaintext/);
  });

  it('tries the library, with the certificates', async () => {
    const asked: string[] = [];
    library = (name, { certPem }) => {
      asked.push(`${name} ${certPem.slice(0, 27)}`);
      throw Object.assign(new Error('libssl.so.0: cannot open shared object file'), { code: 'ERR_DLOPEN_FAILED' });
    };
    write({ mode: 'boringssl' });
    const { status, bad } = await found();
    expect(asked).to.deep.equal(['boringssl -----BEGIN CERTIFICATE-----']);
    expect(status).to.equal(1);
    expect(bad).to.have.length(1);
    expect(bad[0]).to.match(/^provider: libssl\.so\.0.* -> .*android-libboringssl/);
    library = () => {
      throw new TlshubError('TLSHUB_CREDENTIALS', 'the library does not take it');
    };
    expect((await found()).status).to.equal(78);
  });

  it('asks the peers whether they take connections, where there are channels', async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    writeFileSync(folder('node', 'endpoints.conf'), `a 127.0.0.3\nb 127.0.0.1:${port}\nc 127.0.0.1:1\n`);
    write({ exchange: 'channel', node_endpoints: 'endpoints.conf' });
    const { status, items, warnings } = await found();
    server.close();
    expect(status).to.equal(0);
    const peers = items.filter(({ name }) => name === 'peers').map(({ detail }) => detail);
    expect(peers).to.have.length(2);
    expect(peers[0]).to.equal(`b at 127.0.0.1:${port} takes connections`);
    expect(warnings.filter((line) => line.startsWith('peers'))).to.have.length(1);
    expect(warnings.at(-1)).to.match(/c at 127\.0\.0\.1:1: connect ECONNREFUSED .* -> Start the agent there/);
    writeFileSync(folder('node', 'endpoints.conf'), 'b\nc 127.0.0.1 127.0.0.2\n');
    expect((await found()).bad).to.have.length(2);
  });

  it('asks the collector of metrics too, and reads the headers for it', async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const endpoint = `http://127.0.0.1:${port}`;
    writeFileSync(folder('node', 'headers'), 'authorization: Bearer s3cret\n');
    write({ 'otlp.endpoint': endpoint, 'otlp.headers_file': 'headers' });
    const { status, items } = await found();
    expect(status).to.equal(0);
    expect(items.find(({ name }) => name === 'otlp')!.detail).to.equal(`${endpoint} takes connections`);
    server.close();
    const warnings = (await found()).warnings.filter((line) => line.startsWith('otlp'));
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include('ECONNREFUSED').and.include('-> Look whether it runs');
    writeFileSync(folder('node', 'headers'), 'authorization Bearer s3cret\n');
    const wrong = await found();
    expect(wrong.status).to.equal(78);
    expect(wrong.bad).to.have.length(1);
    expect(wrong.bad[0])
      .to.match(/^otlp: .*headers:1: otlp\.headers_file: .*\(TLSHUB_CONFIG_OTLP\)/)
      .and.not.include('s3cret');
  });

  it('knows which Node.js will do', () => {
    const ok = (version: string): boolean => checkNode(version).ok;
    expect(['v20.19.0', 'v22.13.1', 'v24.0.0', 'v26.1.0', 'v25.2.0'].every(ok)).to.equal(true);
    expect(['v18.20.0', 'v20.18.9', 'v21.0.0', 'v22.12.0', 'v23.9.0'].some(ok)).to.equal(false);
    expect(checkNode('v18.0.0').remedy).to.include('Node.js 24');
  });
});
