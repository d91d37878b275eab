// SPDX-License-Identifier: Apache-2.0
/** From a frame to its TCP segment: Ethernet or Linux cooked, IPv4 (RFC 791) or IPv6 (RFC 8200), TCP (RFC 9293). */
import { formatAddress } from '../../src/shared/net/address.js';

export interface Segment {
  src: string;
  sport: number;
  dst: string;
  dport: number;
  seq: number;
  ack: number;
  syn: boolean;
  fin: boolean;
  rst: boolean;
  /** between the header's first 20 bytes and the payload */
  options: Buffer;
  payload: Buffer;
}

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const PROTOCOL_TCP = 6;
/** Hop-by-hop, routing, destination options: headers to step over (RFC 8200, section 4). */
const EXTENSIONS = new Set([0, 43, 60]);
const FRAGMENT = 44;

/** Where the network header starts, by LINKTYPE_ number, and where its EtherType stands. */
const LINKS = new Map([
  [1, { type: 12, length: 14 }],
  [113, { type: 14, length: 16 }],
  [276, { type: 0, length: 20 }],
]);

/**
 * @returns undefined when the frame carries no TCP
 * @throws Error for a link type that is not known and for IP fragments: a fragment would hide payload from the analysis
 */
export function parseSegment(linkType: number, frame: Buffer): Segment | undefined {
  const link = LINKS.get(linkType);
  if (link === undefined) throw new Error(`link type ${linkType} is not supported`);
  if (frame.length < link.length) return undefined;
  const network = frame.subarray(link.length);
  switch (frame.readUInt16BE(link.type)) {
    case ETHERTYPE_IPV4:
      return parseIPv4(network);
    case ETHERTYPE_IPV6:
      return parseIPv6(network);
    default:
      return undefined;
  }
}

function parseIPv4(packet: Buffer): Segment | undefined {
  if (packet.length < 20 || packet[9] !== PROTOCOL_TCP) return undefined;
  const headerLength = (packet.readUInt8(0) & 0x0f) * 4;
  // More fragments, or an offset: not the whole of a packet.
  if ((packet.readUInt16BE(6) & 0x3fff) !== 0) throw new Error('an IPv4 fragment with TCP in it');
  // What follows the packet in the frame is padding.
  const end = packet.readUInt16BE(2);
  return parseTcp(
    packet.subarray(12, 16).join('.'),
    packet.subarray(16, 20).join('.'),
    packet.subarray(headerLength, end),
  );
}

function parseIPv6(packet: Buffer): Segment | undefined {
  if (packet.length < 40) return undefined;
  const end = 40 + packet.readUInt16BE(4);
  let next = packet.readUInt8(6);
  let at = 40;
  while (EXTENSIONS.has(next)) {
    if (at + 2 > packet.length) return undefined;
    next = packet.readUInt8(at);
    at += (packet.readUInt8(at + 1) + 1) * 8;
  }
  if (next === FRAGMENT) throw new Error('an IPv6 fragment');
  if (next !== PROTOCOL_TCP) return undefined;
  return parseTcp(
    formatAddress(packet.subarray(8, 24)),
    formatAddress(packet.subarray(24, 40)),
    packet.subarray(at, end),
  );
}

function parseTcp(src: string, dst: string, tcp: Buffer): Segment {
  if (tcp.length < 20) throw new Error(`a TCP header cut short, from ${src} to ${dst}`);
  const flags = tcp.readUInt8(13);
  const dataOffset = (tcp.readUInt8(12) >> 4) * 4;
  return {
    src,
    sport: tcp.readUInt16BE(0),
    dst,
    dport: tcp.readUInt16BE(2),
    seq: tcp.readUInt32BE(4),
    ack: tcp.readUInt32BE(8),
    fin: (flags & 0x01) !== 0,
    syn: (flags & 0x02) !== 0,
    rst: (flags & 0x04) !== 0,
    options: tcp.subarray(20, Math.max(20, dataOffset)),
    payload: tcp.subarray(dataOffset),
  };
}
