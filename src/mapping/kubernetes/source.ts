// SPDX-License-Identifier: Apache-2.0
/**
 * A mapping from the Kubernetes API: each Pod as `namespace/name`, on the node that it was scheduled to, with its addresses. It follows the
 * cluster and tells of changes, several at a time where they come fast: a mapping is built as a whole.
 */
import { EventEmitter, once } from 'node:events';
import { EXIT, KubernetesError, toWire } from '../../shared/errors/errors.js';
import { diffMappings, isEmptyDiff } from '../diff.js';
import { PodNodeMapping } from '../pod-node-mapping.js';
import type { MappingSource, MappingSourceEvents } from '../source.js';
import { PodApi, type ClusterAccess, type PodQuery } from './api.js';
import { podLines } from './pods.js';
import { PodReflector, type ReflectorTiming } from './reflector.js';

export interface KubernetesMappingOptions extends PodQuery {
  /** '': the service account that Kubernetes gives to a Pod */
  kubeconfig: string;
  /** also Pods in their node's network namespace */
  hostNetwork: boolean;
  /** how long the first read waits for the list, in ms */
  syncTimeoutMs: number;
  /** how long the API server may be away before the mapping counts as stale, in ms */
  staleAfterMs: number;
  timing?: Partial<ReflectorTiming>;
}

/** After a change, for others to join it, in ms; longer, so that building takes no more than a part of the time, where it takes long. */
const SETTLE_MS = 50;
const BUILD_SHARE = 10;

interface Inside {
  synced: [];
}

export class KubernetesMappingSource extends EventEmitter<MappingSourceEvents> implements MappingSource {
  readonly description: string;
  readonly #inside = new EventEmitter<Inside>();
  #reflector: PodReflector | undefined;
  #lastProblem: Error | undefined;
  /** counts changes of the copy; the mapping is of `#built` */
  #changes = 0;
  #built = -1;
  #mapping: PodNodeMapping | undefined;
  /** what `read` or a change has given last */
  #given: PodNodeMapping | undefined;
  #building: Promise<unknown> = Promise.resolve();
  #settling: NodeJS.Timeout | undefined;
  #buildMs = 0;
  #closed = false;

  constructor(private readonly options: KubernetesMappingOptions) {
    super();
    const where = options.kubeconfig === '' ? 'service account' : options.kubeconfig;
    const what = options.namespace === '' ? 'all namespaces' : `namespace ${options.namespace}`;
    this.description = `kubernetes (${where}; ${what})`;
  }

  /**
   * The first one waits for the list, `syncTimeoutMs` at most.
   * @throws KubernetesError that says what the API server answered last
   */
  async read(): Promise<PodNodeMapping> {
    this.#reflector ??= await this.#start();
    if (!this.#reflector.synced) await this.#firstList();
    const mapping = await this.#build();
    return (this.#given = mapping);
  }

  /** Why the mapping may be out of date, in words; undefined: it is in step with the cluster, or nearly. */
  staleness(): string | undefined {
    const apartMs = this.#reflector?.apartMs ?? 0;
    if (apartMs <= this.options.staleAfterMs) return undefined;
    return `the Kubernetes API has not been reached for ${Math.round(apartMs / 1000)} s`;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#settling);
    this.removeAllListeners();
    this.#inside.emit('synced');
    await this.#reflector?.close();
  }

  async #start(): Promise<PodReflector> {
    const access = await clusterAccess(this.options.kubeconfig);
    const reflector = new PodReflector({
      api: new PodApi(access, this.options),
      rules: this.options,
      onChange: () => this.#changed(),
      onProblem: (error) => {
        this.#lastProblem = error;
        // Without a first mapping it is no problem of following: `read` tells of it.
        if (this.#given !== undefined) this.emit('problem', error);
      },
      ...(this.options.timing === undefined ? {} : { timing: this.options.timing }),
    });
    if (!this.#closed) reflector.start();
    return reflector;
  }

  async #firstList(): Promise<void> {
    const { syncTimeoutMs } = this.options;
    const late = AbortSignal.timeout(syncTimeoutMs);
    await once(this.#inside, 'synced', { signal: late }).catch(() => undefined);
    if (this.#reflector?.synced === true) return;
    const why = this.#closed ? 'it was closed' : (this.#lastProblem?.message ?? 'no answer');
    const remedy = (this.#lastProblem as KubernetesError | undefined)?.remedy;
    throw new KubernetesError(`no list of Pods within ${syncTimeoutMs} ms: ${why}`, {
      cause: this.#lastProblem,
      ...(remedy === undefined ? {} : { remedy }),
    });
  }

  #changed(): void {
    this.#changes++;
    this.#inside.emit('synced');
    if (this.#given === undefined || this.#closed) return;
    this.#settling ??= setTimeout(() => void this.#tell(), Math.max(SETTLE_MS, BUILD_SHARE * this.#buildMs));
  }

  async #tell(): Promise<void> {
    this.#settling = undefined;
    try {
      const mapping = await this.#build();
      const previous = this.#given;
      if (previous === undefined || previous === mapping || this.#closed) return;
      const diff = diffMappings(previous, mapping);
      this.#given = mapping;
      if (!isEmptyDiff(diff)) this.emit('change', { mapping, previous, diff });
    } catch (error) {
      this.emit('problem', error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The mapping of now; one build at a time. */
  #build(): Promise<PodNodeMapping> {
    const built = this.#building.then(async () => {
      if (this.#mapping !== undefined && this.#built === this.#changes) return this.#mapping;
      const changes = this.#changes;
      const begun = performance.now();
      const lines = podLines(this.#reflector?.pods.values() ?? []);
      const mapping = await PodNodeMapping.gather(lines, 'kubernetes');
      this.#buildMs = performance.now() - begun;
      this.#built = changes;
      return (this.#mapping = mapping);
    });
    this.#building = built.catch(() => undefined);
    return built;
  }
}

/** Loads the client, which is large, only here: an agent whose mapping is a file does without it. */
async function clusterAccess(kubeconfig: string): Promise<ClusterAccess> {
  const { KubeConfig } = await import('./kube-config.js');
  const config = new KubeConfig();
  try {
    if (kubeconfig !== '') config.loadFromFile(kubeconfig);
    else if ((process.env['KUBERNETES_SERVICE_HOST'] ?? '') !== '') config.loadFromCluster();
    else
      throw new Error('this is no Pod (KUBERNETES_SERVICE_HOST is not set), and kubernetes.kubeconfig names no file');
    if (config.getCurrentCluster() === null) throw new Error('it names no current cluster');
    return config;
  } catch (cause) {
    const what = kubeconfig === '' ? 'kubernetes.kubeconfig' : `kubernetes.kubeconfig: ${kubeconfig}`;
    throw new KubernetesError(`${what}: ${toWire(cause).message}`, { cause, exitCode: EXIT.config });
  }
}
