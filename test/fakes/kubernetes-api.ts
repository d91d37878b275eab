// SPDX-License-Identifier: Apache-2.0
/**
 * An API server as far as following Pods, Services and EndpointSlices goes: list in pages and watch, over TLS with a bearer token, with resource
 * versions, selectors, bookmarks and expiry as the real one has them, and with the ways in which the real one and the network fail.
 *
 * Semantics after https://kubernetes.io/docs/reference/using-api/api-concepts/: a resource version is of the whole store; a watch begins
 * after the version that it names; a continue token is bound to the version of its first page; an object that stops matching the selector
 * of a watch is DELETED to it, one that begins to is ADDED.
 */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface FakePod {
  metadata: {
    namespace: string;
    name: string;
    labels?: Record<string, string>;
    resourceVersion?: string;
    creationTimestamp?: string;
    deletionTimestamp?: string;
  };
  spec?: { nodeName?: string; hostNetwork?: boolean };
  status?: { phase?: string; podIP?: string; podIPs?: { ip: string }[]; startTime?: string };
}

/** As paths name them. */
export type Resource = 'pods' | 'services' | 'endpointslices';

/** Any object; selectors look at what a Pod has. */
export interface FakeObject {
  metadata: FakePod['metadata'];
  spec?: object;
  status?: object;
  endpoints?: object[];
}

interface HistoryEntry {
  version: number;
  resource: Resource;
  before: FakeObject | undefined;
  after: FakeObject | undefined;
}

interface Watcher {
  response: ServerResponse;
  resource: Resource;
  matches: (object: FakeObject) => boolean;
}

export type Fault =
  /** answered with this status, and Retry-After if given */
  | { status: number; retryAfterS?: number }
  /** taken and never answered */
  | 'hang'
  /** the connection is reset before an answer */
  | 'reset'
  /** 200 and a body that is no JSON */
  | 'nonsense';

export interface ApiRequest {
  kind: 'list' | 'watch';
  path: string;
  query: Record<string, string>;
}

export interface KubernetesApiOptions {
  tls: { key: string | Buffer; cert: string | Buffer };
  token: string;
}

export class KubernetesApi {
  readonly requests: ApiRequest[] = [];
  /** applied to the next requests, one each */
  readonly faults: Fault[] = [];
  /** how an expired version is told to a watch: as a status, or as an event of a stream that began well */
  expiry: 'status' | 'event' = 'event';
  /** the history is forgotten after the first page of a list, before the second one is asked for */
  compactsBetweenPages = false;
  /** kinds that the account may not see */
  readonly forbidden = new Set<string>();
  /** watches end at once, in good order and without a word */
  endsWatchesAtOnce = false;
  #version = 1000;
  #oldest = 0;
  #history: HistoryEntry[] = [];
  readonly #objects = { pods: new Map(), services: new Map(), endpointslices: new Map() } as Record<
    Resource,
    Map<string, FakeObject>
  >;
  readonly #watchers = new Set<Watcher>();
  readonly #snapshots = new Map<string, { version: number; items: FakeObject[] }>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(private readonly options: KubernetesApiOptions) {
    this.#server = createServer(options.tls, (request, response) => this.#serve(request, response));
    this.#server.on('secureConnection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  listen(port = 0): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  /** Stops listening and resets all connections, as a node that goes down does. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.dropConnections();
    await closed;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  lists(): ApiRequest[] {
    return this.requests.filter(({ kind }) => kind === 'list');
  }

  watches(): ApiRequest[] {
    return this.requests.filter(({ kind }) => kind === 'watch');
  }

  put(object: FakeObject, resource: Resource = 'pods'): void {
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    this.#record(resource, key, { ...object, metadata: { ...object.metadata } });
  }

  remove(key: string, resource: Resource = 'pods'): void {
    this.#record(resource, key, undefined);
  }

  /** Forgets the history, as etcd does after some minutes: watches from older versions and continue tokens are answered with 410. */
  compact(): void {
    this.#history = [];
    this.#snapshots.clear();
    this.#oldest = this.#version;
  }

