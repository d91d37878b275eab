// SPDX-License-Identifier: Apache-2.0
/** The markers of agents (bpf/marker.h, bpf/channel.h) in the options of a TCP header. */
import { ChannelLimit, ChannelWhat } from '../../src/shared/kernel/abi.generated.js';

export interface WireMarker {
  version: number;
  what: number;
  /** of a SYN, version 2 */
  checks?: { source: number; destination: number };
  /** of all others, version 2 */
  epoch?: number;
  number?: number;
}

const EXPERIMENTAL = 254;
const EXID = 0x544c;
const VERSION_1_BYTES = 6;

function decode(option: Buffer): WireMarker | undefined {
  const head = option.readUInt8(4);
  if (head === 1) return option.length === VERSION_1_BYTES ? { version: 1, what: option.readUInt8(5) } : undefined;
  const marker = { version: head >> 4, what: head & 0xf };
  if (marker.version !== ChannelLimit.MARKER_VERSION) return undefined;
  if (marker.what !== ChannelWhat.DIRECT && marker.what !== ChannelWhat.TRANSLATED) return undefined;
  switch (option.length) {
    case ChannelLimit.SYN_BYTES:
      if (marker.what !== ChannelWhat.DIRECT) return undefined;
      return { ...marker, checks: { source: option.readUInt32BE(5), destination: option.readUInt32BE(9) } };
    case ChannelLimit.SYN_ACK_BYTES:
      return { ...marker, epoch: option.readUIntBE(5, 3) };
    case ChannelLimit.ACK_BYTES:
      return { ...marker, epoch: option.readUIntBE(5, 3), number: option.readUInt16BE(8) };
    default:
      return undefined;
  }
}

/** @param options what is between a TCP header's 20 bytes and its payload (RFC 9293, 3.1) */
export function markerIn(options: Buffer): WireMarker | undefined {
  for (let at = 0; at < options.length;) {
    const kind = options.readUInt8(at);
    if (kind === 0) return undefined;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = at + 1 < options.length ? options.readUInt8(at + 1) : 0;
    if (length < 2 || at + length > options.length) return undefined;
    if (kind === EXPERIMENTAL && length >= VERSION_1_BYTES && options.readUInt16BE(at + 2) === EXID) {
      return decode(options.subarray(at, at + length));
    }
    at += length;
  }
  return undefined;
}
