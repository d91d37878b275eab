// SPDX-License-Identifier: Apache-2.0
/**
 * From Services and EndpointSlices of the Kubernetes API to lines of the mapping.
 *
 * The node of an endpoint is that of its Pod, which the scheduler has said, and not what a slice says of it. Which addresses are a Service's,
 * and which Services count:
 *   - clusterIPs, externalIPs, and addresses of its load balancer unless that is a proxy of its own (ipMode Proxy). Not node ports: their
 *     address is the node's, and the mapping knows no ports. Not those of headless Services, which have none, nor of ExternalName.
 *   - not an address that a Pod has: whoever may make Services could else speak for it by an external IP.
 *   - a Service with endpoints of which none is a Pod of the mapping is none of the mesh (`default/kubernetes`, host network, what is left
 *     out by a selector). One with no endpoint at all is: who connects is refused, and not in plaintext until the first one comes.
 *   - endpoints count until they have left their slice, ready or not: one that is ending still answers what was translated to it.
 */
import { formatAddress, type Cidr } from '../../shared/net/address.js';
import { parseNodeName } from '../../shared/text/node-name.js';
import type { PodLine, ServiceLine } from '../parse.js';
import { addressKey, networksOf, podKey } from './pods.js';

/** What is kept of a Service. */
export interface ServiceRecord {
  /** `namespace/name` */
  service: string;
  networks: readonly Cidr[];
}

export interface EndpointRecord {
  /** `namespace/name` of its Pod; undefined: it names none */
  pod: string | undefined;
  node: string | undefined;
  networks: readonly Cidr[];
}

/** What is kept of an EndpointSlice. */
export interface SliceRecord {
  /** `namespace/name` */
  service: string;
  endpoints: readonly EndpointRecord[];
}

/** The parts of a Service (core/v1) that are read. Nothing is taken for granted: it comes from another machine. */
interface ServiceObject {
  spec?: null | { type?: unknown; clusterIP?: unknown; clusterIPs?: unknown; externalIPs?: unknown };
  status?: null | { loadBalancer?: null | { ingress?: unknown } };
}

/** The parts of an EndpointSlice (discovery.k8s.io/v1) that are read. */
interface SliceObject {
  metadata?: null | { namespace?: unknown; labels?: null | Record<string, unknown> };
  endpoints?: unknown;
}

interface EndpointObject {
  addresses?: unknown;
  nodeName?: unknown;
  targetRef?: null | { kind?: unknown; namespace?: unknown; name?: unknown };
}

/** What the mapping keeps of a Service; undefined: it has no address of its own. */
export function serviceRecord(object: unknown): ServiceRecord | undefined {
  const { spec, status } = object as ServiceObject;
  const service = podKey(object);
  const { type, clusterIP, clusterIPs, externalIPs } = spec ?? {};
  if (service === undefined || type === 'ExternalName' || clusterIP === 'None') return undefined;
  const balancer = listOf(status?.loadBalancer?.ingress) as ({ ip?: unknown; ipMode?: unknown } | null)[];
  const balanced = balancer.filter((one) => one?.ipMode !== 'Proxy').map((one) => one?.ip);
  const networks = networksOf([clusterIP, ...listOf(clusterIPs), ...listOf(externalIPs), ...balanced]);
  return networks.length === 0 ? undefined : { service, networks };
}

/** What the mapping keeps of an EndpointSlice; undefined: it is no Service's. */
export function sliceRecord(object: unknown): SliceRecord | undefined {
  const { metadata, endpoints } = object as SliceObject;
  const namespace = metadata?.namespace;
  const name = metadata?.labels?.['kubernetes.io/service-name'];
  if (podKey(object) === undefined || typeof namespace !== 'string' || typeof name !== 'string' || name === '') {
    return undefined;
  }
  const records = listOf(endpoints).map((one) => endpointRecord((one ?? {}) as EndpointObject, namespace));
  return { service: `${namespace}/${name}`, endpoints: records };
}

function endpointRecord({ addresses, nodeName, targetRef }: EndpointObject, namespace: string): EndpointRecord {
  const pod =
    targetRef?.kind === 'Pod' && typeof targetRef.name === 'string'
      ? podKey({ metadata: { namespace: targetRef.namespace ?? namespace, name: targetRef.name } })
      : undefined;
  const node = typeof nodeName === 'string' ? parseNodeName(nodeName) : undefined;
  return { pod, node, networks: networksOf(listOf(addresses)) };
}

export function sameService(a: ServiceRecord, b: ServiceRecord): boolean {
  return textOf(a.networks) === textOf(b.networks);
}

export function sameSlice(a: SliceRecord, b: SliceRecord): boolean {
  const text = ({ service, endpoints }: SliceRecord): string =>
    [service, ...endpoints.map(({ pod, node, networks }) => [pod, node, textOf(networks)].join())].join('\n');
  return text(a) === text(b);
}

/** All that is known of a cluster. */
export interface Cluster {
  /** the lines of all Pods that count */
  pods: readonly PodLine[];
  services: Iterable<ServiceRecord>;
  slices: Iterable<SliceRecord>;
  /**
   * Of a Pod that is no line of these: true if it is left out of the mapping, for good. Else we have not heard of it yet, and the slice, which
   * came first, is believed.
   */
  isLeftOut: (pod: string) => boolean;
}

/** Lines of Services, in the order of their names, to follow those of the Pods. */
export function* serviceLines({ pods, services, slices, isLeftOut }: Cluster): Generator<ServiceLine> {
  const names = new Set<string>();
  const byAddress = new Map<string, string>();
  for (const { pod, networks } of pods) {
    names.add(pod);
    for (const network of networks) byAddress.set(addressKey(network), pod);
  }
  const endpoints = new Map<string, EndpointRecord[]>();
  for (const slice of slices) {
    const known = endpoints.get(slice.service);
    if (known === undefined) endpoints.set(slice.service, [...slice.endpoints]);
    else known.push(...slice.endpoints);
  }
  let line = pods.length;
  const sorted = [...services].sort((a, b) => (a.service < b.service ? -1 : 1));
  for (const { service, networks } of sorted) {
    const mine = networks.filter((network) => !byAddress.has(addressKey(network)));
    const all = endpoints.get(service) ?? [];
    const behind = new Set<string>();
    const nodes = new Set<string>();
    for (const { pod, node, networks: at } of all) {
      const [found] = at.flatMap((network) => byAddress.get(addressKey(network)) ?? []);
      const known = pod !== undefined && names.has(pod) ? pod : found;
      if (known !== undefined) behind.add(known);
      else if (pod !== undefined && node !== undefined && !isLeftOut(pod)) nodes.add(node);
    }
    const outside = all.length > 0 && behind.size + nodes.size === 0;
    if (mine.length === 0 || outside) continue;
    yield { line: ++line, service, networks: mine, behind: [...behind], nodes: [...nodes] };
  }
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(networks: readonly Cidr[]): string {
  return networks.map(({ address }) => formatAddress(address)).join(' ');
}
