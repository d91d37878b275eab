// SPDX-License-Identifier: Apache-2.0
/**
 * Rules of `policy_exclude` and `policy_require`: a network, a server port, or both. docs/POLICY.md says what they mean; the same table lies
 * in BPF's trie "rules".
 *
 * A rule without a port is about connections one of whose ends lies in its network; one with a port about connections to a server there. Seen
 * from either end that is the same connection, so two nodes with the same rules decide alike.
 */
import { Limit, Rank } from '../shared/kernel/abi.generated.js';
import {
  coversAllIPv4,
  formatCidr,
  isIPv4Mapped,
  parseCidr,
  type AddressBytes,
  type Cidr,
} from '../shared/net/address.js';
import { PrefixTable } from '../shared/net/prefix-table.js';

export type RuleAction = 'exclude' | 'require';

export interface Rule {
  action: RuleAction;
  /** prefix 0: any address of either family */
  network: Cidr;
  /** of the server; 0: any */
  port: number;
  /**
   * The rule with the highest rank decides: the longest prefix, then the one with a port, then `require`. Always above 0. BPF compares the
   * same number.
   */
  rank: number;
  /** canonical */
  text: string;
}

/** As many as fit BPF's trie twice (maps.bpf.h). */
export const MAX_RULES: number = Limit.MAX_RULES;

export const RULE_SYNTAX = 'ADDRESS, CIDR, :PORT, ADDRESS:PORT or CIDR:PORT (IPv6 with a port: [CIDR]:PORT)';

const ANYWHERE: Cidr = Object.freeze({ address: new Uint8Array(16), prefix: 0 });

/**
 * The two parts of a rule's text.
 * @throws Error that says what is wrong with it
 */
function split(text: string): [network: string | undefined, port: string | undefined] {
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    const rest = text.slice(end + 1);
    if (end === -1 || !(rest === '' || rest.startsWith(':')))
      throw new Error(`"${text}" is not of the form [CIDR]:PORT`);
    return [text.slice(1, end), rest === '' ? undefined : rest.slice(1)];
  }
  const colon = text.indexOf(':');
  if (colon === -1) return [text, undefined];
  const single = text.lastIndexOf(':') === colon;
  // Two colons or more are an IPv6 network without a port.
  if (!single) return [text, undefined];
  return [colon === 0 ? undefined : text.slice(0, colon), text.slice(colon + 1)];
}

/**
 * One rule.
 * @throws Error or AddressError that says what is wrong with the text
 */
export function parseRule(action: RuleAction, text: string): Rule {
  const [networkText, portText] = split(text);
  let port = 0;
  if (portText !== undefined) {
    port = Number(portText);
    if (!/^[1-9]\d{0,4}$/.test(portText) || port > 65535) {
      throw new Error(`"${text.slice(0, 60)}" has no port from 1 to 65535 behind its last colon`);
    }
  }
  const network = networkText === undefined ? ANYWHERE : parseCidr(networkText);
  if (networkText !== undefined && coversAllIPv4(network)) {
    // In the 128-bit form it matches every IPv4 address as well.
    throw new Error(
      `${formatCidr(network)} would cover all of IPv4 as well: write 0.0.0.0/0 and 2000::/3, or :PORT alone`,
    );
  }
  const rank = (((network.prefix << 1) | Number(port !== 0)) << 1) | (action === 'require' ? Rank.REQUIRE : 0);
  return { action, network, port, rank, text: ruleText(network, port) };
}

function ruleText(network: Cidr, port: number): string {
  if (network.prefix === 0) return `:${port}`;
  const text = formatCidr(network);
  if (port === 0) return text;
  return isIPv4Mapped(network.address) ? `${text}:${port}` : `[${text}]:${port}`;
}

/** Rules to look up. */
export class RuleTable {
  readonly #byPort = new Map<number, PrefixTable<Rule>>();
  readonly #rules: readonly Rule[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
    for (const rule of rules) {
      let table = this.#byPort.get(rule.port);
      if (table === undefined) this.#byPort.set(rule.port, (table = new PrefixTable()));
      table.at(rule.network, () => rule);
    }
  }

  /** @throws Error for a text that is no rule; the configuration has checked them */
  static parse(exclude: readonly string[], require: readonly string[]): RuleTable {
    return new RuleTable([
      ...exclude.map((text) => parseRule('exclude', text)),
      ...require.map((text) => parseRule('require', text)),
    ]);
  }

  get size(): number {
    return this.#rules.length;
  }

  [Symbol.iterator](): Iterator<Rule> {
    return this.#rules[Symbol.iterator]();
  }

  /** The rule that decides for connections with these ends, of which `server` listens on `port`. */
  best(ends: readonly AddressBytes[], server: AddressBytes, port: number): Rule | undefined {
    let best = this.#byPort.get(port)?.match(server);
    const anyPort = this.#byPort.get(0);
    if (anyPort === undefined) return best;
    for (const address of ends) {
      const found = anyPort.match(address);
      if (found !== undefined && found.rank > (best?.rank ?? 0)) best = found;
    }
    return best;
  }
}
