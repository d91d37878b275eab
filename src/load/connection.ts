// SPDX-License-Identifier: Apache-2.0
/** One connection of a load test, as the engine recorded it. */
import { getSystemErrorName } from 'node:util';

/** completed: all that was sent came back, and the peer ended with FIN. interrupted: the run ended first. */
export type ConnectionState = 'completed' | 'failed' | 'interrupted';

/** Times in ms; null: did not happen. */
export interface Connection {
  /** from 1, in the order of begin */
  id: number;
  state: ConnectionState;
  /** why it failed; empty if it did not */
  error: string;
  /** since the begin of the run */
  beginMs: number;
  /** under --rate: how much later than scheduled it began. All other times count from the schedule */
  lateMs: number;
  /** to the TCP connection */
  connectMs: number | null;
  /** to the first byte received: what the program on top waits for, so a hold and a negotiation are in it */
  firstByteMs: number | null;
  /** to the last byte of payload */
  durationMs: number | null;
  bytesSent: number;
  bytesReceived: number;
  requests: number;
  localPort: number;
  peerPort: number;
}

/** ConnectionRecord of native/domain/load/record.h. */
const RECORD_BYTES = 80;
const NEVER = -1n;

const FAILURES: Readonly<Record<number, string>> = {
  [-1]: 'the content that came back differs',
  [-2]: 'the peer closed before all of the echo came',
  [-3]: 'timeout',
  [-4]: 'interrupted',
  [-5]: 'more came back than was sent',
};
const INTERRUPTED = -4;

function failureText(code: number): string {
  if (code === 0) return '';
  return code > 0 ? getSystemErrorName(-code) : (FAILURES[code] ?? `failure ${code}`);
}

export function* decodeConnections(bytes: Buffer): Generator<Connection> {
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const ms = (offset: number): number | null => {
      const ns = bytes.readBigInt64LE(at + offset);
      return ns === NEVER ? null : Number(ns) / 1e6;
    };
    const failure = bytes.readInt32LE(at + 68);
    yield {
      id: Number(bytes.readBigUInt64LE(at)),
      state: failure === 0 ? 'completed' : failure === INTERRUPTED ? 'interrupted' : 'failed',
      error: failureText(failure),
      beginMs: ms(8) ?? 0,
      lateMs: ms(16) ?? 0,
      connectMs: ms(24),
      firstByteMs: ms(32),
      durationMs: ms(40),
      bytesSent: Number(bytes.readBigUInt64LE(at + 48)),
      bytesReceived: Number(bytes.readBigUInt64LE(at + 56)),
      requests: bytes.readUInt32LE(at + 64),
      localPort: bytes.readUInt16LE(at + 72),
      peerPort: bytes.readUInt16LE(at + 74),
    };
  }
}

/** Payload in both directions over the time from begin to the last byte, in Mbit/s; 0 where nothing moved. */
export function throughputMbps({ bytesSent, bytesReceived, durationMs }: Connection): number {
  return durationMs === null || durationMs <= 0 ? 0 : ((bytesSent + bytesReceived) * 8) / durationMs / 1000;
}
