// SPDX-License-Identifier: Apache-2.0
/**
 * The file format of the Pod-Node mapping, `#` comments: `pod_name node_name [address-or-CIDR ...]` for a pod, and for a service
 * `service_name address-or-CIDR ... -> [pod_name | @node_name ...]`. An arrow was no word of a pod's line, ever: files of before read as before.
 */
import { coversAllIPv4, equalAddresses, formatCidr, parseCidr, type Cidr } from '../shared/net/address.js';
import { AddressError, MappingError, type MappingErrorCode } from '../shared/errors/errors.js';
import { NODE_NAME_RULE, parseNodeName } from '../shared/text/node-name.js';
import { clip, textLines } from '../shared/files/text-file.js';

export interface PodLine {
  /** 1-based */
  line: number;
  pod: string;
  node: string;
  networks: Cidr[];
  /** the node's own address, where the source knows it */
  host?: string;
}

/** Addresses that are translated on the way to one of several pods. */
export interface ServiceLine {
  /** 1-based */
  line: number;
  service: string;
  /** at least one */
  networks: Cidr[];
  /** pods of lines before it, any of which may answer */
  behind: readonly string[];
  /** nodes, any of which may answer, whatever pod of theirs it is */
  nodes: readonly string[];
}

export type MappingLine = PodLine | ServiceLine;

/** Kubernetes names a pod with up to 253 characters, and users write `namespace/pod`. */
const POD_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._:/-]{0,511})$/;
/** Between a service's addresses and what is behind it. */
const ARROW = '->';
/** In front of a node behind a service: in no pod's name. */
const NODE_SIGN = '@';

type Fail = (detail: string, code?: MappingErrorCode) => MappingError;

/** @throws MappingError with the line number of the first thing that is wrong */
export function* parseMappingLines(contents: Uint8Array | string, file: string): Generator<MappingLine> {
  const failAt = (line: number, detail: string, code: MappingErrorCode = 'TLSHUB_MAPPING_SYNTAX'): MappingError =>
    new MappingError(code, { file, line }, detail);
  for (const { line, text } of textLines(contents, failAt)) {
    const words = text.split(/\s+/);
    const fail: Fail = (detail, code) => failAt(line, detail, code);
    yield words.includes(ARROW) ? serviceLine(words, line, fail) : podLine(words, line, fail);
  }
}

function podLine([pod = '', nodeText, ...addresses]: string[], line: number, fail: Fail): PodLine {
  if (!POD_NAME.test(pod)) throw fail(`"${clip(pod)}" cannot be the name of a pod`);
  if (nodeText === undefined)
    throw fail(`pod ${clip(pod)} has no node: a line is \`pod_name node_name [address ...]\``);
  return { line, pod, node: nodeName(nodeText, fail), networks: parseNetworks(addresses, fail) };
}

function serviceLine([service = '', ...rest]: string[], line: number, fail: Fail): ServiceLine {
  if (!POD_NAME.test(service)) throw fail(`"${clip(service)}" cannot be the name of a service`);
  const arrow = rest.indexOf(ARROW);
  const networks = parseNetworks(rest.slice(0, arrow), fail);
  const format = '`service_name address ... -> [pod_name | @node_name ...]`';
  if (networks.length === 0) throw fail(`service ${clip(service)} has no address: a line is ${format}`);
  const behind = new Set<string>();
  const nodes = new Set<string>();
  for (const word of rest.slice(arrow + 1)) {
    const isNode = word.startsWith(NODE_SIGN);
    const [list, name] = isNode ? [nodes, nodeName(word.slice(1), fail)] : [behind, word];
    if (!isNode && !POD_NAME.test(word))
      throw fail(`"${clip(word)}" behind service ${clip(service)} is no pod and no @node`);
    if (list.has(name)) throw fail(`${clip(word)} is listed twice`, 'TLSHUB_MAPPING_DUPLICATE');
    list.add(name);
  }
  return { line, service, networks, behind: [...behind], nodes: [...nodes] };
}

function nodeName(text: string, fail: Fail): string {
  const node = parseNodeName(text);
  if (node !== undefined) return node;
  throw fail(`"${clip(text)}" cannot be the name of a node; allowed: ${NODE_NAME_RULE}`);
}

function parseNetworks(addresses: string[], fail: Fail): Cidr[] {
  const networks: Cidr[] = [];
  for (const text of addresses) {
    const network = parseNetwork(text, fail);
    if (coversAllIPv4(network)) {
      // In the 128-bit form such a network also matches every IPv4 address, in BPF's trie as well.
      const detail = `${formatCidr(network)} would cover all of IPv4 as well: write a longer prefix, such as 2000::/3`;
      throw fail(detail, 'TLSHUB_MAPPING_BAD_ADDRESS');
    }
    const again = networks.some(
      ({ address, prefix }) => prefix === network.prefix && equalAddresses(address, network.address),
    );
    if (again) throw fail(`${formatCidr(network)} is listed twice`, 'TLSHUB_MAPPING_DUPLICATE');
    networks.push(network);
  }
  return networks;
}

function parseNetwork(text: string, fail: Fail): Cidr {
  try {
    return parseCidr(text);
  } catch (error) {
    if (error instanceof AddressError) throw fail(error.message, 'TLSHUB_MAPPING_BAD_ADDRESS');
    throw error;
  }
}
