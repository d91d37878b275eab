// SPDX-License-Identifier: Apache-2.0
import { request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { startHealthServer, type HealthServer } from '../../src/health/server.js';
import { parseListenAddress } from '../../src/shared/net/listen-address.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import { ConfigError } from '../../src/shared/errors/errors.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { rejected } from './support/thrown.js';

interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

describe('health endpoint', () => {
  let server: HealthServer;
  let why: string[] = [];
  let renderings = 0;
  let broken = false;
  const { log, lines } = memoryLogger();
  const registry = new MetricsRegistry();
  registry.counter({ name: 'renderings_total', help: 'r.' }, () => {
    if (broken) throw new Error('unreadable');
    return ++renderings;
  });

  beforeEach(async () => {
    why = [];
    broken = false;
    renderings = 0;
    server = await startHealthServer({
      listen: { host: '127.0.0.1', port: 0 },
      notReady: () => why,
      metrics: registry,
      log,
    });
  });
  afterEach(() => server.close());

  function ask(path: string, options: RequestOptions = {}): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const { host, port } = server.address;
      const req = request({ host, port, path, agent: false, ...options }, (res) => {
        let body = '';
        res.on('data', (chunk: Buffer) => (body += chunk.toString()));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body }));
      });
      req.on('error', reject);
      req.end();
    });
  }

  /** Writes bytes as they are; resolves with everything that came when the server has closed. */
  function raw(bytes: string): Promise<string> {
    return new Promise((resolve) => {
      let text = '';
      const socket = createConnection(server.address.port, '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
    });
  }

  it('says that it lives, and whether it is ready and why not', async () => {
    expect(await ask('/healthz')).to.deep.include({ status: 200, body: 'ok\n' });
    expect(await ask('/readyz')).to.deep.include({ status: 200, body: 'ready\n' });
    why = ['the agent is draining', 'no guardian runs'];
    expect(await ask('/readyz')).to.deep.include({
      status: 503,
      body: 'not ready: the agent is draining\nnot ready: no guardian runs\n',
    });
    expect((await ask('/healthz')).status).to.equal(200);
  });

  it('serves the metrics, put together once for many who ask at once', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => ask('/metrics?x=1')));
    for (const { status, body, headers } of all) {
      expect(status).to.equal(200);
      expect(body).to.include('renderings_total 1\n');
      expect(headers['content-type']).to.match(/^text\/plain; version=0\.0\.4/);
    }
    expect(renderings).to.equal(1);
  });

  it('answers HEAD without a body, and refuses all other methods and paths', async () => {
    const head = await ask('/readyz', { method: 'HEAD' });
    expect(head).to.deep.include({ status: 200, body: '' });
    expect(head.headers['content-length']).to.equal('6');
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
      const refused = await ask('/metrics', { method });
      expect(refused.status, method).to.equal(405);
      expect(refused.headers.allow, method).to.equal('GET, HEAD');
    }
    for (const path of ['/', '/healthz/', '/../healthz', '//metrics', '/HEALTHZ', '/constructor']) {
      expect((await ask(path)).status, path).to.equal(404);
    }
  });

  it('says 500, and the log why, when the metrics cannot be read', async () => {
    broken = true;
    expect(await ask('/metrics')).to.deep.include({ status: 500 });
    expect(lines.some(({ message }) => message.includes('/metrics failed'))).to.equal(true);
  });

  it('gives every request a connection of its own', async () => {
    const text = await raw('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(text.match(/^ok$/gm)).to.have.length(1);
    expect(text).to.match(/^Connection: close\r$/m);
  });

  it('bounds headers, and closes on what is no HTTP', async () => {
    expect(await raw(`GET /healthz HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).to.match(/^HTTP\/1\.1 431 /);
    expect(await raw('hello\r\n\r\n')).to.match(/^HTTP\/1\.1 400 /);
    expect(await raw('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n')).to.not.include(' 200 ');
    expect((await ask('/healthz')).status).to.equal(200);
  });

  const connections = async (count: number): Promise<Socket[]> => {
    const made = Array.from({ length: count }, () =>
      createConnection(server.address.port, '127.0.0.1').on('error', () => undefined),
    );
    await Promise.all(made.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    return made;
  };

  it('has no more connections than it is meant to, and the oldest go', async () => {
    const many = await connections(600);
    let closed = 0;
    for (const socket of many) socket.resume().once('close', () => closed++);
    for (let i = 0; i < 200 && closed < 88; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(closed).to.equal(88);
    expect(many.slice(0, 88).every(({ destroyed, closed: over }) => destroyed || over)).to.equal(true);
    many.forEach((socket) => socket.destroy());
  });

  it('answers beside those who hold all its connections and say nothing', async () => {
    const idle = await connections(600);
    for (let i = 0; i < 40; i++) {
      expect((await ask('/healthz')).status).to.equal(200);
      if (i % 10 === 0) idle.push(...(await connections(100)));
    }
    idle.forEach((socket) => socket.destroy());
  });

  it('answers beside those who come again whenever they are turned out', async () => {
    const kept = new Set<Socket>();
    let ended = false;
    const hold = (): void => {
      if (ended) return;
      const socket = createConnection(server.address.port, '127.0.0.1').on('error', () => undefined);
      kept.add(socket.resume());
      socket.once('close', () => {
        kept.delete(socket);
        setImmediate(hold);
      });
    };
    for (let i = 0; i < 700; i++) hold();
    for (let i = 0; i < 40; i++) expect((await ask('/healthz')).status).to.equal(200);
    ended = true;
    kept.forEach((socket) => socket.destroy());
  });

  it('closes at once, whoever is connected', async () => {
    const idle = createConnection(server.address.port, '127.0.0.1');
    await new Promise((resolve) => idle.once('connect', resolve));
    const closed = new Promise((resolve) =>
      idle
        .resume()
        .on('error', () => undefined)
        .once('close', resolve),
    );
    await server.close();
    await closed;
    expect(await ask('/healthz').catch((error: unknown) => error)).to.include({ code: 'ECONNREFUSED' });
  });

  it('says which key of the configuration names a place that is taken', async () => {
    const taken: Server = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const starting = startHealthServer({
      listen: { host: '127.0.0.1', port },
      notReady: () => [],
      metrics: registry,
      log,
    });
    const error = await rejected(ConfigError, starting);
    taken.close();
    expect(error).to.include({ code: 'TLSHUB_CONFIG_LISTEN', exitCode: 78 });
    expect(error.message).to.include('health_listen').and.include(`127.0.0.1:${port}`).and.include('EADDRINUSE');
  });

  it('warns where everybody can reach it', async () => {
    const open = await startHealthServer({
      listen: { host: '0.0.0.0', port: 0 },
      notReady: () => [],
      metrics: registry,
      log,
    });
    await open.close();
    const warning = `health and metrics are open to whoever reaches 0.0.0.0:${open.address.port}`;
    expect(lines.map(({ message }) => message)).to.include(warning);
  });
});

describe('listen address', () => {
  it('takes addresses of both families with a port', () => {
    expect(parseListenAddress('127.0.0.1:9465')).to.deep.equal({ host: '127.0.0.1', port: 9465 });
    expect(parseListenAddress('[::1]:1')).to.deep.equal({ host: '::1', port: 1 });
    expect(parseListenAddress('0.0.0.0:65535')).to.deep.equal({ host: '0.0.0.0', port: 65_535 });
  });

  it('takes nothing else', () => {
    for (const text of [
      '',
      '9465',
      ':9465',
      'localhost:9465',
      '::1:9465',
      '[127.0.0.1]:1',
      '1.2.3:1',
      '1.2.3.4:0',
      '1.2.3.4:65536',
      '1.2.3.4:01',
      '1.2.3.4:80 ',
      '[::1]',
    ]) {
      expect(parseListenAddress(text), text).to.equal(undefined);
    }
  });
});
