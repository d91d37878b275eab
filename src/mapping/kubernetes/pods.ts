// SPDX-License-Identifier: Apache-2.0
/**
 * From Pods of the Kubernetes API to lines of the mapping.
 *
 * Kept of a Pod is what the mapping needs, so that a cluster with 100,000 of them fits in memory. Which Pods count, and why:
 *   - those with a node and an address. A Pod without one cannot be anybody's peer yet.
 *   - not those that have ended (Succeeded, Failed): their address is free again while the object stays for its owner to look at.
 *   - not those in their node's network namespace, unless asked for: their address is the node's, and so that of the kubelet and of
 *     everything else there, captured or not.
 *   - of several Pods that claim an address the one that was started last: the address was given to it when the others had lost it, and
 *     their objects are late. A Pod that is being deleted stands back behind one that is not. Pods of the same second share it.
 */
import { parseAddress, formatAddress, type Cidr } from '../../shared/net/address.js';
import { parseNodeName } from '../../shared/text/node-name.js';
import type { PodLine } from '../parse.js';

/** What is kept of a Pod. */
export interface PodRecord {
  /** `namespace/name` */
  pod: string;
  node: string;
  networks: readonly Cidr[];
  /** the node's own address, canonical; undefined: not known yet */
  host?: string;
  /** orders claims to an address: the higher one has it */
  claim: number;
  /** the address is the node's: it is shared, not claimed */
  hostNetwork: boolean;
}

export interface PodRules {
  /** also Pods in their node's network namespace */
  hostNetwork: boolean;
}

/** The parts of a Pod (core/v1) that are read. Nothing is taken for granted: it comes from another machine. */
interface PodObject {
  metadata?: null | { namespace?: unknown; name?: unknown; deletionTimestamp?: unknown; creationTimestamp?: unknown };
  spec?: null | { nodeName?: unknown; hostNetwork?: unknown };
  status?: null | { phase?: unknown; hostIP?: unknown; podIP?: unknown; podIPs?: unknown; startTime?: unknown };
}

/** A field selector that leaves out Pods that have ended, which never count. */
export const NOT_ENDED = 'status.phase!=Succeeded,status.phase!=Failed';
const ENDED = new Set<unknown>(['Succeeded', 'Failed']);

/** `namespace/name` of an object, or undefined if it has none. */
export function podKey(object: unknown): string | undefined {
  const { namespace, name } = (object as PodObject | null)?.metadata ?? {};
  if (typeof namespace !== 'string' || typeof name !== 'string' || namespace === '' || name === '') return undefined;
  return `${namespace}/${name}`;
}

/** What the mapping keeps of a Pod; undefined: it is none of its business now. */
export function podRecord(object: unknown, rules: PodRules): PodRecord | undefined {
  const { metadata, spec, status } = object as PodObject;
  const pod = podKey(object);
  const hostNetwork = spec?.hostNetwork === true;
  if (pod === undefined || ENDED.has(status?.phase) || (hostNetwork && !rules.hostNetwork)) return undefined;
  const node = typeof spec?.nodeName === 'string' ? parseNodeName(spec.nodeName) : undefined;
  const networks = addressesOf(status ?? {});
  if (node === undefined || networks.length === 0) return undefined;
  const started = seconds(status?.startTime) || seconds(metadata?.creationTimestamp);
  const deleting = typeof metadata?.deletionTimestamp === 'string';
  const host = hostOf(status ?? {});
  return { pod, node, networks, claim: deleting ? started : started + LIVING, hostNetwork, ...(host && { host }) };
}

function hostOf({ hostIP }: NonNullable<PodObject['status']>): string | undefined {
  if (typeof hostIP !== 'string' || hostIP === '') return undefined;
  try {
    return formatAddress(parseAddress(hostIP));
  } catch {
    return undefined;
  }
}

/** More than any number of seconds since 1970 that fits in RFC 3339. */
const LIVING = 1e12;

function seconds(time: unknown): number {
  const ms = typeof time === 'string' ? Date.parse(time) : NaN;
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000);
}

/** Both families, each address once. `podIPs` has `podIP` as its first entry where it is there at all. */
function addressesOf({ podIP, podIPs }: NonNullable<PodObject['status']>): Cidr[] {
  const texts =
    Array.isArray(podIPs) && podIPs.length > 0 ? podIPs.map((one: { ip?: unknown } | null) => one?.ip) : [podIP];
  return networksOf(texts);
}

/** Addresses as networks of one, each once; what is no address is left out. */
export function networksOf(texts: readonly unknown[]): Cidr[] {
  const networks = new Map<string, Cidr>();
  for (const text of texts) {
    if (typeof text !== 'string' || text === '') continue;
    try {
      const address = parseAddress(text);
      networks.set(formatAddress(address), { address, prefix: 128 });
    } catch {
      // No address: nothing that a connection could come from.
    }
  }
  return [...networks.values()];
}

/** One character a byte: cheaper to make and to hash than text. */
export function addressKey({ address }: Cidr): string {
  return Buffer.from(address.buffer, address.byteOffset, address.length).toString('latin1');
}

/** The lines of a mapping, in the order of their names, so that the same Pods make the same mapping whatever order they came in. */
export function* podLines(records: Iterable<PodRecord>): Generator<PodLine> {
  const sorted = [...records].sort((a, b) => (a.pod < b.pod ? -1 : 1));
  const best = new Map<string, number>();
  for (const { networks, claim, hostNetwork } of sorted) {
    if (hostNetwork) continue;
    for (const network of networks) {
      const key = addressKey(network);
      if (claim > (best.get(key) ?? -1)) best.set(key, claim);
    }
  }
  for (const [index, { pod, node, networks, claim, hostNetwork, host }] of sorted.entries()) {
    // A Pod that has an address for itself has it although the node's own Pods name it too: then it is no node's address.
    const mine = networks.filter((network) => (best.get(addressKey(network)) ?? -1) <= (hostNetwork ? -1 : claim));
    yield { line: index + 1, pod, node, networks: mine, ...(host !== undefined && { host }) };
  }
}

/** Whether they make the same line. */
export function samePod(a: PodRecord, b: PodRecord): boolean {
  if (a.node !== b.node || a.claim !== b.claim || a.hostNetwork !== b.hostNetwork) return false;
  if (a.networks.length !== b.networks.length) return false;
  return a.networks.every(
    ({ address }, i) => b.networks[i] !== undefined && Buffer.compare(address, b.networks[i].address) === 0,
  );
}
