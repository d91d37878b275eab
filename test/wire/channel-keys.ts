// SPDX-License-Identifier: Apache-2.0
/** Keys by name, worked out from what docs/CHANNEL.md says by node:crypto's own HKDF, and what of it is on the wire. */
import { hkdfSync } from 'node:crypto';
import { parseAddress } from '../../src/shared/net/address.js';
import type { Capture } from './capture.js';
import { markerIn } from './marker.js';
import type { Stream } from './streams.js';

/** What the keys of a connection are made from, beside the epoch's secret. */
export interface NamedFlow {
  what: number;
  clientAddress: string;
  serverAddress: string;
  clientPort: number;
  serverPort: number;
  clientIsn: number;
  serverIsn: number;
  epoch: number;
  number: number;
  clientNode: string;
  serverNode: string;
}

export type Side = 'client' | 'server';

const DIRECT = 5;
const HASHES = {
  TLS_AES_128_GCM_SHA256: { hash: 'sha256', bytes: 32 },
  TLS_AES_256_GCM_SHA384: { hash: 'sha384', bytes: 48 },
  TLS_CHACHA20_POLY1305_SHA256: { hash: 'sha256', bytes: 32 },
} as const;
const DIRECTION = { client: 'client to server', server: 'server to client' } as const;

function bytesOf(value: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return out;
}

const field = (text: string): Buffer => Buffer.concat([bytesOf(Buffer.byteLength(text), 1), Buffer.from(text)]);

export function saltOf(flow: NamedFlow): Buffer {
  const server = flow.what === DIRECT ? [parseAddress(flow.serverAddress), bytesOf(flow.serverPort, 2)] : [];
  const client = [bytesOf(flow.what, 1), parseAddress(flow.clientAddress), bytesOf(flow.clientPort, 2)];
  const isns = [bytesOf(flow.clientIsn, 4), bytesOf(flow.serverIsn, 4)];
  return Buffer.concat([...client, ...server, ...isns, bytesOf(flow.epoch, 4), bytesOf(flow.number, 2)]);
}

/** The secret of what one side sends. */
export function secretOf(epochSecret: Uint8Array, flow: NamedFlow, side: Side, cipher: keyof typeof HASHES): Buffer {
  const { hash, bytes } = HASHES[cipher];
  const texts = ['tlshub-ebpf channel v1', DIRECTION[side], cipher, flow.clientNode, flow.serverNode];
  return Buffer.from(hkdfSync(hash, epochSecret, saltOf(flow), Buffer.concat(texts.map(field)), bytes));
}

export interface NamedConnection {
  flow: NamedFlow;
  streams: Record<Side, Stream>;
}

/** All connections to a port in a capture whose third segment says keys by name, from node a to node b, in order. */
export function namedConnections(capture: Capture, port: number): NamedConnection[] {
  const { segments } = capture;
  const key = (sport: number, isn: number): string => `${sport} ${isn}`;
  const streams = new Map<string, Stream>();
  for (const stream of capture.port(port)) {
    if (stream.isn !== undefined) streams.set(key(stream.sport, stream.isn), stream);
  }
  /** by the client's port: the connection whose handshake is under way */
  const pending = new Map<number, { clientIsn: number; serverIsn?: number }>();
  const found: NamedConnection[] = [];
  for (const segment of segments) {
    if (segment.dport === port && segment.syn) pending.set(segment.sport, { clientIsn: segment.seq });
    const begun = pending.get(segment.sport === port ? segment.dport : segment.sport);
    if (begun === undefined) continue;
    if (segment.sport === port && segment.syn) begun.serverIsn = segment.seq;
    if (segment.dport !== port || segment.syn || begun.serverIsn === undefined) continue;
    pending.delete(segment.sport);
    const marker = markerIn(segment.options);
    if (marker?.epoch === undefined || marker.number === undefined) continue;
    const client = streams.get(key(segment.sport, begun.clientIsn));
    const server = streams.get(key(port, begun.serverIsn));
    if (client === undefined || server === undefined) throw new Error('a connection without a stream');
    const flow = {
      ...{ what: marker.what, clientAddress: segment.src, serverAddress: segment.dst },
      ...{ clientPort: segment.sport, serverPort: port },
      ...{ clientIsn: begun.clientIsn, serverIsn: begun.serverIsn, epoch: marker.epoch, number: marker.number },
      ...{ clientNode: 'a', serverNode: 'b' },
    };
    found.push({ flow, streams: { client, server } });
  }
  return found;
}
