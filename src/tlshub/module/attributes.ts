// SPDX-License-Identifier: Apache-2.0
/**
 * Attributes of netlink messages (struct nlattr, include/uapi/linux/netlink.h): a 16-bit length with this head, a 16-bit type, the value, and zeros up to
 * a multiple of four. Numbers are in the byte order of the machine, which is little-endian wherever the product runs.
 */
import { TlshubError } from '../../shared/errors/errors.js';

const HEAD = 4;
const NESTED = 0x8000; /* NLA_F_NESTED */
const TYPE = 0x3fff; /* NLA_TYPE_MASK */

const aligned = (bytes: number): number => (bytes + 3) & ~3;

export interface Attribute {
  type: number;
  value: Uint8Array;
}

export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(aligned(HEAD + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, HEAD + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, HEAD);
  return bytes;
}

export const nest = (type: number, ...inside: Uint8Array[]): Uint8Array => attribute(type | NESTED, joined(inside));

/** Text with the NUL that ends it. */
export const textAttribute = (type: number, text: string): Uint8Array =>
  attribute(type, new Uint8Array(Buffer.from(`${text}\0`)));

/** @param bytes of the number: 1, 2 or 4 */
export function numberAttribute(type: number, bytes: 1 | 2 | 4, value: number): Uint8Array {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, value, true);
  return attribute(type, number.subarray(0, bytes));
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const malformed = (what: string): TlshubError =>
  new TlshubError('TLSHUB_MODULE_PROTOCOL', `the TLSHub module's answer cannot be read: ${what}`);

/** @throws TlshubError TLSHUB_MODULE_PROTOCOL if one is longer than what is there */
export function attributesOf(bytes: Uint8Array): Attribute[] {
  const found: Attribute[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + HEAD <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < HEAD || at + length > bytes.length) throw malformed(`an attribute of ${length} bytes at byte ${at}`);
    found.push({ type: view.getUint16(at + 2, true) & TYPE, value: bytes.subarray(at + HEAD, at + length) });
    at += aligned(length);
  }
  return found;
}

/** The last one of each type, by its type. */
export const byType = (attributes: readonly Attribute[]): Map<number, Uint8Array> =>
  new Map(attributes.map(({ type, value }) => [type, value]));

/** A number of 1, 2, 4 or 8 bytes. @throws TlshubError TLSHUB_MODULE_PROTOCOL */
export function numberOf(value: Uint8Array): number {
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  switch (value.length) {
    case 1:
      return view.getUint8(0);
    case 2:
      return view.getUint16(0, true);
    case 4:
      return view.getUint32(0, true);
    case 8:
      return Number(view.getBigUint64(0, true));
    default:
      throw malformed(`a number of ${value.length} bytes`);
  }
}

export const textOf = (value: Uint8Array): string => Buffer.from(value).toString().replace(/\0.*$/s, '');
