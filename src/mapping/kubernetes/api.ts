// SPDX-License-Identifier: Apache-2.0
/**
 * The two requests that following objects takes: a list in pages and a watch, over HTTP/1.1. Where the API server is and how to authenticate
 * is @kubernetes/client-node's business (kubeconfig files, service accounts, tokens that expire, exec plugins, proxies). Its list and watch
 * are not used: they keep whole objects, cannot be given up while they connect, and swallow errors.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { LineSplitter } from '../../shared/text/lines.js';
import { KubernetesError, toWire } from '../../shared/errors/errors.js';

/** What this file needs of client-node's KubeConfig. */
export interface ClusterAccess {
  getCurrentCluster(): { server: string } | null;
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

/** Kinds of objects that are followed: the group's path, and the word for them in paths and rights. */
export const PODS = { group: '/api/v1', plural: 'pods', kind: 'Pods' } as const;
export const SERVICES = { group: '/api/v1', plural: 'services', kind: 'Services' } as const;
export const ENDPOINT_SLICES = {
  group: '/apis/discovery.k8s.io/v1',
  plural: 'endpointslices',
  kind: 'EndpointSlices',
} as const;
export type Resource = typeof PODS | typeof SERVICES | typeof ENDPOINT_SLICES;

export interface ObjectQuery {
  /** '': all */
  namespace: string;
  labelSelector: string;
  fieldSelector: string;
}

export interface ObjectPage {
  items: unknown[];
  resourceVersion: string;
  /** '' : this was the last page */
  continue: string;
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: unknown;
  resourceVersion: string;
}

/** The server no longer has the version that was asked for (410, or a Status with reason Expired): list again. */
export class GoneError extends Error {}

/** The server answered with another status than 200. */
export class StatusError extends KubernetesError {
  constructor(
    readonly status: number,
    message: string,
    /** in ms, 0: it did not say */
    readonly retryAfterMs: number,
    resource: Resource,
  ) {
    super(message, status === 401 || status === 403 ? { remedy: forbiddenRemedy(resource) } : {});
  }
}

function forbiddenRemedy({ plural }: Resource): string {
  const without = plural === 'pods' ? '' : ', or do without the addresses of Services: kubernetes.services = false';
  return `The agent needs the verbs list and watch on ${plural}: see deploy/kubernetes, or check with \`kubectl auth can-i watch ${plural}\`${without}.`;
}

/** A page of 250 Pods is a few MB. */
const MAX_PAGE_BYTES = 256 << 20;
/** etcd keeps objects of up to 1.5 MB; as JSON they may be a few times that. */
const MAX_EVENT_BYTES = 16 << 20;
const MAX_STATUS_BYTES = 1 << 20;
/** For the server's answer to begin, in ms. */
const ANSWER_MS = 30_000;
/** For a page to be there whole, in ms. */
const PAGE_MS = 120_000;

export interface WatchOptions {
  resourceVersion: string;
  /** asked of the server, in s */
  timeoutS: number;
  /** the server, which sends bookmarks about once a minute, is given up when it has sent nothing for so long, in ms */
  idleMs: number;
  signal: AbortSignal;
  onOpen(): void;
  onEvent(event: WatchEvent): void;
}

export class ObjectApi {
  constructor(
    private readonly access: ClusterAccess,
    readonly resource: Resource,
    private readonly query: ObjectQuery,
  ) {}

  /** The API server, for messages. */
  get server(): string {
    return this.access.getCurrentCluster()?.server ?? 'no cluster';
  }

  /**
   * One page.
   * @param limit objects at most; 0: all in one
   * @throws GoneError when `token` has expired, StatusError, KubernetesError
   */
  async list(limit: number, token: string, signal: AbortSignal): Promise<ObjectPage> {
    const late = AbortSignal.any([signal, AbortSignal.timeout(PAGE_MS)]);
    const response = await this.get({ limit: limit === 0 ? '' : String(limit), continue: token }, late);
    const list = parseObject(await body(response, MAX_PAGE_BYTES), 'the list');
    const { items, metadata } = list as { items?: unknown; metadata?: Record<string, unknown> };
    const version = metadata?.['resourceVersion'];
    // A list of nothing has null for its items in some versions.
    if ((!Array.isArray(items) && items !== null) || typeof version !== 'string') {
      throw new KubernetesError(`the answer is no list of ${this.resource.kind}`);
    }
    const next = metadata?.['continue'];
    return { items: items ?? [], resourceVersion: version, continue: typeof next === 'string' ? next : '' };
  }

