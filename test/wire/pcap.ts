// SPDX-License-Identifier: Apache-2.0
/** Reads pcap files (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html) as tcpdump writes them. */

/** One captured frame, as it was on the link. */
export interface Frame {
  /** seconds since 1970 */
  time: number;
  data: Buffer;
}

export interface PcapFile {
  /** LINKTYPE_ number: 1 Ethernet, 113 and 276 Linux "cooked" */
  linkType: number;
  frames: Frame[];
}

/** @throws Error when it is no pcap file, or a frame was cut short by the capture: conclusions about the wire need all of it */
export function parsePcap(file: Buffer): PcapFile {
  if (file.length < 24) throw new Error(`no pcap file: only ${file.length} bytes`);
  const littleEndian = [0xa1b2c3d4, 0xa1b23c4d].includes(file.readUInt32LE(0));
  const u32 = (at: number): number => (littleEndian ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const magic = u32(0);
  if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d) throw new Error(`no pcap file: magic ${magic.toString(16)}`);
  const fraction = magic === 0xa1b23c4d ? 1e9 : 1e6;
  // The upper bits of the field are flags.
  const linkType = u32(20) & 0xffff;
  const frames: Frame[] = [];
  for (let at = 24; at < file.length;) {
    if (at + 16 > file.length) throw new Error(`the capture ends within the header of frame ${frames.length + 1}`);
    const captured = u32(at + 8);
    const onTheWire = u32(at + 12);
    if (captured !== onTheWire) {
      throw new Error(`frame ${frames.length + 1} is not whole: ${captured} of ${onTheWire} bytes captured`);
    }
    if (at + 16 + captured > file.length) throw new Error(`the capture ends within frame ${frames.length + 1}`);
    frames.push({ time: u32(at) + u32(at + 4) / fraction, data: file.subarray(at + 16, at + 16 + captured) });
    at += 16 + captured;
  }
  return { linkType, frames };
}
