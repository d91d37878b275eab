// SPDX-License-Identifier: Apache-2.0
/**
 * Where the agents of other nodes are to be reached for a channel: `node address[:port]`, one node a line, `#` comments. Immutable: a reload
 * loads another one and swaps. It says where a node is, and never who is there: that is the certificate's to say.
 */
import { AddressError, EndpointsError, type EndpointsErrorCode } from '../shared/errors/errors.js';
import { clip, readRegularFile, textLines } from '../shared/files/text-file.js';
import { formatAddress, isIPv4Mapped, parseAddress, type AddressBytes } from '../shared/net/address.js';
import { formatListenAddress, parseListenAddress } from '../shared/net/listen-address.js';
import { NODE_NAME_RULE, parseNodeName } from '../shared/text/node-name.js';

export interface Endpoint {
  /** canonical text */
  address: string;
  port: number;
}

/** Where an agent listens if nothing else is said. */
export const CHANNEL_PORT = 9466;

/** 10,000 nodes with the longest names are 3 MB. Bytes. */
const MAX_FILE_BYTES = 16 << 20;

const NO_NODES: readonly string[] = Object.freeze([]);

/** `10.0.0.1:9466`, `[fd00::1]:9466` */
export function formatEndpoint({ address, port }: Endpoint): string {
  return formatListenAddress({ host: address, port });
}

export class NodeEndpoints {
  readonly #byNode = new Map<string, { endpoint: Endpoint; line: number }>();
  readonly #byAddress = new Map<string, string[]>();

  private constructor() {}

  /** No node is known: then there are no channels, and all goes in-band. */
  static readonly none = new NodeEndpoints();

  /** @throws EndpointsError (exit status 78) that names file and line */
  static load(file: string): NodeEndpoints {
    let contents: Buffer;
    try {
      contents = readRegularFile(file, MAX_FILE_BYTES);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      throw new EndpointsError('TLSHUB_ENDPOINTS_UNREADABLE', { file }, detail, { cause: error });
    }
    return NodeEndpoints.parse(contents, file);
  }

  /** As `load`, on text at hand; `file` is for messages. */
  static parse(contents: Uint8Array | string, file = 'node endpoints'): NodeEndpoints {
    const endpoints = new NodeEndpoints();
    const taken = new Map<string, string>();
    const fail = (line: number, detail: string, code: EndpointsErrorCode = 'TLSHUB_ENDPOINTS_SYNTAX'): EndpointsError =>
      new EndpointsError(code, { file, line }, detail);
    for (const { line, text } of textLines(contents, fail)) {
      const [nodeText = '', place, ...more] = text.split(/\s+/);
      const node = parseNodeName(nodeText);
      if (node === undefined) {
        throw fail(line, `"${clip(nodeText)}" cannot be the name of a node; allowed: ${NODE_NAME_RULE}`);
      }
      if (place === undefined) throw fail(line, `node ${node} has no address: a line is \`node address[:port]\``);
      if (more.length > 0) throw fail(line, `node ${node} has more than one address: a node has one agent`);
      const endpoint = parseEndpoint(place, (detail) => fail(line, detail, 'TLSHUB_ENDPOINTS_BAD_ADDRESS'));
      const earlier = endpoints.#byNode.get(node);
      if (earlier !== undefined) {
        const detail = `node ${node} is listed twice, before in line ${earlier.line}`;
        throw fail(line, detail, 'TLSHUB_ENDPOINTS_DUPLICATE');
      }
      const where = formatEndpoint(endpoint);
      const other = taken.get(where);
      if (other !== undefined) {
        const detail = `${where} is node ${other}'s already: two agents cannot listen at one place`;
        throw fail(line, detail, 'TLSHUB_ENDPOINTS_DUPLICATE');
      }
      taken.set(where, node);
      endpoints.#byNode.set(node, { endpoint, line });
      const here = endpoints.#byAddress.get(endpoint.address);
      if (here === undefined) endpoints.#byAddress.set(endpoint.address, [node]);
      else here.push(node);
    }
    return endpoints;
  }

  /** Of nodes whose own addresses are known; a second node at an address is left out, since two agents cannot listen there. */
  static ofHosts(hosts: Iterable<[node: string, address: string]>): NodeEndpoints {
    const endpoints = new NodeEndpoints();
    for (const [node, address] of hosts) {
      if (endpoints.#byAddress.has(address) || !isOneHost(parseAddress(address))) continue;
      const endpoint = Object.freeze({ address, port: CHANNEL_PORT });
      endpoints.#byNode.set(node, { endpoint, line: 0 });
      endpoints.#byAddress.set(address, [node]);
    }
    return endpoints;
  }

  get size(): number {
    return this.#byNode.size;
  }

  /** Names of all nodes, in the order of the file. */
  nodes(): IterableIterator<string> {
    return this.#byNode.keys();
  }

  /** @param node in lower case, as the mapping has it */
  of(node: string): Endpoint | undefined {
    return this.#byNode.get(node)?.endpoint;
  }

  /**
   * The nodes whose agents are at an address, on whatever port: from there their channels are expected to come. More than one where agents
   * share a host.
   * @throws AddressError for a text that is no address
   */
  nodesAt(address: string | AddressBytes): readonly string[] {
    const text = formatAddress(typeof address === 'string' ? parseAddress(address) : address);
    return this.#byAddress.get(text) ?? NO_NODES;
  }
}

function parseEndpoint(text: string, fail: (detail: string) => EndpointsError): Endpoint {
  // An IPv6 address with a port, or in brackets at all, is in brackets: without them its last group could be the port.
  const bare = /^\[(.*)\]$/.exec(text)?.[1];
  const withPort = parseListenAddress(text);
  const host = withPort?.host ?? bare ?? text;
  let address: AddressBytes;
  try {
    if (bare !== undefined && !bare.includes(':')) throw new AddressError(`"${clip(text)}" is no IPv6 address`);
    address = parseAddress(host);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw fail(`"${clip(text)}" is no ADDRESS, ADDRESS:PORT, IPV6-ADDRESS or [IPV6-ADDRESS]:PORT`);
  }
  if (!isOneHost(address)) throw fail(`${formatAddress(address)} is not the address of one host`);
  return Object.freeze({ address: formatAddress(address), port: withPort?.port ?? CHANNEL_PORT });
}

/** Not 0.0.0.0/8, multicast or 255.255.255.255 (RFC 6890), nor :: and ff00::/8 (RFC 4291). */
function isOneHost(address: AddressBytes): boolean {
  if (isIPv4Mapped(address)) {
    const first = address[12] ?? 0;
    return first !== 0 && (first < 224 || (first >= 240 && !address.subarray(12).every((byte) => byte === 255)));
  }
  return address[0] !== 0xff && address.some((byte) => byte !== 0);
}
