// SPDX-License-Identifier: Apache-2.0
/**
 * The Pod-Node mapping: who runs where. It says which peers belong to the mesh, and which node names the certificate at an address may
 * carry. Immutable: a reload loads another one and swaps. A MappingSource (source.ts) tells of changes.
 */
import { equalAddresses, formatCidr, parseAddress, type AddressBytes, type Cidr } from '../shared/net/address.js';
import { MappingError } from '../shared/errors/errors.js';
import { clip, readRegularFile } from '../shared/files/text-file.js';
import { parseMappingLines, type MappingLine, type PodLine, type ServiceLine } from './parse.js';
import { PrefixTable } from '../shared/net/prefix-table.js';

export interface Pod {
  pod: string;
  node: string;
  /** canonical text, in the order of the file */
  addresses: string[];
}

/** Addresses that are translated to one of several pods on the way: who connects to them does not know to which. */
export interface Service {
  service: string;
  /** canonical text, in the order of the file */
  addresses: string[];
  /** each node that may answer, once, sorted; none: it has no endpoint, and whoever connects is refused */
  nodes: string[];
}

/** One network with all pods or services that list it, for BPF's trie. */
export interface MappedNetwork {
  /** 16 bytes, see address.ts */
  address: AddressBytes;
  /** 0..128, on the 128-bit form */
  prefix: number;
  /** in the order of the file; empty for the address of services */
  pods: readonly string[];
  /** in the order of the file; empty for the address of pods */
  services: readonly string[];
  /** each node once */
  nodes: readonly string[];
}

interface PodRecord {
  pod: string;
  node: string;
  line: number;
  networks: readonly Cidr[];
}

interface ServiceRecord {
  service: string;
  line: number;
  networks: readonly Cidr[];
  /** sorted, each once */
  nodes: readonly string[];
}

interface Network {
  cidr: Cidr;
  pods: PodRecord[];
  /** then it has no pods */
  services?: ServiceRecord[];
  /** each node once; only where several share the network: most have one, and a list for each would double the memory */
  nodes?: readonly string[];
}

/** 100,000 pods with full names and two addresses each are about 20 MB. Bytes. */
const MAX_FILE_BYTES = 256 << 20;

/** Lines that are parsed before others have a turn: a few milliseconds' worth. */
const LINES_AT_ONCE = 1000;

/** An address that more nodes than this share says nothing about who is there. */
const MAX_NODES = 1024;

const NO_NODES: readonly string[] = Object.freeze([]);

export class PodNodeMapping {
  readonly #pods = new Map<string, PodRecord>();
  readonly #services = new Map<string, ServiceRecord>();
  readonly #nodes = new Set<string>();
  readonly #networks = new PrefixTable<Network>();
  readonly #hosts = new Map<string, string>();
  readonly #serviceFigures = { serviceAddresses: 0, servicesWithoutEndpoint: 0 };

  private constructor() {}

  /** @throws MappingError (exit status 78) that names file and line */
  static load(file: string): PodNodeMapping {
    return PodNodeMapping.parse(readMappingFile(file), file);
  }

  /** As `load`, but lets the event loop turn in between: a large file must not hold up everything else for as long as it takes. */
  static async loadGradually(file: string): Promise<PodNodeMapping> {
    return PodNodeMapping.gather(parseMappingLines(readMappingFile(file), file), file);
  }

  /** From lines that need not come from a file, letting the event loop turn in between; `origin` is for messages. */
  static async gather(lines: Iterable<MappingLine>, origin: string): Promise<PodNodeMapping> {
    const parsing = PodNodeMapping.#collect(lines, origin);
    for (;;) {
      const step = parsing.next();
      if (step.done === true) return step.value;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** As `load`, on text at hand; `file` is for messages. */
  static parse(contents: Uint8Array | string, file = 'mapping'): PodNodeMapping {
    const parsing = PodNodeMapping.#collect(parseMappingLines(contents, file), file);
    for (;;) {
      const step = parsing.next();
      if (step.done === true) return step.value;
    }
  }

  /** Yields every so many lines. */
  static *#collect(lines: Iterable<MappingLine>, file: string): Generator<void, PodNodeMapping> {
    const mapping = new PodNodeMapping();
    let count = 0;
    for (const one of lines) {
      if (++count % LINES_AT_ONCE === 0) yield;
      if ('service' in one) mapping.#addService(one, file);
      else mapping.#addPod(one, file);
    }
    for (const network of mapping.#networks.values()) {
      if (network.services !== undefined) {
        network.nodes = nodesBehind(network.services);
        mapping.#serviceFigures.serviceAddresses++;
      } else if (network.pods.length > 1) network.nodes = distinctNodes(network, file);
    }
    return mapping;
  }

  #addPod({ line, pod, node, networks, host }: PodLine, file: string): void {
    const earlier = this.#pods.get(pod);
    if (earlier !== undefined) throw duplicate({ file, line }, `pod ${pod} is listed twice`, earlier);
    const record: PodRecord = { pod, node, line, networks };
    this.#pods.set(pod, record);
    this.#nodes.add(node);
    if (host !== undefined) this.#hosts.set(node, host);
    for (const cidr of networks) {
      const network = this.#networks.at(cidr, () => ({ cidr, pods: [] }));
      const [service] = network.services ?? [];
      if (service !== undefined) throw both({ file, line }, cidr, pod, service.service, service);
      network.pods.push(record);
    }
  }

