// SPDX-License-Identifier: Apache-2.0
/**
 * Reading files that people write: capture.conf and the Pod-Node mapping. Both are UTF-8 text, one thing a line; `#` begins a comment at
 * the start of a line or after white space (so that a `#` inside a path stays).
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { TextDecoder } from 'node:util';

/** Longer lines are a wrong file, not a long value. Bytes. */
export const MAX_LINE_BYTES = 8192;

export interface TextLine {
  /** 1-based */
  line: number;
  /** without comment, trimmed, never empty */
  text: string;
}

/**
 * The bytes of a regular file.
 * @throws Error with the reason (and the system's error as cause), for the caller to name the file and its role
 */
export function readRegularFile(file: string, maxBytes: number): Buffer {
  // O_NONBLOCK: opening a FIFO by mistake must not hang the agent.
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error('it is not a regular file');
    if (stat.size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

const NEWLINE = 0x0a;

/**
 * The lines that say something. CRLF and a byte order mark are accepted.
 * @param fail makes the caller's own error for a line that is no text
 */
export function* textLines(
  contents: Uint8Array | string,
  fail: (line: number, problem: string) => Error,
): Generator<TextLine> {
  const bytes = typeof contents === 'string' ? Buffer.from(contents) : contents;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let start = 0;
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline;
    const text = decodeLine(bytes.subarray(start, end), decoder);
    if (typeof text !== 'string') throw fail(line, text.problem);
    if (text !== '') yield { line, text };
    start = end + 1;
  }
}

/** One line's bytes as text, or what is wrong with it. */
function decodeLine(bytes: Uint8Array, decoder: TextDecoder): string | { problem: string } {
  if (bytes.length > MAX_LINE_BYTES) return { problem: `the line is longer than ${MAX_LINE_BYTES} bytes` };
  if (bytes.includes(0)) return { problem: 'the line contains a NUL byte: this is no text file' };
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return { problem: 'the line is not UTF-8 text' };
  }
  const comment = /(?:^|\s)#/.exec(text);
  const trimmed = (comment === null ? text : text.slice(0, comment.index)).trim();
  const control = controlCharacter(trimmed);
  return control === undefined ? trimmed : { problem: `the line contains the control character ${control}` };
}

/**
 * The first control character of a text other than a tab, such as `0x1b`. It does not show in a terminal or an editor: a value with one
 * would look right and be wrong.
 */
export function controlCharacter(text: string): string | undefined {
  // eslint-disable-next-line no-control-regex
  const found = /[\x00-\x08\x0a-\x1f\x7f]/.exec(text);
  return found === null ? undefined : `0x${found[0].charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** Cut for messages. */
export function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
