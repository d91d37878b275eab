// SPDX-License-Identifier: Apache-2.0
/** Cuts a byte stream into lines of bounded length. */
export class LineSplitter {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #length = 0;

  /** @param limit longest line in bytes, without its newline */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Of a line that waits for its end. */
  get pendingBytes(): number {
    return this.#length;
  }

  /**
   * The lines that this chunk completes, then `overlong: true` if the next one is longer than allowed already: the stream is of no use any
   * more then, since nobody knows where its next line begins.
   */
  push(chunk: Buffer): { lines: Buffer[]; overlong: boolean } {
    const lines: Buffer[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, start);
      const part = chunk.subarray(start, end === -1 ? chunk.length : end);
      if (this.#length + part.length > this.#limit) return { lines, overlong: true };
      this.#parts.push(part);
      this.#length += part.length;
      if (end === -1) return { lines, overlong: false };
      lines.push(Buffer.concat(this.#parts, this.#length));
      this.#parts = [];
      this.#length = 0;
      start = end + 1;
    }
  }
}
