// SPDX-License-Identifier: Apache-2.0
/** Random policies, mappings and flows. Addresses are few and close together, so that prefixes overlap and most rules match something. */
import { PodNodeMapping } from '../../../src/mapping/pod-node-mapping.js';
import type { FlowAddresses, Policy } from '../../../src/policy/decide.js';
import { RuleTable } from '../../../src/policy/rules.js';
import { formatCidr, maskAddress, parseAddress } from '../../../src/shared/net/address.js';
import { type Random } from './random.js';

export const NODE = 'node-0';
const PORTS = [53, 80, 443, 9100];

function address(random: Random): Uint8Array {
  if (random.below(12) === 0)
    return parseAddress(random.pick(['127.0.0.1', '127.9.9.9', '::1', '::', '0.0.0.0', '::2']));
  return random.below(2) === 0
    ? parseAddress(`10.${random.below(2)}.${random.below(2)}.${random.below(4)}`)
    : parseAddress(`fd00:${random.below(2)}::${random.below(2)}:${random.below(4)}`);
}

function network(random: Random): string {
  const bytes = address(random);
  const mapped = bytes[10] === 0xff;
  // Not less than 2: shorter IPv6 prefixes may cover IPv4, which no rule does.
  const prefix = mapped ? 96 + random.below(33) : 8 + random.below(121);
  const masked = maskAddress(bytes, prefix);
  return masked.every((byte) => byte === 0) ? 'fd00::/8' : formatCidr({ address: masked, prefix });
}

function rule(random: Random): string {
  const port = random.pick(PORTS);
  const where = network(random);
  const kind = random.below(5);
  if (kind === 0) return `:${port}`;
  if (kind < 3) return where;
  return where.includes(':') ? `[${where}]:${port}` : `${where}:${port}`;
}

function rules(random: Random): RuleTable {
  const all = [...new Set(Array.from({ length: random.below(9) }, () => rule(random)))];
  const cut = random.below(all.length + 1);
  return RuleTable.parse(all.slice(0, cut), all.slice(cut));
}

export function world(random: Random): { mapping: PodNodeMapping; policy: Policy } {
  const pods = Array.from({ length: random.below(8) }, (_, i) => `p${i} node-${random.below(3)} ${network(random)}`);
  return {
    mapping: PodNodeMapping.parse(pods.join('\n')),
    policy: {
      policy: random.pick(['strict', 'permissive']),
      sameNode: random.pick(['secure', 'plaintext']),
      node: NODE,
      rules: rules(random),
    },
  };
}

export function flow(random: Random): FlowAddresses {
  return {
    local: address(random),
    remote: address(random),
    lport: random.below(2) === 0 ? random.pick(PORTS) : 40000 + random.below(3),
    rport: random.below(2) === 0 ? random.pick(PORTS) : 40000 + random.below(3),
    role: random.pick(['active', 'passive']),
  };
}
