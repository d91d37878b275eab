// SPDX-License-Identifier: Apache-2.0
/**
 * Reassembles each direction of each TCP connection by sequence numbers and walks the TLS records in it.
 *
 * A byte counts as plaintext unless it lies in a well-formed record. Two bytes seen for one place of the stream that differ (a
 * retransmission with another content) count as plaintext too: it is how a leak of what was later encrypted would show.
 */
import type { Segment } from './segments.js';

/** RFC 8446, section 5.2: 2^14 and 256 for the expansion. */
const MAX_RECORD = 16384 + 256;
const HEADER = 5;

/** Counts of records by content type (RFC 8446, section 5.1). */
export interface RecordCounts {
  changeCipherSpec: number;
  alert: number;
  handshake: number;
  applicationData: number;
}
const TYPES: (keyof RecordCounts)[] = ['changeCipherSpec', 'alert', 'handshake', 'applicationData'];

/** One direction of one connection. */
export interface Stream {
  src: string;
  sport: number;
  dst: string;
  dport: number;
  /** sequence number of the SYN; undefined when the capture began later */
  isn: number | undefined;
  /** the payload in order, up to the first gap */
  data: Buffer;
  records: RecordCounts;
  /** offset in `data` from which on it is no TLS; undefined when all of it is */
  plaintextFrom: number | undefined;
  /** the last record is not whole (the connection ended within it) */
  truncated: boolean;
  /** bytes that were never seen though later ones were */
  gap: boolean;
  /** segments with payload, and those of them with bytes outside TLS records or that contradict earlier ones */
  payloadFrames: number;
  plaintextFrames: number;
  reset: boolean;
  finished: boolean;
}

interface Piece {
  offset: number;
  payload: Buffer;
}

/** A stream while its segments are collected. */
class Collector {
  readonly pieces: Piece[] = [];
  reset = false;
  finished = false;
  constructor(
    readonly first: Segment,
    readonly isn: number | undefined,
  ) {}

  add(segment: Segment): void {
    if (segment.rst) this.reset = true;
    if (segment.fin) this.finished = true;
    if (segment.payload.length === 0) return;
    // Data starts one after the SYN, also when it travels with it (RFC 7413).
    const start = this.isn === undefined ? this.first.seq : this.isn + 1;
    const seq = segment.syn ? segment.seq + 1 : segment.seq;
    // The difference of two 32-bit sequence numbers, signed: numbers wrap around.
    this.pieces.push({ offset: (seq - start) | 0, payload: segment.payload });
  }

  finish(): Stream {
    const { src, sport, dst, dport } = this.first;
    const { data, gap, contradicting } = assemble(this.pieces);
    const walked = walkRecords(data);
    const limit = walked.plaintextFrom ?? data.length;
    const plaintext = this.pieces.filter(
      (piece) => piece.offset < 0 || piece.offset + piece.payload.length > limit || contradicting.has(piece),
    );
    return {
      ...{ src, sport, dst, dport, isn: this.isn, data, gap, ...walked },
      payloadFrames: this.pieces.length,
      plaintextFrames: plaintext.length,
      reset: this.reset,
      finished: this.finished,
    };
  }
}

function assemble(pieces: readonly Piece[]): { data: Buffer; gap: boolean; contradicting: Set<Piece> } {
  // A piece from before the start of the stream (a keep-alive probe's byte) has no place in it.
  const ordered = pieces.filter((piece) => piece.offset >= 0).sort((a, b) => a.offset - b.offset);
  const parts: Buffer[] = [];
  let end = 0;
  let gap = false;
  for (const { offset, payload } of ordered) {
    if (offset > end) gap = true;
    if (gap) break;
    if (offset + payload.length <= end) continue;
    parts.push(payload.subarray(end - offset));
    end = offset + payload.length;
  }
  const data = Buffer.concat(parts);
  const contradicting = new Set<Piece>();
  for (const piece of ordered) {
    const seen = data.subarray(piece.offset, piece.offset + piece.payload.length);
    if (seen.compare(piece.payload, 0, seen.length) !== 0) contradicting.add(piece);
  }
  return { data, gap, contradicting };
}

function walkRecords(data: Buffer): Pick<Stream, 'records' | 'plaintextFrom' | 'truncated'> {
  const records: RecordCounts = { changeCipherSpec: 0, alert: 0, handshake: 0, applicationData: 0 };
  let at = 0;
  while (at < data.length) {
    const type = TYPES[data.readUInt8(at) - 20];
    if (type === undefined) return { records, plaintextFrom: at, truncated: false };
    if (at + HEADER > data.length) return { records, plaintextFrom: undefined, truncated: true };
    const version = data.readUInt16BE(at + 1);
    const length = data.readUInt16BE(at + 3);
    // 0x0301 stands in the first record of a ClientHello, 0x0303 in all others (RFC 8446, section 5.1).
    const wellFormed = (version === 0x0303 || version === 0x0301) && length > 0 && length <= MAX_RECORD;
    if (!wellFormed) return { records, plaintextFrom: at, truncated: false };
    if (at + HEADER + length > data.length) return { records, plaintextFrom: undefined, truncated: true };
    records[type]++;
    at += HEADER + length;
  }
  return { records, plaintextFrom: undefined, truncated: false };
}

/** Streams in the order of their first segments. A four-tuple that is used again (another ISN) makes another stream. */
export function reassemble(segments: Iterable<Segment>): Stream[] {
  const current = new Map<string, Collector>();
  const all: Collector[] = [];
  for (const segment of segments) {
    const key = `${segment.src} ${segment.sport} ${segment.dst} ${segment.dport}`;
    let collector = current.get(key);
    const fresh = segment.syn && collector?.isn !== segment.seq;
    if (collector === undefined || fresh) {
      collector = new Collector(segment, segment.syn ? segment.seq : undefined);
      current.set(key, collector);
      all.push(collector);
    }
    collector.add(segment);
  }
  return all.map((collector) => collector.finish());
}
