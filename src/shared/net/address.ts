// SPDX-License-Identifier: Apache-2.0
/**
 * Addresses as BPF sees them: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), prefixes counted on the 128
 * bits (IPv4 /24 is 120).
 *
 * Reading is strict: no zone (`%eth0`), no leading zeros (node:net refuses them: some read them as octal), no host bits beside a prefix.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { AddressError } from '../errors/errors.js';

/** 16 bytes, network order. */
export type AddressBytes = Uint8Array;

export interface Cidr {
  address: AddressBytes;
  /** 0..128, on the 128-bit form */
  prefix: number;
}

const V4_MAPPED_BITS = 96;

function writeV4(text: string, bytes: Uint8Array, offset: number): void {
  let at = offset;
  for (const part of text.split('.')) bytes[at++] = Number(part);
}

function readV6(text: string): AddressBytes {
  const bytes = new Uint8Array(16);
  let rest = text;
  let end = 16;
  const lastColon = rest.lastIndexOf(':');
  if (rest.includes('.')) {
    writeV4(rest.slice(lastColon + 1), bytes, 12);
    end = 12;
    // Keep a "::" whole that stands right before the dotted part.
    rest = rest[lastColon - 1] === ':' ? rest.slice(0, lastColon + 1) : rest.slice(0, lastColon);
  }
  const gap = rest.indexOf('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  const head = groups(gap === -1 ? rest : rest.slice(0, gap));
  const tail = gap === -1 ? [] : groups(rest.slice(gap + 2));
  const put = (values: number[], offset: number): void => {
    values.forEach((value, index) => {
      bytes[offset + 2 * index] = value >> 8;
      bytes[offset + 2 * index + 1] = value & 0xff;
    });
  };
  put(head, 0);
  put(tail, end - 2 * tail.length);
  return bytes;
}

/** @throws AddressError */
export function parseAddress(text: string): AddressBytes {
  if (isIPv4(text)) {
    const bytes = new Uint8Array(16);
    bytes[10] = bytes[11] = 0xff;
    writeV4(text, bytes, 12);
    return bytes;
  }
  // isIPv6 lets a zone through, which means nothing on another machine.
  if (isIPv6(text) && !text.includes('%')) return readV6(text);
  throw new AddressError(`"${clip(text)}" is neither an IPv4 nor an IPv6 address`);
}

/** True for ::ffff:0:0/96, which is how IPv4 is written here. */
export function isIPv4Mapped(address: AddressBytes): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false;
  return address[10] === 0xff && address[11] === 0xff;
}

/** 127.0.0.0/8 and ::1: what never leaves the host (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3). */
export function isLoopback(address: AddressBytes): boolean {
  if (isIPv4Mapped(address)) return address[12] === 127;
  for (let i = 0; i < 15; i++) if (address[i] !== 0) return false;
  return address[15] === 1;
}

/** A copy with all bits after `prefix` cleared. */
export function maskAddress(address: AddressBytes, prefix: number): AddressBytes {
  const masked = new Uint8Array(16);
  const whole = prefix >> 3;
  masked.set(address.subarray(0, whole));
  const bits = prefix & 7;
  if (bits !== 0) masked[whole] = (address[whole] ?? 0) & (0xff << (8 - bits));
  return masked;
}

export function equalAddresses(a: AddressBytes, b: AddressBytes): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * An address (then the prefix is 128) or a CIDR. `::ffff:10.0.0.0/120` is the same as `10.0.0.0/24`.
 * @throws AddressError also for host bits beside the prefix: `10.0.0.5/24` may mean the host or the network, so it is not guessed
 */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf('/');
  if (slash === -1) return { address: parseAddress(text), prefix: 128 };
  const host = text.slice(0, slash);
  const digits = text.slice(slash + 1);
  const address = parseAddress(host);
  const width = isIPv4(host) ? 32 : 128;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > width) {
    throw new AddressError(`"${clip(text)}": the prefix must be a number from 0 to ${width}`);
  }
  const prefix = Number(digits) + (128 - width);
  const network = maskAddress(address, prefix);
  if (!equalAddresses(network, address)) {
    const hint = `${formatCidr({ address: network, prefix })} for the network, ${formatAddress(address)} for the host`;
    throw new AddressError(`"${clip(text)}" has host bits beside its prefix: write ${hint}`);
  }
  return { address, prefix };
}

/** Canonical text: IPv4 dotted, IPv6 by RFC 5952 (lower case, longest run of zero groups of two or more as `::`, the first if equal). */
export function formatAddress(address: AddressBytes): string {
  if (address.length !== 16) throw new AddressError(`an address has 16 bytes, not ${address.length}`);
  if (isIPv4Mapped(address)) return address.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0));
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (groups[i + length] === 0) length++;
    if (length > bestLength) [bestStart, bestLength] = [i, length];
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (bestStart === -1) return hex(groups);
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`;
}

/** Text of a CIDR; a whole address is written without its prefix. */
export function formatCidr(cidr: Cidr): string {
  const text = formatAddress(cidr.address);
  if (cidr.prefix === 128) return text;
  return isIPv4Mapped(cidr.address) ? `${text}/${cidr.prefix - V4_MAPPED_BITS}` : `${text}/${cidr.prefix}`;
}

/** True if the network holds the IPv4-mapped range ::ffff:0:0/96 and more: an LPM lookup of any IPv4 address would match it. */
export function coversAllIPv4(cidr: Cidr): boolean {
  if (cidr.prefix >= V4_MAPPED_BITS) return false;
  const mapped = maskAddress(parseAddress('0.0.0.0'), cidr.prefix);
  return equalAddresses(mapped, cidr.address);
}

/** Cut for messages: input is not ours. */
function clip(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?');
  return printable.length > 60 ? `${printable.slice(0, 60)}...` : printable;
}
