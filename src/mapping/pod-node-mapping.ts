// SPDX-License-Identifier: Apache-2.0
/**
 * The Pod-Node mapping: who runs where. It says which peers belong to the mesh, and which node names the certificate at an address may
 * carry. Immutable: a reload loads another one and swaps. A MappingSource (source.ts) tells of changes.
 */
import { equalAddresses, formatCidr, parseAddress, type AddressBytes, type Cidr } from '../shared/net/address.js';
import { MappingError } from '../shared/errors/errors.js';
import { readRegularFile } from '../shared/files/text-file.js';
import { parsePodLines, type PodLine } from './parse.js';
import { PrefixTable } from '../shared/net/prefix-table.js';

export interface Pod {
  pod: string;
  node: string;
  /** canonical text, in the order of the file */
  addresses: string[];
}

/** One network with all pods that list it, for BPF's trie. */
export interface MappedNetwork {
  /** 16 bytes, see address.ts */
  address: AddressBytes;
  /** 0..128, on the 128-bit form */
  prefix: number;
  /** in the order of the file */
  pods: readonly string[];
  /** each node once */
  nodes: readonly string[];
}

interface PodRecord {
  pod: string;
  node: string;
  line: number;
  networks: readonly Cidr[];
}

interface Network {
  cidr: Cidr;
  pods: PodRecord[];
  /** each node once; only where several pods share the network: most have one, and a list for each would double the memory */
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
  readonly #networks = new PrefixTable<Network>();
  readonly #hosts = new Map<string, string>();

  private constructor() {}

  /** @throws MappingError (exit status 78) that names file and line */
  static load(file: string): PodNodeMapping {
    return PodNodeMapping.parse(readMappingFile(file), file);
  }

  /** As `load`, but lets the event loop turn in between: a large file must not hold up everything else for as long as it takes. */
  static async loadGradually(file: string): Promise<PodNodeMapping> {
    return PodNodeMapping.gather(parsePodLines(readMappingFile(file), file), file);
  }

  /** From lines that need not come from a file, letting the event loop turn in between; `origin` is for messages. */
  static async gather(lines: Iterable<PodLine>, origin: string): Promise<PodNodeMapping> {
    const parsing = PodNodeMapping.#collect(lines, origin);
    for (;;) {
      const step = parsing.next();
      if (step.done === true) return step.value;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** As `load`, on text at hand; `file` is for messages. */
  static parse(contents: Uint8Array | string, file = 'mapping'): PodNodeMapping {
    const parsing = PodNodeMapping.#collect(parsePodLines(contents, file), file);
    for (;;) {
      const step = parsing.next();
      if (step.done === true) return step.value;
    }
  }

  /** Yields every so many lines. */
  static *#collect(podLines: Iterable<PodLine>, file: string): Generator<void, PodNodeMapping> {
    const mapping = new PodNodeMapping();
    let lines = 0;
    for (const { line, pod, node, networks, host } of podLines) {
      if (++lines % LINES_AT_ONCE === 0) yield;
      const earlier = mapping.#pods.get(pod);
      if (earlier !== undefined) {
        const detail = `pod ${pod} is listed twice, before in line ${earlier.line}`;
        throw new MappingError('TLSHUB_MAPPING_DUPLICATE', { file, line }, detail);
      }
      const record: PodRecord = { pod, node, line, networks };
      mapping.#pods.set(pod, record);
      if (host !== undefined) mapping.#hosts.set(node, host);
      for (const cidr of networks) mapping.#networks.at(cidr, () => ({ cidr, pods: [] })).pods.push(record);
    }
    for (const network of mapping.#networks.values()) {
      if (network.pods.length > 1) network.nodes = distinctNodes(network, file);
    }
    return mapping;
  }

  /** Number of pods. */
  get size(): number {
    return this.#pods.size;
  }

  /** Number of distinct networks: what BPF's trie must hold. */
  get networkCount(): number {
    return this.#networks.size;
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
   * The node of an address (text or 16 bytes): that of the pod which `podOf` gives. Where several nodes share the address this is one of
   * them; `nodesOfAddress` gives all.
   * @throws AddressError for a text that is no address
   */
  nodeOfAddress(address: string | AddressBytes): string | undefined {
    return this.#match(address)?.pods[0]?.node;
  }

  /**
   * All nodes whose pods list the longest prefix that holds the address. More than one where pods share an address (behind NAT, a service
   * address, host networking): any of them may be the peer. Empty: not in the mesh.
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
      yield { ...network.cidr, pods: network.pods.map(({ pod }) => pod), nodes: nodesOf(network) };
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
