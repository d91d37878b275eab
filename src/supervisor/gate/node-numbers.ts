// SPDX-License-Identifier: Apache-2.0
/** Nodes as the gate knows them: it compares no names. */

/** A number is a node's for as long as the process lives, whatever the mapping becomes: the gate's maps have no moment in which it is another's. */
export class NodeNumbers {
  private readonly numbers = new Map<string, number>();
  private readonly names: string[] = [];

  /** from 1 on */
  of(node: string): number {
    const known = this.numbers.get(node);
    if (known !== undefined) return known;
    const number = this.names.push(node);
    this.numbers.set(node, number);
    return number;
  }

  /** Of the node that has an address, 0 if it is not just one. */
  readonly ofOne = (nodes: readonly string[]): number => {
    const [node, ...others] = nodes;
    return node === undefined || others.length > 0 ? 0 : this.of(node);
  };

  nameOf(number: number): string | undefined {
    return this.names[number - 1];
  }
}
