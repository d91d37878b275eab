// SPDX-License-Identifier: Apache-2.0
/** The file format of the Pod-Node mapping: `pod_name node_name [address-or-CIDR ...]`, one pod a line, `#` comments. */
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

/** Kubernetes names a pod with up to 253 characters, and users write `namespace/pod`. */
const POD_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._:/-]{0,511})$/;

/** @throws MappingError with the line number of the first thing that is wrong */
export function* parsePodLines(contents: Uint8Array | string, file: string): Generator<PodLine> {
  const fail = (line: number, detail: string, code: MappingErrorCode = 'TLSHUB_MAPPING_SYNTAX'): MappingError =>
    new MappingError(code, { file, line }, detail);
  for (const { line, text } of textLines(contents, fail)) {
    const [pod = '', nodeText, ...addresses] = text.split(/\s+/);
    if (!POD_NAME.test(pod)) throw fail(line, `"${clip(pod)}" cannot be the name of a pod`);
    if (nodeText === undefined)
      throw fail(line, `pod ${clip(pod)} has no node: a line is \`pod_name node_name [address ...]\``);
    const node = parseNodeName(nodeText);
    if (node === undefined) {
      throw fail(line, `"${clip(nodeText)}" cannot be the name of a node; allowed: ${NODE_NAME_RULE}`);
    }
    yield { line, pod, node, networks: parseNetworks(addresses, (detail, code) => fail(line, detail, code)) };
  }
}

function parseNetworks(addresses: string[], fail: (detail: string, code: MappingErrorCode) => MappingError): Cidr[] {
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

function parseNetwork(text: string, fail: (detail: string, code: MappingErrorCode) => MappingError): Cidr {
  try {
    return parseCidr(text);
  } catch (error) {
    if (error instanceof AddressError) throw fail(error.message, 'TLSHUB_MAPPING_BAD_ADDRESS');
    throw error;
  }
}
