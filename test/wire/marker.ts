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
  const marker = { version: option.readUInt8(4), what: option.readUInt8(5) };
  if (marker.version === 1 && option.length === VERSION_1_BYTES) return marker;
  if (marker.version !== ChannelLimit.MARKER_VERSION) return undefined;
  if (marker.what !== ChannelWhat.DIRECT && marker.what !== ChannelWhat.TRANSLATED) return undefined;
  switch (option.length) {
    case ChannelLimit.SYN_BYTES:
      if (marker.what !== ChannelWhat.DIRECT) return undefined;
      return { ...marker, checks: { source: option.readUInt32BE(6), destination: option.readUInt32BE(10) } };
    case ChannelLimit.SYN_ACK_BYTES:
      return { ...marker, epoch: option.readUInt32BE(6) };
    case ChannelLimit.ACK_BYTES:
      return { ...marker, epoch: option.readUInt32BE(6), number: option.readUInt16BE(10) };
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
