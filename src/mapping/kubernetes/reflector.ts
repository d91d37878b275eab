// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps a copy of the cluster's objects of one kind: lists them, watches from there on, and whenever that ends goes on where it was. A list is made again
 * only when the server no longer has our version (410). After failures it waits, twice as long each time, with jitter: when an API server
 * comes back, the agents of a thousand nodes must not come back with it in the same second.
 *
 * Lists are consistent reads in pages, not the server's cache (resourceVersion 0): that may be older than what we have seen, and an old
 * list would give an address back to the node that had it before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KubernetesError } from '../../shared/errors/errors.js';
import { GoneError, StatusError, type ObjectApi } from './api.js';
import { podKey } from './pods.js';

export interface ReflectorOptions<R> {
  api: ObjectApi;
  /** what is kept of an object; undefined: nothing */
  record: (object: unknown) => R | undefined;
  /** whether two records of an object are as good as one */
  same: (a: R, b: R) => boolean;
  /** the copy is complete again, or another object */
  onChange(): void;
  /** it could not follow; it goes on with the copy that it has, and tries again by itself */
  onProblem(error: Error): void;
  timing?: Partial<ReflectorTiming>;
}

/** In ms. */
export interface ReflectorTiming {
  /** the first wait after a failure; each is twice the one before it up to the longest */
  firstPauseMs: number;
  longestPauseMs: number;
  /** a watch asks the server to end it after this and up to twice as long */
  watchMs: number;
  /** a watch on which nothing comes for so long is dead */
  idleMs: number;
}

const TIMING: ReflectorTiming = { firstPauseMs: 500, longestPauseMs: 30_000, watchMs: 300_000, idleMs: 180_000 };
/** Objects of a page: a few MB of JSON, which take a few milliseconds to read. */
const PAGE = 250;
/** A watch that ends sooner than this without a word counts as a failure: else a server that does so would be asked without a pause. */
const SHORT_MS = 1000;

export class Reflector<R> {
  readonly #options: ReflectorOptions<R>;
  readonly #timing: ReflectorTiming;
  readonly #abort = new AbortController();
  #records = new Map<string, R>();
  #version: string | undefined;
  #page = PAGE;
  #pause = 0;
  #synced = false;
  #apartSince: number | undefined = performance.now();
  #running: Promise<void> | undefined;

  constructor(options: ReflectorOptions<R>) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  /** False until the first list is there. */
  get synced(): boolean {
    return this.#synced;
  }

  /** All that are kept, by `namespace/name`. The copy, not a copy of it: it changes. */
  get records(): ReadonlyMap<string, R> {
    return this.#records;
  }

  /** How long nothing has been followed, in ms; 0 while a watch is open. */
  get apartMs(): number {
    return this.#apartSince === undefined ? 0 : performance.now() - this.#apartSince;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        this.#version ??= await this.#list();
        await this.#watch(this.#version);
      } catch (error) {
        // A closed one has nothing to tell: that its requests end is what closing does.
        if (!this.#abort.signal.aborted) await this.#failed(error);
      } finally {
        this.#apartSince ??= performance.now();
      }
    }
  }

  async #list(): Promise<string> {
    const { api, record } = this.#options;
    const records = new Map<string, R>();
    let token = '';
    let version: string;
    do {
      const page = await api.list(this.#page, token, this.#abort.signal);
      for (const item of page.items) {
        const [key, kept] = [podKey(item), record(item)];
        if (key !== undefined && kept !== undefined) records.set(key, kept);
      }
      token = page.continue;
      // All pages are of the version of the first one.
      version = page.resourceVersion;
    } while (token !== '');
    this.#page = PAGE;
    this.#records = records;
    this.#synced = true;
    this.#options.onChange();
    return version;
  }

  async #watch(from: string): Promise<void> {
    const { api } = this.#options;
    const { watchMs, idleMs } = this.#timing;
    const begun = performance.now();
    let events = 0;
    await api.watch({
      resourceVersion: from,
      timeoutS: Math.max(1, Math.round((watchMs * (1 + Math.random())) / 1000)),
      idleMs,
      signal: this.#abort.signal,
      onOpen: () => (this.#apartSince = undefined),
      onEvent: ({ type, object, resourceVersion }) => {
        events++;
        this.#pause = 0;
        if (type !== 'BOOKMARK') this.#apply(type, object);
        this.#version = resourceVersion;
      },
    });
    if (events === 0 && performance.now() - begun < SHORT_MS)
      throw new KubernetesError('the server ended a watch at once');
    this.#pause = 0;
  }

  #apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: unknown): void {
    const key = podKey(object);
    if (key === undefined) throw new KubernetesError('an event without an object');
    const record = type === 'DELETED' ? undefined : this.#options.record(object);
    const before = this.#records.get(key);
    if (record === undefined) this.#records.delete(key);
    else this.#records.set(key, record);
    // Most events are about what the mapping does not keep: conditions, container states.
    const same = before !== undefined && record !== undefined && this.#options.same(before, record);
    if (before !== record && !same) this.#options.onChange();
  }

  async #failed(error: unknown): Promise<void> {
    const { firstPauseMs, longestPauseMs } = this.#timing;
    if (error instanceof GoneError) {
      // While listing: pages that expire before the next one is asked for. In one piece it cannot happen.
      if (this.#version === undefined) this.#page = 0;
      this.#version = undefined;
    }
    const first = this.#pause === 0;
    this.#pause = first ? firstPauseMs : Math.min(2 * this.#pause, longestPauseMs);
    // An expired version is the normal course of things, the first time.
    if (error instanceof GoneError && first) return;
    this.#options.onProblem(error instanceof Error ? error : new Error(String(error)));
    const wanted = error instanceof StatusError ? Math.min(error.retryAfterMs, longestPauseMs) : 0;
    const pause = Math.max(wanted, this.#pause * (0.5 + Math.random() / 2));
    await sleep(pause, undefined, { signal: this.#abort.signal }).catch(() => undefined);
  }
}