  bookmark(): void {
    const object = { kind: 'Pod', metadata: { resourceVersion: String(this.#version) } };
    for (const { response } of this.#watchers) response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  /** Bytes on all watches, as they are. */
  writeRaw(text: string): void {
    for (const { response } of this.#watchers) response.write(text);
  }

  endWatches(): void {
    for (const { response } of this.#watchers) response.end();
  }

  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Watches stay open, and hear nothing more. */
  silence(): void {
    this.#watchers.clear();
  }

  #record(resource: Resource, key: string, next: FakeObject | undefined): void {
    const version = ++this.#version;
    const objects = this.#objects[resource];
    const before = objects.get(key);
    const after = next && stamped(next, version);
    if (after === undefined) objects.delete(key);
    else objects.set(key, after);
    const entry = { version, resource, before, after };
    this.#history.push(entry);
    for (const watcher of this.#watchers) tell(watcher, entry);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://kubernetes');
    const query = Object.fromEntries(url.searchParams);
    const found =
      /^\/api\/v1\/(?:namespaces\/([^/]+)\/)?(pods|services)$/.exec(url.pathname) ??
      /^\/apis\/discovery\.k8s\.io\/v1\/(?:namespaces\/([^/]+)\/)?(endpointslices)$/.exec(url.pathname);
    if (request.headers.authorization !== `Bearer ${this.options.token}`) {
      status(response, 401, 'Unauthorized');
      return;
    }
    if (found === null || request.method !== 'GET') {
      status(response, 404, 'not found');
      return;
    }
    const kind = query['watch'] === 'true' ? 'watch' : 'list';
    this.requests.push({ kind, path: url.pathname, query });
    const fault = this.faults.shift();
    if (fault === 'hang') return;
    if (fault === 'reset') return void request.socket.destroy();
    if (fault === 'nonsense') return void response.writeHead(200).end('<html>a proxy</html>\n');
    if (fault !== undefined) {
      if (fault.retryAfterS !== undefined) response.setHeader('Retry-After', fault.retryAfterS);
      status(response, fault.status, 'injected');
      return;
    }
    const resource = found[2] as Resource;
    if (this.forbidden.has(resource)) {
      status(response, 403, `${resource} is forbidden: User "agent" cannot ${kind} resource "${resource}"`);
      return;
    }
    const matches = matcher(found[1], query);
    if (kind === 'watch') this.#watch(query, { response, resource, matches });
    else this.#list(query, { response, resource, matches });
  }

  #list(query: Record<string, string>, { response, resource, matches }: Watcher): void {
    const [token = '', offset = '0'] = (query['continue'] ?? '').split('@');
    let snapshot = this.#snapshots.get(token);
    if (token !== '' && snapshot === undefined) {
      status(response, 410, 'The provided continue parameter is too old');
      return;
    }
    snapshot ??= { version: this.#version, items: [...this.#objects[resource].values()].filter(matches) };
    const from = Number(offset);
    const limit = Number(query['limit'] ?? '0') || snapshot.items.length;
    const to = from + limit;
    const metadata: Record<string, string> = { resourceVersion: String(snapshot.version) };
    if (to < snapshot.items.length) {
      const name = token === '' ? `snapshot-${this.#snapshots.size}-${snapshot.version}` : token;
      this.#snapshots.set(name, snapshot);
      metadata['continue'] = `${name}@${to}`;
    }
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ kind: 'List', metadata, items: snapshot.items.slice(from, to) }));
    if (this.compactsBetweenPages) this.compact();
  }

  #watch(query: Record<string, string>, watcher: Watcher): void {
    const { response } = watcher;
    const from = Number(query['resourceVersion']);
    const expired = from < this.#oldest;
    if (expired && this.expiry === 'status') {
      status(response, 410, 'too old resource version');
      return;
    }
    response.writeHead(200, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' });
    response.flushHeaders();
    if (expired) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: `too old resource version: ${from}` };
      return void response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
    }
    if (this.endsWatchesAtOnce) return void response.end();
    for (const entry of this.#history) if (entry.version > from) tell(watcher, entry);
    this.#watchers.add(watcher);
    const end = setTimeout(() => response.end(), Number(query['timeoutSeconds']) * 1000);
    response.once('close', () => {
      clearTimeout(end);
      this.#watchers.delete(watcher);
    });
  }
}

function stamped(object: FakeObject, version: number): FakeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}

function tell(
  { response, resource: watched, matches }: Watcher,
  { version, resource, before, after }: HistoryEntry,
): void {
  if (resource !== watched) return;
  const was = before !== undefined && matches(before);
  const is = after !== undefined && matches(after);
  if (!was && !is) return;
  const type = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED';
  // What is deleted is shown in its last state, with the version of its deletion.
  const object = stamped((is ? after : (after ?? before)) as FakeObject, version);
  response.write(`${JSON.stringify({ type, object })}\n`);
}

/** Equality-based selectors only. */
function matcher(namespace: string | undefined, query: Record<string, string>): (object: FakeObject) => boolean {
  const clauses = (text = ''): [path: string, wanted: string, equal: boolean][] =>
    text
      .split(',')
      .filter((clause) => clause !== '')
      .map((clause) => {
        const [, path = '', operator = '', wanted = ''] = /^([^!=]+)(==?|!=)(.*)$/.exec(clause) ?? [];
        return [path, wanted, operator !== '!='];
      });
  const fields = clauses(query['fieldSelector']);
  const labels = clauses(query['labelSelector']);
  return (object) => {
    const pod = object as FakePod;
    if (namespace !== undefined && pod.metadata.namespace !== namespace) return false;
    const values: Record<string, string | undefined> = {
      'status.phase': pod.status?.phase ?? 'Pending',
      'metadata.namespace': pod.metadata.namespace,
      'metadata.name': pod.metadata.name,
      'spec.nodeName': pod.spec?.nodeName,
    };
    return (
      fields.every(([path, wanted, equal]) => ((values[path] ?? '') === wanted) === equal) &&
      labels.every(([path, wanted, equal]) => (pod.metadata.labels?.[path] === wanted) === equal)
    );
  };
}

function status(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', status: 'Failure', code, message }));
}
