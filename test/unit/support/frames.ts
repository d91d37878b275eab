// SPDX-License-Identifier: Apache-2.0
/** Makes the pcap files that the tests of the capture analysis read. */

export interface FrameOptions {
  src?: string;
  sport?: number;
  dst?: string;
  dport?: number;
  seq: number;
  flags?: { syn?: boolean; fin?: boolean; rst?: boolean };
  payload?: Buffer | string;
  /** bytes after the packet, as short Ethernet frames have them */
  padding?: number;
}

const bigEndian = (value: number, bytes: 2 | 4): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value >>> 0, 0, bytes);
  return buffer;
};

function tcp({ sport = 40000, dport = 80, seq, flags = {}, payload = '' }: FrameOptions): Buffer {
  const bits = 0x10 | (flags.fin ? 1 : 0) | (flags.syn ? 2 : 0) | (flags.rst ? 4 : 0);
  // 24 bytes of header: an option, so that the data offset matters.
  const rest = Buffer.from([6 << 4, bits, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 1, 1]);
  return Buffer.concat([
    bigEndian(sport, 2),
    bigEndian(dport, 2),
    bigEndian(seq, 4),
    bigEndian(0, 4),
    rest,
    Buffer.from(payload),
  ]);
}

/** `fd77::1` and the like: one `::` */
function ipv6Bytes(text: string): Buffer {
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string): Buffer[] =>
    part === '' ? [] : part.split(':').map((group) => bigEndian(parseInt(group, 16), 2));
  const [left, right] = [Buffer.concat(groups(head)), Buffer.concat(groups(tail))];
  return Buffer.concat([left, Buffer.alloc(16 - left.length - right.length), right]);
}

/** An Ethernet frame with a TCP segment; IPv6 when the source address is. */
export function frame(options: FrameOptions): Buffer {
  const { src = '10.77.0.1', dst = '10.77.0.2', padding = 0 } = options;
  const segment = tcp(options);
  const ethernet = Buffer.alloc(12);
  const end = Buffer.alloc(padding, 0xee);
  if (src.includes(':')) {
    const header = Buffer.concat([Buffer.from([0x60, 0, 0, 0]), bigEndian(segment.length, 2), Buffer.from([6, 64])]);
    return Buffer.concat([ethernet, bigEndian(0x86dd, 2), header, ipv6Bytes(src), ipv6Bytes(dst), segment, end]);
  }
  const address = (text: string): Buffer => Buffer.from(text.split('.').map(Number));
  const header = Buffer.concat([
    Buffer.from([0x45, 0]),
    bigEndian(20 + segment.length, 2),
    Buffer.alloc(4),
    Buffer.from([64, 6, 0, 0]),
  ]);
  return Buffer.concat([ethernet, bigEndian(0x0800, 2), header, address(src), address(dst), segment, end]);
}

export interface PcapOptions {
  bigEndian?: boolean;
  linkType?: number;
  /** nanosecond time stamps */
  nanoseconds?: boolean;
}

export function pcap(frames: readonly Buffer[], options: PcapOptions = {}): Buffer {
  const u32 = (...values: number[]): Buffer => {
    const buffer = Buffer.alloc(4 * values.length);
    values.forEach((value, i) =>
      options.bigEndian ? buffer.writeUInt32BE(value, 4 * i) : buffer.writeUInt32LE(value, 4 * i),
    );
    return buffer;
  };
  const magic = options.nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const version = options.bigEndian ? 0x00020004 : 0x00040002;
  const header = u32(magic, version, 0, 0, 262144, options.linkType ?? 1);
  return Buffer.concat([
    header,
    ...frames.map((data, i) => Buffer.concat([u32(1000 + i, 5, data.length, data.length), data])),
  ]);
}

/** A TLS record of a type (20 to 23) with a body. */
export function record(type: number, body: Buffer | string, version = 0x0303): Buffer {
  const content = Buffer.from(body);
  return Buffer.concat([Buffer.from([type]), bigEndian(version, 2), bigEndian(content.length, 2), content]);
}
