// SPDX-License-Identifier: Apache-2.0
/**
 * A node without our module, that speaks to one with it as docs/TLSHUB_MODULE.md says:
 *
 *     node foreign-peer.js initiator|responder PRIVATE-KEY PEERS-KEY PRESHARED-KEY PORT PEERS-ADDRESS:PORT [CLIENT PORT SERVER PORT]
 *
 * Keys are hexadecimal. The initiator makes a session and announces a key for the tuple; the responder answers a handshake and acknowledges the
 * first key that is announced. Both print a line of JSON: {"peer": KEY, "acknowledged": true, "masterKey": KEY}.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { Handshake, KeyPair, hash, hkdf, hmac, open, seal } from './noise.js';

const VERSION = 1;
const FIRST = 1;
const SECOND = 2;
const SESSION = 4;
const ANNOUNCE = 1;
const ACKNOWLEDGE = 2;
const FIRST_BYTES = 148;
const SECOND_BYTES = 96;
const MACS_BYTES = 32;
const SESSION_HEAD = 16;
const ITEM_BYTES = 60;
/** of an item: the tuple, and in it what goes into the key */
const TUPLE_AT = 16;
const TUPLE_END = 56;
const LIFETIME_MS = 60_000;

const [role = '', secret = '', peersKey = '', preshared = '', port = '', to = '', ...tuple] = process.argv.slice(2);
const own = new KeyPair(Buffer.from(secret, 'hex'));
const peer = Buffer.from(peersKey, 'hex');
const at = to.lastIndexOf(':');
const [peersAddress, peersPort] = [to.slice(0, at), Number(to.slice(at + 1))];
const index = randomBytes(4);
const socket = createSocket('udp4');

const handshake = (remote?: Buffer): Handshake =>
  new Handshake(
    own,
    new KeyPair(randomBytes(32)),
    Buffer.from(preshared, 'hex'),
    'tlshub channel v1',
    ...(remote === undefined ? [] : [remote]),
  );

function head(type: number): Buffer {
  return Buffer.from([type, VERSION, 0, 0]);
}

/** `message` with mac1, and zeros for mac2: nobody has asked for a cookie. */
function signed(message: Buffer): Buffer {
  const mac1 = hmac(hash('tlshub mac1', peer), message).subarray(0, 16);
  return Buffer.concat([message, mac1, Buffer.alloc(16)]);
}

async function received(type: number, bytes?: number): Promise<Buffer> {
  for (;;) {
    const [message] = (await once(socket, 'message')) as [Buffer];
    if (message[0] === type && message[1] === VERSION && (bytes === undefined || message.length === bytes)) {
      return message;
    }
  }
}

/** A socket that is closed sends nothing that waits. */
const send = (message: Buffer): Promise<void> =>
  new Promise((resolve, reject) =>
    socket.send(message, peersPort, peersAddress, (error) => (error === null ? resolve() : reject(error))),
  );

interface Session {
  sendKey: Buffer;
  receiveKey: Buffer;
  /** what the keys of connections come from that the initiator, and the responder, announce */
  initiatorFlows: Buffer;
  responderFlows: Buffer;
  remoteIndex: Buffer;
}

function sessionOf(done: Handshake, initiator: boolean, remoteIndex: Buffer): Session {
  const { initiatorKey, responderKey, chaining } = done.split();
  const [initiatorFlows, responderFlows] = hkdf(chaining, Buffer.from('tlshub flow secrets v1'), 2) as [Buffer, Buffer];
  return {
    ...{ initiatorFlows, responderFlows, remoteIndex },
    sendKey: initiator ? initiatorKey : responderKey,
    receiveKey: initiator ? responderKey : initiatorKey,
  };
}

let counter = 0n;

function say({ sendKey, remoteIndex }: Session, item: Buffer): Promise<void> {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(counter);
  const front = Buffer.concat([head(SESSION), remoteIndex, number]);
  return send(Buffer.concat([front, seal(sendKey, counter++, front, item)]));
}

/** The next items that say something. */
async function items({ receiveKey }: Session): Promise<Buffer> {
  for (;;) {
    const message = await received(SESSION);
    const front = message.subarray(0, SESSION_HEAD);
    const plain = open(receiveKey, front.readBigUInt64LE(8), front, message.subarray(SESSION_HEAD));
    if (plain.length >= ITEM_BYTES) return plain;
  }
}

const masterKey = (flows: Buffer, item: Buffer): string =>
  hmac(flows, 'tlshub flow key v1', item.subarray(8, 16), item.subarray(TUPLE_AT, TUPLE_END)).toString('hex');

function mapped(address: string): Buffer {
  if (isIP(address) !== 4) throw new Error(`not an IPv4 address: ${address}`);
  return Buffer.from([...Array<number>(10).fill(0), 255, 255, ...address.split('.').map(Number)]);
}

function announcement([client = '', clientPort = '', server = '', serverPort = '']: string[]): Buffer {
  const item = Buffer.alloc(ITEM_BYTES);
  item[0] = ANNOUNCE;
  item.writeUInt32LE(LIFETIME_MS, 4);
  mapped(client).copy(item, TUPLE_AT);
  mapped(server).copy(item, TUPLE_AT + 16);
  item.writeUInt16BE(Number(clientPort), TUPLE_AT + 32);
  item.writeUInt16BE(Number(serverPort), TUPLE_AT + 34);
  return item;
}

async function initiate(): Promise<object> {
  const made = handshake(peer);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(Date.now()) * 1_000_000n);
  const instance = randomBytes(4);
  const first = made.writeFirst(Buffer.concat([time, instance]));
  const answer = received(SECOND, SECOND_BYTES);
  await send(signed(Buffer.concat([head(FIRST), index, ...first])));
  const second = await answer;
  if (!second.subarray(8, 12).equals(index)) throw new Error('the second message is for somebody else');
  made.readSecond(second.subarray(12, 44), second.subarray(44, SECOND_BYTES - MACS_BYTES));
  const session = sessionOf(made, true, second.subarray(4, 8));
  const item = announcement(tuple);
  const said = items(session);
  await say(session, item);
  const acknowledged = await said;
  return {
    peer: peersKey,
    acknowledged: acknowledged[0] === ACKNOWLEDGE && acknowledged.subarray(8, 16).equals(item.subarray(8, 16)),
    masterKey: masterKey(session.initiatorFlows, item),
  };
}

async function respond(): Promise<object> {
  const first = await received(FIRST, FIRST_BYTES);
  const made = handshake();
  const [remote] = made.readFirst(
    first.subarray(8, 40),
    first.subarray(40, 88),
    first.subarray(88, FIRST_BYTES - MACS_BYTES),
  );
  const second = made.writeSecond(randomBytes(4));
  const session = sessionOf(made, false, first.subarray(4, 8));
  const said = items(session);
  await send(signed(Buffer.concat([head(SECOND), index, first.subarray(4, 8), ...second])));
  const item = (await said).subarray(0, ITEM_BYTES);
  const answer = Buffer.from(item);
  answer[0] = ACKNOWLEDGE;
  await say(session, answer);
  return { peer: remote.toString('hex'), acknowledged: true, masterKey: masterKey(session.initiatorFlows, item) };
}

socket.bind(Number(port));
await once(socket, 'listening');
process.stderr.write('ready\n');
process.stdout.write(`${JSON.stringify(await (role === 'initiator' ? initiate() : respond()))}\n`);
socket.close();
