// SPDX-License-Identifier: Apache-2.0
/** Node names: what may stand in the mapping's second column, in `node_name`, and as the DNS SAN of a node's certificate. */
import { isIP } from 'node:net';

/** Longest name in DNS text form (RFC 1035 section 2.3.4: 255 octets on the wire, 253 characters as text). */
const MAX_NAME = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * The name in the one form that is compared everywhere (lower case), or undefined if it cannot be a node name. Labels are those of
 * RFC 1123 section 2.1, plus the underscore that hostnames in the field have. No wildcards, no trailing dot, no addresses: an address in
 * the place of the node is a column that was forgotten.
 */
export function parseNodeName(text: string): string | undefined {
  if (text.length === 0 || text.length > MAX_NAME || isIP(text) !== 0) return undefined;
  const name = text.toLowerCase();
  return name.split('.').every((label) => LABEL.test(label)) ? name : undefined;
}

export const NODE_NAME_RULE =
  'a DNS name: letters, digits, "-" and "_" in labels of up to 63, joined by dots, at most 253 characters';
