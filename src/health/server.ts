// SPDX-License-Identifier: Apache-2.0
/**
 * The health endpoint: /healthz (the process answers), /readyz (new connections are secured), /metrics (Prometheus). For kubelets, load
 * balancers and scrapers, so it is plain HTTP and says nothing that names a peer or a pod; it is bound to loopback unless told otherwise.
 *
 * It runs on the main thread, beside the dispatcher, so whoever can reach it must not be able to keep that busy: every request has a
 * connection of its own, short limits on size and time, and the metrics are put together a few times a second at most.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '../logging/logger.js';
import { ConfigError, PermissionError, toWire } from '../shared/errors/errors.js';
import { formatListenAddress, isLoopbackHost, type ListenAddress } from '../shared/net/listen-address.js';

export interface HealthServerOptions {
  listen: ListenAddress;
  /** why the agent is not ready, in words; empty: it is */
  notReady(): string[];
  metrics: { text(): Promise<string>; contentType: string };
  log: Logger;
}

export interface HealthServer {
  readonly address: ListenAddress;
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 8192;
/** More than Node.js has the kernel's queue hold (its backlog, 511). */
const MAX_CONNECTIONS = 512;
/** For a request to be there whole, and for its answer to be read, in ms. */
const REQUEST_MS = 5000;
/** A connection lives no longer than this, in ms, whatever happens on it. */
const CONNECTION_MS = 10_000;
/** Metrics younger than this are given again, in ms. */
const FRESH_MS = 250;

interface Answer {
  status: number;
  body: string;
  type?: string;
  allow?: string;
}

/** @throws ConfigError TLSHUB_HEALTH_LISTEN (exit status 78), PermissionError (77) */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { listen, log } = options;
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: 1000,
    keepAlive: false,
  });
  server.maxRequestsPerSocket = 1;
  makeRoom(server);
  server.on('connection', (socket) => {
    const end = setTimeout(() => socket.destroy(), CONNECTION_MS).unref();
    socket.once('close', () => clearTimeout(end));
  });
  const routes = routesOf(options);
  server.on('request', (request, response) => {
    void answer(request, routes, log).then((result) => send(request, response, result));
  });
  await bind(server, listen);
  const { address: host, port } = server.address() as AddressInfo;
  const address = { host, port };
  if (!isLoopbackHost(address)) {
    log.warning(`health and metrics are open to whoever reaches ${formatListenAddress(address)}`);
  }
  server.on('error', (error) => log.error('health endpoint', { error }));
  return {
    address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Whoever comes is let in, and when there are more than may be, the oldest goes: who holds connections, comes again and again or does not
 * read his answer keeps nobody out. All that one look at the kernel's queue can bring is fewer than those, so who has just come is read from
 * before he is the oldest.
 */
function makeRoom(server: Server): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    socket.once('close', () => open.delete(socket));
    const [oldest] = open;
    open.add(socket);
    if (oldest === undefined || open.size <= MAX_CONNECTIONS) return;
    open.delete(oldest);
    oldest.destroy();
  });
}

type Routes = ReadonlyMap<string, () => Answer | Promise<Answer>>;

function routesOf(options: HealthServerOptions): Routes {
  const { metrics } = options;
  let rendered: Promise<string> | undefined;
  let renderedAt = 0;
  const text = (): Promise<string> => {
    const now = performance.now();
    if (rendered === undefined || now - renderedAt > FRESH_MS) {
      rendered = metrics.text();
      renderedAt = now;
    }
    return rendered;
  };
  return new Map<string, () => Answer | Promise<Answer>>([
    ['/healthz', () => ({ status: 200, body: 'ok\n' })],
    [
      '/readyz',
      () => {
        const why = options.notReady();
        return why.length === 0
          ? { status: 200, body: 'ready\n' }
          : { status: 503, body: why.map((line) => `not ready: ${line}\n`).join('') };
      },
    ],
    ['/metrics', async () => ({ status: 200, body: await text(), type: metrics.contentType })],
  ]);
}

async function answer({ method, url = '' }: IncomingMessage, routes: Routes, log: Logger): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, body: 'only GET and HEAD\n', allow: 'GET, HEAD' };
  }
  const [path = ''] = url.split('?');
  const route = routes.get(path);
  if (route === undefined) return { status: 404, body: `there are ${[...routes.keys()].join(', ')}\n` };
  try {
    return await route();
  } catch (error) {
    log.error(`health endpoint: ${path} failed`, { error });
    return { status: 500, body: 'failed; the log of the agent says why\n' };
  }
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, type, allow }: Answer): void {
  response.writeHead(status, {
    'Content-Type': type ?? 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
    ...(allow === undefined ? {} : { Allow: allow }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function bind(server: Server, listen: ListenAddress): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: listen.host, port: listen.port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (cause) {
    const { errno, message } = toWire(cause);
    const options = { cause, ...(errno === undefined ? {} : { errno }) };
    const detail = `cannot listen on ${formatListenAddress(listen)}: ${message}`;
    if (errno === 'EACCES' || errno === 'EPERM') throw new PermissionError(`health_listen: ${detail}`, options);
    throw new ConfigError('TLSHUB_CONFIG_LISTEN', { file: 'capture.conf', key: 'health_listen' }, detail, options);
  }
}
