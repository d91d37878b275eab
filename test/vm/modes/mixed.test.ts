/** One node on BoringSSL, the other on OpenSSL, in both directions: it is the same TLS. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { mutualTls } from '../harness/mutual-tls.js';
import { at, digest, digestOf, makeContent, makeFolder, type Content } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';

const { PORTS } = servers;

describe('a node on BoringSSL and a node on OpenSSL', () => {
  let file: Content;
  let text: Content;

  before(async function () {
    this.timeout(240_000);
    makeFolder();
    file = makeContent('file', 2_000_000);
    text = makeContent('text', 200_000, true);
    await lab.up({ set: { 'a:mode': 'boringssl' } });
    await Promise.all([servers.nginx(), servers.redis()]);
  });
  after(() => lab.down());

  it('each says which library it runs on, and from which file', async () => {
    const [a, b] = await Promise.all([lab.status('a'), lab.status('b')]);
    expect([a.mode, b.mode]).to.deep.equal(['boringssl', 'openssl']);
    expect(a.providers).to.have.length(1);
    expect(a.providers[0]).to.include({ name: 'boringssl', state: 'active', libraryVersion: 'BoringSSL', workers: 1 });
    expect(a.providers[0]?.libraryFile).to.match(/\/android\/libssl\.so\.0$/);
    expect(b.providers[0]).to.include({ name: 'openssl', state: 'active', libraryFile: process.execPath });
    expect(b.providers[0]?.libraryVersion).to.match(/^OpenSSL 3\./);
  });

  for (const [active, passive] of [
    ['boringssl', 'openssl'],
    ['openssl', 'boringssl'],
    ['boringssl', 'boringssl'],
  ] as const) {
    describe(`${active} to ${passive}`, () => {
      const providers = { active, passive };
      before(async () => {
        await lab.mode('a', active);
        await lab.mode('b', passive);
      });

      it('curl fetches 2 MB from nginx', () =>
        mutualTls({ port: PORTS.nginx, providers, secrets: file.secrets }, async () => {
          const { code, stderr } = await lab.exec('a', [
            'curl',
            '-sSf',
            '-o',
            at('out'),
            `http://10.77.0.2:${PORTS.nginx}/file`,
          ]);
          expect(code, stderr).to.equal(0);
          expect(digestOf(at('out'))).to.equal(file.sha256);
        }));

      it('redis-cli stores 200 KB in redis-server and reads it back', () =>
        mutualTls({ port: PORTS.redis, providers, connections: 2, secrets: text.secrets }, async () => {
          const cli = ['redis-cli', '-h', 'fd77::2', '-p', String(PORTS.redis)];
          const stored = await lab.exec('a', [...cli, '-x', 'SET', active], { input: readFileSync(text.path) });
          expect(stored.stdout).to.equal('OK\n');
          const { stdout } = await lab.exec('a', [...cli, 'GET', active]);
          expect(digest(stdout.slice(0, -1))).to.equal(text.sha256);
        }));
    });
  }
});
