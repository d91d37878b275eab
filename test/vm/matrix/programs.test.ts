/**
 * The main job on real programs: clients on node a, servers on node b, none of them changed, none of them aware of TLS. Each exchange is
 * checked by its content's SHA-256, by the flows of both supervisors, and by a full capture of the wire (mutualTls).
 */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Program, type Result } from '../harness/index.js';
import { DEFAULT_CIPHER, mutualTls } from '../harness/mutual-tls.js';
import { at, digest, digestOf, makeContent, makeFolder, type Content } from './files.js';
import * as servers from './servers.js';
import { CIPHER_NUMBERS, dissect, expectReadable } from './tshark.js';

const { PORTS } = servers;
const KEY_LOG = '/tmp/matrix-keys.log';

function worked({ code, stderr }: Result): void {
  expect(code, stderr).to.equal(0);
}

describe('unmodified programs speak mutual TLS 1.3', () => {
  let byte: Content;
  let file: Content;
  let text: Content;
  let postgres: Promise<Program>;

  before(async function () {
    this.timeout(240_000);
    makeFolder();
    byte = makeContent('byte', 1);
    file = makeContent('file', 10_000_000);
    text = makeContent('text', 1_000_000, true);
    await lab.up({ set: { keylog_file: KEY_LOG } });
    // Making a PostgreSQL cluster takes 20 s under emulation: beside the other tests.
    postgres = servers.postgres();
    postgres.catch(() => undefined); // its test tells
    await Promise.all([servers.nginx(), servers.redis(), servers.sshd()]);
  });
  after(() => lab.down());

  for (const [family, host] of [
    ['IPv4', '10.77.0.2'],
    ['IPv6', '[fd77::2]'],
  ] as const) {
    it(`curl fetches 1 byte from nginx (${family})`, () =>
      mutualTls({ port: PORTS.nginx }, async () => {
        worked(await lab.exec('a', ['curl', '-gsSf', '-o', at('out'), `http://${host}:${PORTS.nginx}/byte`]));
        expect(digestOf(at('out'))).to.equal(byte.sha256);
      }));

    it(`curl fetches 10 MB from nginx (${family})`, () =>
      mutualTls({ port: PORTS.nginx, secrets: file.secrets }, async () => {
        worked(await lab.exec('a', ['curl', '-gsSf', '-o', at('out'), `http://${host}:${PORTS.nginx}/file`]));
        expect(digestOf(at('out'))).to.equal(file.sha256);
      }));
  }

  it('tshark reads HTTP in the capture with the key log of the test run, and none without', async () => {
    const small = makeContent('small', 1000, true);
    await mutualTls({ port: PORTS.nginx, secrets: small.secrets }, async () => {
      worked(await lab.exec('a', ['curl', '-sSf', '-o', at('out'), `http://10.77.0.2:${PORTS.nginx}/small`]));
    });
    expect(statSync(KEY_LOG).mode & 0o777).to.equal(0o600);
    const cipher = CIPHER_NUMBERS[DEFAULT_CIPHER];
    expectReadable(PORTS.nginx, KEY_LOG, cipher, '/small', readFileSync(small.path, 'latin1').slice(0, 60));
    expect(dissect(PORTS.nginx)).to.deep.equal([[cipher]]);
  });

  it('wget fetches 10 MB from nginx (a blocking client)', () =>
    mutualTls({ port: PORTS.nginx, secrets: file.secrets }, async () => {
      worked(await lab.exec('a', ['wget', '-q', '-O', at('out'), `http://10.77.0.2:${PORTS.nginx}/file`]));
      expect(digestOf(at('out'))).to.equal(file.sha256);
    }));

  for (const [family, host] of [
    ['IPv4', '10.77.0.2'],
    ['IPv6', 'fd77::2'],
  ] as const) {
    it(`redis-cli stores 1 MB in redis-server and reads it back (${family})`, () =>
      mutualTls({ port: PORTS.redis, connections: 2, secrets: text.secrets }, async () => {
        const cli = ['redis-cli', '-h', host, '-p', String(PORTS.redis)];
        const stored = await lab.exec('a', [...cli, '-x', 'SET', family], { input: readFileSync(text.path) });
        expect(stored.stdout).to.equal('OK\n');
        const { stdout } = await lab.exec('a', [...cli, 'GET', family]);
        expect(digest(stdout.slice(0, -1))).to.equal(text.sha256); // redis-cli adds a line end
      }));
  }

  it('ssh runs a command over sshd (both sides speak at once)', () =>
    // SSH hides its content itself, but not its banners.
    mutualTls({ port: PORTS.ssh, secrets: ['SSH-2.0-', ...text.secrets] }, async () => {
      // The default key exchange takes seconds under emulation.
      const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'BatchMode=yes'];
      options.push('KexAlgorithms=curve25519-sha256');
      const flags = ['-F', 'none', '-p', String(PORTS.ssh), '-i', at('user-key'), ...options.flatMap((o) => ['-o', o])];
      const result = await lab.exec('a', ['ssh', ...flags, 'root@10.77.0.2', 'cat'], {
        input: readFileSync(text.path),
      });
      worked(result);
      expect(digest(result.stdout)).to.equal(text.sha256);
    }));

  it('python http.client fetches 1 MB from http.server (blocking on both sides)', async () => {
    await servers.pythonHttp();
    await mutualTls({ port: PORTS.python, secrets: text.secrets }, async () => {
      const script = [
        'import http.client',
        `connection = http.client.HTTPConnection("10.77.0.2", ${PORTS.python})`,
        'connection.request("GET", "/text")',
        `open("${at('out')}", "wb").write(connection.getresponse().read())`,
        'connection.close()',
      ];
      worked(await lab.exec('a', ['/usr/bin/python3', '-c', script.join('\n')]));
      expect(digestOf(at('out'))).to.equal(text.sha256);
    });
  });

  for (const [direction, flags] of [
    ['to the server', []],
    ['from the server', ['--reverse']],
  ] as const) {
    it(`iperf3 moves data ${direction}`, async () => {
      const server = await servers.iperf();
      // What it sends by this option; and the start of what it says on its control connection. (With files it loses bytes on plain TCP too.)
      const secrets = ['01234567890123456789', '"tcp":'];
      await mutualTls({ port: PORTS.iperf, connections: 2, secrets }, async () => {
        const command = ['iperf3', '--client', '10.77.0.2', '-n', '4M', '--repeating-payload', ...flags, '--json'];
        const { code, stdout, stderr } = await lab.exec('a', command);
        expect(code, stdout + stderr).to.equal(0);
        await server.ended;
        const { end } = JSON.parse(stdout) as { end: Record<'sum_sent' | 'sum_received', { bytes: number }> };
        expect(end.sum_sent.bytes).to.be.at.least(4 << 20);
        // The end is said on the control connection: the receiver does not count what has not come by then.
        expect(end.sum_received.bytes).to.be.within(1 << 20, end.sum_sent.bytes);
      });
    });
  }

  it('node posts 10 MB to a node server that returns it', async () => {
    await servers.nodeHttp();
    await mutualTls({ port: PORTS.node, secrets: file.secrets }, async () => {
      const command = ['node', resolve('build/test/programs/http-post.js'), `http://10.77.0.2:${PORTS.node}/`];
      worked(await lab.exec('a', [...command, file.path, at('out')]));
      expect(digestOf(at('out'))).to.equal(file.sha256);
    });
  });

  it('psql copies 1 MB into PostgreSQL and out again', async function () {
    this.timeout(240_000);
    await postgres;
    await mutualTls({ port: PORTS.postgres, secrets: text.secrets }, async () => {
      const queries = [
        'CREATE TABLE matrix (line text)',
        `\\copy matrix from '${text.path}'`,
        `\\copy matrix to '${at('out')}'`,
      ];
      const target = ['-h', '10.77.0.2', '-p', String(PORTS.postgres), '-U', 'postgres', '-v', 'ON_ERROR_STOP=1'];
      worked(
        await lab.exec('a', [`${servers.POSTGRES_BIN}/psql`, '-Xq', ...target, ...queries.flatMap((q) => ['-c', q])]),
      );
      expect(digestOf(at('out'))).to.equal(text.sha256);
    });
  });

  it('leaves programs alone that talk over loopback', async () => {
    const known = (await lab.flows('b')).length;
    worked(await lab.exec('b', ['curl', '-sSf', '-o', at('out'), `http://127.0.0.1:${PORTS.nginx}/file`]));
    expect(digestOf(at('out'))).to.equal(file.sha256);
    const flows = (await lab.flows('b')).slice(known);
    expect(
      flows.filter(({ state, kernelUlp }) => state !== 'plaintext' && (state !== 'closed' || kernelUlp !== null)),
    ).to.deep.equal([]);
  });
});