  /**
   * Follows changes from a version on. Resolves when the server ends the stream in good order, as it does after `timeoutS`.
   * @throws GoneError, StatusError, KubernetesError
   */
  async watch(options: WatchOptions): Promise<void> {
    const response = await this.get(
      {
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: options.resourceVersion,
        timeoutSeconds: String(options.timeoutS),
      },
      options.signal,
    );
    options.onOpen();
    response.socket.setKeepAlive(true, 15_000);
    response.setTimeout(options.idleMs, () =>
      response.destroy(new KubernetesError(`nothing came for ${Math.round(options.idleMs / 1000)} s`)),
    );
    const splitter = new LineSplitter(MAX_EVENT_BYTES);
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        const { lines, overlong } = splitter.push(chunk);
        for (const line of lines) if (line.length > 0) options.onEvent(readEvent(line.toString('utf8')));
        if (overlong) throw new KubernetesError(`an event is longer than ${MAX_EVENT_BYTES} bytes`);
      }
    } catch (error) {
      throw asKubernetesError(error);
    } finally {
      response.destroy();
    }
    // Half a line is a connection that was cut, though its end looked orderly.
    if (splitter.pendingBytes > 0) throw new KubernetesError('the stream ended in the middle of an event');
  }

  private async get(parameters: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    const cluster = this.access.getCurrentCluster();
    if (cluster === null) throw new KubernetesError('the kubeconfig names no current cluster');
    const { namespace, labelSelector, fieldSelector } = this.query;
    const { group, plural } = this.resource;
    const within = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
    const path = `${group}${within}/${plural}`;
    const url = new URL(cluster.server.replace(/\/$/, '') + path);
    for (const [name, value] of Object.entries({ ...parameters, labelSelector, fieldSelector })) {
      if (value !== '') url.searchParams.set(name, value);
    }
    try {
      const options: RequestOptions = { method: 'GET', headers: {} };
      await this.access.applyToHTTPSOptions(options);
      options.headers = Object.assign(options.headers ?? {}, { accept: 'application/json', 'user-agent': 'tlshub' });
      const response = await open(url, options, signal);
      if (response.statusCode === 200) return response;
      throw await refusal(response, this.resource);
    } catch (error) {
      throw asKubernetesError(error);
    }
  }
}

function open(url: URL, options: RequestOptions, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
    const request = send(url, { ...options, signal });
    const late = setTimeout(
      () => request.destroy(new KubernetesError(`no answer within ${ANSWER_MS / 1000} s`)),
      ANSWER_MS,
    );
    request.once('response', (response) => {
      clearTimeout(late);
      resolve(response);
    });
    // Also after the answer has begun: the response fails with it then, which whoever reads it sees.
    request.on('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
    request.end();
  });
}

async function body(response: IncomingMessage, max: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > max) throw new KubernetesError(`the answer is longer than ${max} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw asKubernetesError(error);
  } finally {
    response.destroy();
  }
  return Buffer.concat(chunks, length).toString('utf8');
}

async function refusal(response: IncomingMessage, resource: Resource): Promise<Error> {
  const status = response.statusCode ?? 0;
  const text = await body(response, MAX_STATUS_BYTES).catch(() => '');
  let message = `${status} ${response.statusMessage ?? ''}`.trim();
  try {
    const said = (JSON.parse(text) as { message?: unknown } | null)?.message;
    if (typeof said === 'string' && said !== '') message += `: ${said.slice(0, 300)}`;
  } catch {
    // A proxy's page, say: the status has to do.
  }
  if (status === 410) return new GoneError(message);
  const after = Number(response.headers['retry-after']);
  return new StatusError(status, message, Number.isFinite(after) && after > 0 ? after * 1000 : 0, resource);
}

function readEvent(line: string): WatchEvent {
  const { type, object } = parseObject(line, 'an event') as { type?: unknown; object?: Record<string, unknown> | null };
  if (type === 'ERROR') {
    const { code, reason, message } = object ?? {};
    const text = typeof message === 'string' ? message.slice(0, 300) : 'no message';
    if (code === 410 || reason === 'Expired' || reason === 'Gone') throw new GoneError(text);
    throw new KubernetesError(`the server ended the watch: ${text}`);
  }
  const metadata = object?.['metadata'] as { resourceVersion?: unknown } | undefined;
  const version = metadata?.resourceVersion;
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED' && type !== 'BOOKMARK') {
    throw new KubernetesError(`an event of unknown type ${JSON.stringify(type ?? null).slice(0, 40)}`);
  }
  if (typeof version !== 'string' || version === '') throw new KubernetesError('an event without a resourceVersion');
  return { type, object, resourceVersion: version };
}

function parseObject(text: string, what: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new KubernetesError(`${what} is not JSON`, { cause });
  }
  if (typeof value !== 'object' || value === null) throw new KubernetesError(`${what} is not an object`);
  return value;
}

function asKubernetesError(error: unknown): Error {
  if (error instanceof KubernetesError || error instanceof GoneError) return error;
  const { errno, message } = toWire(error);
  return new KubernetesError(message, { cause: error, ...(errno === undefined ? {} : { errno }) });
}
