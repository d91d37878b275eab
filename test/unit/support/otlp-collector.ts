// SPDX-License-Identifier: Apache-2.0
/** A collector of OTLP over HTTP that takes what it is sent, or does what a collector should not. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { logsRequest, metricsRequest, type LogsRequest, type MetricsRequest } from './otlp-decode.js';

/** A status, with headers as wanted; `hang`: no answer; `drip`: one that never ends; `cut`: the connection is reset. */
export type Behaviour = { status: number; headers?: Record<string, string> } | 'hang' | 'drip' | 'cut';

export class Collector {
  behaviour: Behaviour = { status: 200 };
  /** requests that came, whatever became of them */
  asked = 0;
  readonly metrics: MetricsRequest[] = [];
  readonly logs: LogsRequest[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  private readonly server: Server;
  private readonly scheme: string;
  private readonly drips = new Set<NodeJS.Timeout>();

  private constructor(tls?: { key: string; cert: string }) {
    const answer: RequestListener = (request, response) => void this.answer(request, response);
    this.scheme = tls === undefined ? 'http' : 'https';
    this.server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
  }

  static async start(tls?: { key: string; cert: string }): Promise<Collector> {
    const collector = new Collector(tls);
    collector.server.listen(0, '127.0.0.1');
    await once(collector.server, 'listening');
    return collector;
  }

  get endpoint(): string {
    return `${this.scheme}://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get records(): LogsRequest['items'] {
    return this.logs.flatMap(({ items }) => items);
  }

  async close(): Promise<void> {
    for (const drip of this.drips) clearInterval(drip);
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(...[request, response]: Parameters<RequestListener>): Promise<void> {
    this.asked++;
    const body = await buffer(request).catch(() => undefined);
    if (body === undefined) return;
    const { behaviour } = this;
    if (behaviour === 'hang') return;
    if (behaviour === 'cut') {
      request.socket.resetAndDestroy();
      return;
    }
    if (behaviour === 'drip') {
      response.writeHead(200);
      this.drips.add(setInterval(() => response.write('x'), 20));
      return;
    }
    if (behaviour.status === 200) {
      this.headers.push(request.headers);
      if (request.url === '/v1/metrics') this.metrics.push(metricsRequest(body));
      else this.logs.push(logsRequest(body));
    }
    response.writeHead(behaviour.status, behaviour.headers).end();
  }
}
