// SPDX-License-Identifier: Apache-2.0
/**
 * The program matrix: clients on node a, servers on node b, none of them changed, none of them aware of TLS. Each exchange is checked by its
 * content's SHA-256, by the flows of both supervisors, and by a full capture of the wire (mutualTls). The same for every provider of keys.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Program, type Result } from '../harness/index.js';
import { mutualTls, type Expected, type Observed } from '../harness/mutual-tls.js';
import { at, digest, digestOf, makeContent, makeFolder, type Content } from './files.js';
import * as servers from './servers.js';

const { PORTS } = servers;

interface MatrixContent {
  byte: Content;
  file: Content;
  text: Content;
}

/** What the programs exchange; an empty folder for it first. */
function matrixContent(megabytes: number): MatrixContent {
  makeFolder();
  return {
    byte: makeContent('byte', 1),
    file: makeContent('file', megabytes * 1_000_000),
    text: makeContent('text', megabytes * 100_000, true),
  };
}

interface MatrixServers {
  /** Making a PostgreSQL cluster takes 20 s under emulation: beside the other tests. */
  postgres: Promise<Program>;
}

/** All servers but iperf3's, which each test starts. */
async function startServers(): Promise<MatrixServers> {
  const postgres = servers.postgres();
  postgres.catch(() => undefined); // its test tells
  await Promise.all([servers.nginx(), servers.redis(), servers.sshd(), servers.pythonHttp(), servers.nodeHttp()]);
  return { postgres };
}

export interface MatrixWorld {
  content: MatrixContent;
  running: MatrixServers;
}

/** In `describe`: content, then the lab that `bringUp` makes, then the servers. What it returns is known once its `before` has run. */
export function matrixWorld(megabytes: number, bringUp: () => Promise<void>): () => MatrixWorld {
  let world: MatrixWorld;
  before(async function () {
    this.timeout(240_000);
    const content = matrixContent(megabytes);
    await bringUp();
    world = { content, running: await startServers() };
  });
  return () => world;
}

export interface MatrixOptions {
  world: () => MatrixWorld;
  megabytes: number;
  /** whose keys they must be (default: openssl on both) */
  providers?: Expected['providers'];
  /** default: whichever way they took */
  exchange?: Expected['exchange'];
  /** default: IPv4 and IPv6 */
  families?: readonly ('IPv4' | 'IPv6')[];
}

const HOSTS = { IPv4: '10.77.0.2', IPv6: 'fd77::2' } as const;

export function worked({ code, stderr }: Result): void {
  expect(code, stderr).to.equal(0);
}

