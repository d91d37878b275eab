// SPDX-License-Identifier: Apache-2.0
/**
 * A mapping from the Kubernetes API: each Pod as `namespace/name`, on the node that it was scheduled to, with its addresses, and each Service
 * with the nodes behind it. It follows the cluster and tells of changes, several at a time where they come fast: a mapping is built as a whole.
 */
import { EventEmitter, once } from 'node:events';
import { EXIT, KubernetesError, toWire } from '../../shared/errors/errors.js';
import { diffMappings, isEmptyDiff } from '../diff.js';
import { PodNodeMapping } from '../pod-node-mapping.js';
import type { MappingSource, MappingSourceEvents } from '../source.js';
import type { MappingLine } from '../parse.js';
import {
  ENDPOINT_SLICES,
  ObjectApi,
  PODS,
  SERVICES,
  type ClusterAccess,
  type ObjectQuery,
  type Resource,
} from './api.js';
import { NOT_ENDED, podLines, podRecord, samePod, type PodRecord } from './pods.js';
import { Reflector, type ReflectorTiming } from './reflector.js';
import {
  sameService,
  sameSlice,
  serviceLines,
  serviceRecord,
  sliceRecord,
  type ServiceRecord,
  type SliceRecord,
} from './services.js';

export interface KubernetesMappingOptions extends ObjectQuery {
  /** '': the service account that Kubernetes gives to a Pod */
  kubeconfig: string;
  /** also Pods in their node's network namespace */
  hostNetwork: boolean;
  /** also the addresses of Services; absent: Pods only */
  services?: boolean;
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

/** A reflector, whatever it keeps. */
type Following = Pick<Reflector<never>, 'synced' | 'apartMs' | 'start' | 'close'>;

/** What is followed; without Services only Pods are. */
interface Followed {
  pods: Reflector<PodRecord>;
  services?: Reflector<ServiceRecord>;
  slices?: Reflector<SliceRecord>;
  all: readonly { kind: Resource['kind']; reflector: Following }[];
}

export class KubernetesMappingSource extends EventEmitter<MappingSourceEvents> implements MappingSource {
  readonly description: string;
  readonly #inside = new EventEmitter<Inside>();
  #followed: Followed | undefined;
  readonly #lastProblems = new Map<Resource['kind'], Error>();
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
    this.#followed ??= await this.#start();
    if (this.#unsynced() !== undefined) await this.#firstLists();
    const mapping = await this.#build();
    return (this.#given = mapping);
  }

  /** Why the mapping may be out of date, in words; undefined: it is in step with the cluster, or nearly. */
  staleness(): string | undefined {
    const apartMs = Math.max(0, ...(this.#followed?.all ?? []).map(({ reflector }) => reflector.apartMs));
    if (apartMs <= this.options.staleAfterMs) return undefined;
    return `the Kubernetes API has not been reached for ${Math.round(apartMs / 1000)} s`;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#settling);
    this.removeAllListeners();
    this.#inside.emit('synced');
    await Promise.all((this.#followed?.all ?? []).map(({ reflector }) => reflector.close()));
  }

  async #start(): Promise<Followed> {
    const access = await clusterAccess(this.options.kubeconfig);
    // Those of the host network as well, to know them for what they are where a Service names them.
    const pods = this.#reflector(access, PODS, (object) => podRecord(object, { hostNetwork: true }), samePod);
    const all: Followed['all'][number][] = [{ kind: PODS.kind, reflector: pods }];
    const followed: Followed = { pods, all };
    if (this.options.services === true) {
      followed.services = this.#reflector(access, SERVICES, serviceRecord, sameService);
      followed.slices = this.#reflector(access, ENDPOINT_SLICES, sliceRecord, sameSlice);
      all.push({ kind: SERVICES.kind, reflector: followed.services });
      all.push({ kind: ENDPOINT_SLICES.kind, reflector: followed.slices });
    }
    if (!this.#closed) for (const { reflector } of all) reflector.start();
    return followed;
  }

  #reflector<R>(
    access: ClusterAccess,
    resource: Resource,
    record: (object: unknown) => R | undefined,
    same: (a: R, b: R) => boolean,
  ): Reflector<R> {
    const { namespace, timing } = this.options;
    // The selectors are the Pods'.
    const query = resource === PODS ? this.options : { namespace, labelSelector: '', fieldSelector: '' };
    return new Reflector({
      api: new ObjectApi(access, resource, query),
      ...{ record, same },
      onChange: () => this.#changed(),
      onProblem: (error) => {
        this.#lastProblems.set(resource.kind, error);
        // Without a first mapping it is no problem of following: `read` tells of it.
        if (this.#given !== undefined) this.emit('problem', error);
      },
      ...(timing === undefined ? {} : { timing }),
    });
  }

  /** What there is no list of yet. */
  #unsynced(): Resource['kind'] | undefined {
    return this.#followed?.all.find(({ reflector }) => !reflector.synced)?.kind;
  }

  async #firstLists(): Promise<void> {
    const { syncTimeoutMs } = this.options;
    const late = AbortSignal.timeout(syncTimeoutMs);
    let missing = this.#unsynced();
    while (missing !== undefined && !late.aborted && !this.#closed) {
      await once(this.#inside, 'synced', { signal: late }).catch(() => undefined);
      missing = this.#unsynced();
    }
    if (missing === undefined) return;
    const problem = this.#lastProblems.get(missing);
    const why = this.#closed ? 'it was closed' : (problem?.message ?? 'no answer');
    const remedy = (problem as KubernetesError | undefined)?.remedy;
    throw new KubernetesError(`no list of ${missing} within ${syncTimeoutMs} ms: ${why}`, {
      cause: problem,
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
      const mapping = await PodNodeMapping.gather(this.#lines(), 'kubernetes');
      this.#buildMs = performance.now() - begun;
      this.#built = changes;
      return (this.#mapping = mapping);
    });
    this.#building = built.catch(() => undefined);
    return built;
  }

  #lines(): MappingLine[] {
    const { hostNetwork, labelSelector, fieldSelector, namespace } = this.options;
    const { pods, services, slices } = this.#followed ?? {};
    const records = [...(pods?.records.values() ?? [])].filter((one) => hostNetwork || !one.hostNetwork);
    const lines = [...podLines(records)];
    if (services === undefined || slices === undefined) return lines;
    // Of those that a selector may have left out nothing more can be known.
    const selected = labelSelector !== '' || ![NOT_ENDED, ''].includes(fieldSelector);
    const isLeftOut = (pod: string): boolean =>
      selected || pods?.records.has(pod) === true || (namespace !== '' && !pod.startsWith(`${namespace}/`));
    const cluster = { pods: lines, services: services.records.values(), slices: slices.records.values(), isLeftOut };
    return [...lines, ...serviceLines(cluster)];
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
