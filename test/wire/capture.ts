// SPDX-License-Identifier: Apache-2.0
/** What was on the wire between the nodes of the lab, as tests ask for it. */
import { readFileSync } from 'node:fs';
import { parsePcap, type Frame } from './pcap.js';
import { parseSegment, type Segment } from './segments.js';
import { reassemble, type Stream } from './streams.js';

/** Addresses of the nodes with a supervisor (scripts/lab). */
export const MESH_ADDRESSES: readonly string[] = ['10.77.0.1', '10.77.0.2', 'fd77::1', 'fd77::2'];

export class Capture {
  readonly frames: readonly Frame[];
  readonly segments: readonly Segment[];
  /** both directions of all connections, also of those that carried nothing */
  readonly streams: readonly Stream[];

  private constructor(linkType: number, frames: readonly Frame[]) {
    this.frames = frames;
    this.segments = frames.flatMap((frame) => parseSegment(linkType, frame.data) ?? []);
    this.streams = reassemble(this.segments);
  }

  /**
   * @param file a pcap file, or its content
   * @param mark the frame that has it, and what comes after that, is not part of what is asked about
   */
  static read(file: string | Buffer, mark?: string): Capture {
    const { linkType, frames } = parsePcap(typeof file === 'string' ? readFileSync(file) : file);
    const end = mark === undefined ? -1 : frames.findLastIndex(({ data }) => data.includes(mark));
    return new Capture(linkType, end === -1 ? frames : frames.slice(0, end));
  }

  /** Streams between two mesh nodes. */
  get mesh(): readonly Stream[] {
    return this.streams.filter(({ src, dst }) => MESH_ADDRESSES.includes(src) && MESH_ADDRESSES.includes(dst));
  }

  /** Streams from or to a port, of any nodes. */
  port(port: number): readonly Stream[] {
    return this.streams.filter(({ sport, dport }) => sport === port || dport === port);
  }

  /** Frames between mesh nodes with TCP payload. A test that demands no plaintext should demand some of these as well. */
  get payloadFrames(): number {
    return this.mesh.reduce((sum, stream) => sum + stream.payloadFrames, 0);
  }

  /** Those of them with payload outside TLS records. */
  get plaintextFrames(): number {
    return this.mesh.reduce((sum, stream) => sum + stream.plaintextFrames, 0);
  }

  /** Whether the bytes were anywhere on the wire: in a frame, or across segments of a stream. */
  contains(pattern: Buffer | string): boolean {
    return (
      this.frames.some(({ data }) => data.includes(pattern)) || this.streams.some(({ data }) => data.includes(pattern))
    );
  }

  /** For messages of failing tests: each mesh stream in a line. */
  describe(): string {
    return this.mesh
      .map(({ src, sport, dst, dport, data, payloadFrames, plaintextFrames, plaintextFrom }) => {
        const from = plaintextFrom ?? 0;
        const sample = plaintextFrames === 0 ? '' : ` ${JSON.stringify(data.toString('latin1', from, from + 60))}`;
        return `${src}:${sport} > ${dst}:${dport}: ${data.length} bytes, ${payloadFrames} frames, ${plaintextFrames} plaintext${sample}`;
      })
      .join('\n');
  }
}