/** nginx at an address. */
export function url(host: string): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORTS.nginx}`;
}

/** The tests, for a `describe` whose `before` has brought the lab and the servers up. */
export function programTests(options: MatrixOptions): void {
  const { world, megabytes, providers, exchange: way, families = ['IPv4', 'IPv6'] } = options;
  const hosts = families.map((family) => [family, HOSTS[family]] as const);
  let content: MatrixContent;
  let running: MatrixServers;
  const secured = (expected: Expected, exchange: () => Promise<void>): Promise<Observed> =>
    mutualTls({ ...(providers && { providers }), ...(way && { exchange: way }), ...expected }, exchange);

  before(() => ({ content, running } = world()));

  for (const [family, host] of hosts) {
    it(`curl fetches 1 byte from nginx (${family})`, () =>
      secured({ port: PORTS.nginx }, async () => {
        worked(await lab.exec('a', ['curl', '-gsSf', '-o', at('out'), `${url(host)}/byte`]));
        expect(digestOf(at('out'))).to.equal(content.byte.sha256);
      }));

    it(`curl fetches ${megabytes} MB from nginx (${family})`, () =>
      secured({ port: PORTS.nginx, secrets: content.file.secrets }, async () => {
        worked(await lab.exec('a', ['curl', '-gsSf', '-o', at('out'), `${url(host)}/file`]));
        expect(digestOf(at('out'))).to.equal(content.file.sha256);
      }));
  }

  it(`wget fetches ${megabytes} MB from nginx (a blocking client)`, () =>
    secured({ port: PORTS.nginx, secrets: content.file.secrets }, async () => {
      worked(await lab.exec('a', ['wget', '-q', '-O', at('out'), `http://10.77.0.2:${PORTS.nginx}/file`]));
      expect(digestOf(at('out'))).to.equal(content.file.sha256);
    }));

  for (const [family, host] of hosts) {
    it(`redis-cli stores text in redis-server and reads it back (${family})`, () =>
      secured({ port: PORTS.redis, connections: 2, secrets: content.text.secrets }, async () => {
        const cli = ['redis-cli', '-h', host, '-p', String(PORTS.redis)];
        const stored = await lab.exec('a', [...cli, '-x', 'SET', family], { input: readFileSync(content.text.path) });
        expect(stored.stdout).to.equal('OK\n');
        const { stdout } = await lab.exec('a', [...cli, 'GET', family]);
        expect(digest(stdout.slice(0, -1))).to.equal(content.text.sha256); // redis-cli adds a line end
      }));
  }

  it('ssh runs a command over sshd (both sides speak at once)', () =>
    // SSH hides its content itself, but not its banners.
    secured({ port: PORTS.ssh, secrets: ['SSH-2.0-', ...content.text.secrets] }, async () => {
      // The default key exchange takes seconds under emulation.
      const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'BatchMode=yes'];
      options.push('KexAlgorithms=curve25519-sha256');
      const flags = ['-F', 'none', '-p', String(PORTS.ssh), '-i', at('user-key'), ...options.flatMap((o) => ['-o', o])];
      const result = await lab.exec('a', ['ssh', ...flags, 'root@10.77.0.2', 'cat'], {
        input: readFileSync(content.text.path),
      });
      worked(result);
      expect(digest(result.stdout)).to.equal(content.text.sha256);
    }));

  it('python http.client fetches text from http.server (blocking on both sides)', async () => {
    await secured({ port: PORTS.python, secrets: content.text.secrets }, async () => {
      const script = [
        'import http.client',
        `connection = http.client.HTTPConnection("10.77.0.2", ${PORTS.python})`,
        'connection.request("GET", "/text")',
        `open("${at('out')}", "wb").write(connection.getresponse().read())`,
        'connection.close()',
      ];
      worked(await lab.exec('a', ['/usr/bin/python3', '-c', script.join('\n')]));
      expect(digestOf(at('out'))).to.equal(content.text.sha256);
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
      await secured({ port: PORTS.iperf, connections: 2, secrets }, async () => {
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

  it(`node posts ${megabytes} MB to a node server that returns it`, async () => {
    await secured({ port: PORTS.node, secrets: content.file.secrets }, async () => {
      const command = ['node', resolve('build/test/programs/http-post.js'), `http://10.77.0.2:${PORTS.node}/`];
      worked(await lab.exec('a', [...command, content.file.path, at('out')]));
      expect(digestOf(at('out'))).to.equal(content.file.sha256);
    });
  });

  it('psql copies text into PostgreSQL and out again', async function () {
    this.timeout(240_000);
    await running.postgres;
    await secured({ port: PORTS.postgres, secrets: content.text.secrets }, async () => {
      const queries = [
        'CREATE TEMPORARY TABLE matrix (line text)',
        `\\copy matrix from '${content.text.path}'`,
        `\\copy matrix to '${at('out')}'`,
      ];
      const target = ['-h', '10.77.0.2', '-p', String(PORTS.postgres), '-U', 'postgres', '-v', 'ON_ERROR_STOP=1'];
      worked(
        await lab.exec('a', [`${servers.POSTGRES_BIN}/psql`, '-Xq', ...target, ...queries.flatMap((q) => ['-c', q])]),
      );
      expect(digestOf(at('out'))).to.equal(content.text.sha256);
    });
  });
}