  #addService({ line, service, networks, behind, nodes: named }: ServiceLine, file: string): void {
    const earlier = this.#services.get(service);
    if (earlier !== undefined) throw duplicate({ file, line }, `service ${service} is listed twice`, earlier);
    const nodes = new Set(named);
    for (const pod of behind) {
      const record = this.#pods.get(pod);
      if (record !== undefined) nodes.add(record.node);
      else {
        const detail = `pod ${clip(pod)} behind service ${service} is in no line above; a node is written @node_name`;
        throw new MappingError('TLSHUB_MAPPING_SYNTAX', { file, line }, detail);
      }
    }
    const record: ServiceRecord = { service, line, networks, nodes: [...nodes].sort() };
    this.#services.set(service, record);
    if (nodes.size === 0) this.#serviceFigures.servicesWithoutEndpoint++;
    for (const node of nodes) this.#nodes.add(node);
    for (const cidr of networks) {
      const network = this.#networks.at(cidr, () => ({ cidr, pods: [] }));
      const [pod] = network.pods;
      if (pod !== undefined) throw both({ file, line }, cidr, pod.pod, service, pod);
      (network.services ??= []).push(record);
    }
  }

  /** Number of pods. */
  get size(): number {
    return this.#pods.size;
  }

  /** Number of distinct networks: what BPF's trie must hold. */
  get networkCount(): number {
    return this.#networks.size;
  }

  /** Number of services. */
  get serviceCount(): number {
    return this.#services.size;
  }

  /** Their distinct addresses, and the services among them that have no endpoint: whoever connects there is refused. */
  get serviceFigures(): { services: number; serviceAddresses: number; servicesWithoutEndpoint: number } {
    return { services: this.#services.size, ...this.#serviceFigures };
  }

  /** Every node of a pod or behind a service. */
  get nodes(): ReadonlySet<string> {
    return this.#nodes;
  }

  /** Nodes with their own addresses, where the source knows them: the last one said of each. */
  hosts(): IterableIterator<[node: string, address: string]> {
    return this.#hosts.entries();
  }

  /** The node a pod runs on. */
  nodeOf(pod: string): string | undefined {
    return this.#pods.get(pod)?.node;
  }

  /**
   * The pod at an address (text or 16 bytes), by longest prefix; of several that share it the first in the file.
   * @throws AddressError for a text that is no address
   */
  podOf(address: string | AddressBytes): string | undefined {
    return this.#match(address)?.pods[0]?.pod;
  }

  /**
   * The service whose address it is (text or 16 bytes), by longest prefix; of several that share it the first. Whoever connects there may be
   * answered by any of `nodesOfAddress`, and where these are none by nobody of the mesh.
   * @throws AddressError for a text that is no address
   */
  serviceOf(address: string | AddressBytes): string | undefined {
    return this.#match(address)?.services?.[0]?.service;
  }

  /**
   * The node of an address (text or 16 bytes): that of the pod which `podOf` gives. Where several nodes share the address this is one of
   * them; `nodesOfAddress` gives all.
   * @throws AddressError for a text that is no address
   */
  nodeOfAddress(address: string | AddressBytes): string | undefined {
    const network = this.#match(address);
    return network && nodesOf(network)[0];
  }

  /**
   * All nodes whose pods list the longest prefix that holds the address. More than one where pods share an address (behind NAT, a service
   * address, host networking): any of them may be the peer. Empty: not in the mesh, or a service's that has no endpoint (`serviceOf`).
   * @throws AddressError for a text that is no address
   */
  nodesOfAddress(address: string | AddressBytes): readonly string[] {
    const network = this.#match(address);
    return network === undefined ? NO_NODES : nodesOf(network);
  }

  /** The nodes of exactly this network, undefined if no pod lists it. */
  nodesOfNetwork(cidr: Cidr): readonly string[] | undefined {
    const network = this.#networks.get(cidr);
    return network && nodesOf(network);
  }

  /** Exactly this network; undefined: it is not in the mesh. */
  networkAt(cidr: Cidr): MappedNetwork | undefined {
    const network = this.#networks.get(cidr);
    return network && mapped(network);
  }

  /** One service. */
  service(name: string): Service | undefined {
    const record = this.#services.get(name);
    return record && { service: name, addresses: record.networks.map(formatCidr), nodes: [...record.nodes] };
  }

  /** Names of all services, in the order of the file. */
  serviceNames(): IterableIterator<string> {
    return this.#services.keys();
  }

  /** True if both have the service, with the same nodes behind it and the same addresses in whatever order. */
  agreesOnService(service: string, other: PodNodeMapping): boolean {
    const [mine, theirs] = [this.#services.get(service), other.#services.get(service)];
    if (mine === undefined || theirs === undefined) return false;
    return mine.nodes.join() === theirs.nodes.join() && sameNetworks(mine.networks, theirs.networks);
  }

  /** One pod as the file has it. */
  get(pod: string): Pod | undefined {
    const record = this.#pods.get(pod);
    return record && { pod, node: record.node, addresses: record.networks.map(formatCidr) };
  }

  /** Names of all pods, in the order of the file. */
  names(): IterableIterator<string> {
    return this.#pods.keys();
  }

  /** True if both have the pod, on the same node and with the same addresses in whatever order. */
  agreesOn(pod: string, other: PodNodeMapping): boolean {
    const [mine, theirs] = [this.#pods.get(pod), other.#pods.get(pod)];
    if (mine === undefined || theirs === undefined) return false;
    return mine.node === theirs.node && sameNetworks(mine.networks, theirs.networks);
  }

  /** All pods, in the order of the file. */
  *pods(): Generator<Pod> {
    for (const [pod, { node, networks }] of this.#pods) yield { pod, node, addresses: networks.map(formatCidr) };
  }

  /** As `pods`. */
  [Symbol.iterator](): Generator<Pod> {
    return this.pods();
  }

  /** All networks, each once, the longest prefixes first. */
  *entries(): Generator<MappedNetwork> {
    for (const network of this.#networks.values()) {
      yield mapped(network);
    }
  }

  #match(address: string | AddressBytes): Network | undefined {
    return this.#networks.match(typeof address === 'string' ? parseAddress(address) : address);
  }
}

/** Neither has a network twice (parse.ts). */
function sameNetworks(a: readonly Cidr[], b: readonly Cidr[]): boolean {
  const same = (x: Cidr, y: Cidr): boolean => x.prefix === y.prefix && equalAddresses(x.address, y.address);
  if (a.length !== b.length) return false;
  return a.every((x, i) => {
    const y = b[i];
    return (y !== undefined && same(x, y)) || b.some((other) => same(x, other));
  });
}

function nodesOf(network: Network): readonly string[] {
  return network.nodes ?? network.pods.map(({ node }) => node);
}

function mapped(network: Network): MappedNetwork {
  return {
    ...network.cidr,
    pods: network.pods.map(({ pod }) => pod),
    services: network.services?.map(({ service }) => service) ?? NO_NODES,
    nodes: nodesOf(network),
  };
}

/** How many they are is no matter: who is behind a service is known. */
function nodesBehind(services: readonly ServiceRecord[]): readonly string[] {
  const [only, ...others] = services;
  return only !== undefined && others.length === 0 ? only.nodes : [...new Set(services.flatMap(({ nodes }) => nodes))];
}

type Place = ConstructorParameters<typeof MappingError>[1];

function duplicate(place: Place, what: string, earlier: { line: number }): MappingError {
  return new MappingError('TLSHUB_MAPPING_DUPLICATE', place, `${what}, before in line ${earlier.line}`);
}

/** Whoever is at an address that is both might be anybody behind the service. */
function both(place: Place, cidr: Cidr, pod: string, service: string, earlier: { line: number }): MappingError {
  return duplicate(place, `${formatCidr(cidr)} is listed for pod ${pod} and for service ${service}`, earlier);
}

function distinctNodes({ cidr, pods }: Network, file: string): readonly string[] {
  const nodes = new Set<string>();
  for (const { node, line } of pods) {
    nodes.add(node);
    if (nodes.size <= MAX_NODES) continue;
    const detail = `${formatCidr(cidr)} is listed for more than ${MAX_NODES} nodes`;
    throw new MappingError('TLSHUB_MAPPING_BAD_ADDRESS', { file, line }, detail);
  }
  return [...nodes];
}

function readMappingFile(file: string): Buffer {
  try {
    return readRegularFile(file, MAX_FILE_BYTES);
  } catch (cause) {
    const detail = `cannot read the mapping: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new MappingError('TLSHUB_MAPPING_UNREADABLE', { file }, detail, { cause });
  }
}
