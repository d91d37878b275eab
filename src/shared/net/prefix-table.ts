// SPDX-License-Identifier: Apache-2.0
/**
 * Longest prefix match over 128-bit addresses: one hash map for each prefix length that occurs, tried from the longest. A mapping has a
 * handful of lengths (pods are whole addresses, node ranges a /24 or /64), so a lookup is a handful of hash lookups.
 */
import { maskAddress, type AddressBytes, type Cidr } from './address.js';

/** One character a byte: cheaper to make and to hash than hex or a BigInt. */
function hashKey(address: AddressBytes): string {
  return Buffer.from(address.buffer, address.byteOffset, address.length).toString('latin1');
}

export class PrefixTable<T> {
  readonly #tables = new Map<number, Map<string, T>>();
  #lengths: number[] = [];
  #size = 0;

  /** Networks held. */
  get size(): number {
    return this.#size;
  }

  /** The value of exactly this network, made by `create` if there is none yet. */
  at(network: Cidr, create: () => T): T {
    let table = this.#tables.get(network.prefix);
    if (table === undefined) {
      table = new Map<string, T>();
      this.#tables.set(network.prefix, table);
      this.#lengths = [...this.#tables.keys()].sort((a, b) => b - a);
    }
    const name = hashKey(network.address);
    let value = table.get(name);
    if (value === undefined) {
      value = create();
      table.set(name, value);
      this.#size++;
    }
    return value;
  }

  /** The value of exactly this network. */
  get({ address, prefix }: Cidr): T | undefined {
    return this.#tables.get(prefix)?.get(hashKey(address));
  }

  /** The value of the longest prefix that holds the address. */
  match(address: AddressBytes): T | undefined {
    for (const length of this.#lengths) {
      const value = this.#tables.get(length)?.get(hashKey(length === 128 ? address : maskAddress(address, length)));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  *values(): Generator<T> {
    for (const length of this.#lengths) yield* this.#tables.get(length)?.values() ?? [];
  }
}
