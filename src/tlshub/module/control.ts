// SPDX-License-Identifier: Apache-2.0
/**
 * The TLSHub module of this network namespace by its generic netlink family: what the node is, its peers, and the keys that there are, without the
 * keys. docs/TLSHUB_MODULE.md. Everything needs CAP_NET_ADMIN.
 */
import { TlshubError, UsageError, asTlshubError } from '../../shared/errors/errors.js';
import type { TlshubAddon } from '../../shared/kernel/tlshub-addon.js';
import { formatAddress, formatCidr, isIPv4Mapped, parseAddress, parseCidr } from '../../shared/net/address.js';
import { formatListenAddress, parseListenAddress } from '../../shared/net/listen-address.js';
import {
  attribute,
  attributesOf,
  byType,
  joined,
  nest,
  numberAttribute,
  numberOf,
  textAttribute,
  textOf,
} from './attributes.js';
import { keyText } from './keys.js';
import {
  COMMAND,
  COUNTER,
  FLOW,
  FLOW_STATES,
  NETWORK,
  NODE,
  PEER,
  PEER_STATES,
  SET_REPLACE_NETWORKS,
} from './numbers.js';

export interface ModuleNode {
  /** base64; undefined: no key is set, and nothing is started or taken */
  publicKey?: string;
  /** UDP; 0: not listening */
  listenPort: number;
  /** prefixes of this node's pods */
  networks: string[];
  /** for how long a key that nobody fetches is kept */
  lifetimeMs: number;
  /** after which a START has failed */
  startMs: number;
  peers: number;
  /** keys that there are or are being made */
  flows: number;
  /** requests that wait */
  waiters: number;
  /** since the module is there, by the names of the header in small letters (`keys_taken`) */
  counters: Record<string, number>;
}

export interface ModulePeer {
  name: string;
  publicKey: string;
  /** ADDRESS:PORT; undefined: only the peer can begin */
  endpoint?: string;
  networks: string[];
  state: (typeof PEER_STATES)[number] | 'unknown';
  sessionAgeMs?: number;
  handshakes: number;
  /** keys that were made here, and keys that it announced */
  starts: number;
  keysTaken: number;
  /** STARTs under way */
  pending: number;
  /** datagrams; received: authentic ones */
  sent: number;
  received: number;
}

export interface ModuleFlow {
  client: string;
  server: string;
  ident: number;
  /** of the server's side */
  role: 'client' | 'server';
  state: (typeof FLOW_STATES)[number] | 'unknown';
  /** undefined: nobody has announced it */
  peer?: string;
  ageMs: number;
  waiters: number;
}

export interface NodeSettings {
  /** 32 bytes; zeros remove the key that there is. Wiped. */
  privateKey?: Uint8Array;
  listenPort?: number;
  /** prefixes; added to those that there are */
  networks?: readonly string[];
  /** they take the place of all that there were */
  replaceNetworks?: boolean;
  lifetimeMs?: number;
  startMs?: number;
}

export interface PeerSettings {
  publicKey?: Uint8Array;
  /** 32 bytes; zeros remove it. Wiped. */
  presharedKey?: Uint8Array;
  /** ADDRESS:PORT or [IPV6-ADDRESS]:PORT */
  endpoint?: string;
  networks?: readonly string[];
  replaceNetworks?: boolean;
}

const V4_PREFIX = 96;
const AF_INET = 2;
const AF_INET6 = 10;

function networkAttribute(type: number, text: string): Uint8Array {
  const { address, prefix } = parseCidr(text);
  const isV4 = isIPv4Mapped(address) && prefix >= V4_PREFIX;
  return nest(
    type,
    attribute(NETWORK.ADDRESS, isV4 ? address.subarray(12) : address),
    numberAttribute(NETWORK.PREFIX, 1, isV4 ? prefix - V4_PREFIX : prefix),
  );
}

/** An address of 4 or 16 bytes as flows carry it. */
function mapped(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes;
  const address = new Uint8Array(16);
  address.fill(0xff, 10, 12);
  address.set(bytes.subarray(0, 4), 12);
  return address;
}

function networkText(value: Uint8Array): string {
  const fields = byType(attributesOf(value));
  const address = fields.get(NETWORK.ADDRESS) ?? new Uint8Array(16);
  const prefix = numberOf(fields.get(NETWORK.PREFIX) ?? new Uint8Array(1));
  return formatCidr({ address: mapped(address), prefix: prefix + (address.length === 4 ? V4_PREFIX : 0) });
}

/** struct sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes). @throws UsageError */
function endpointBytes(text: string): Uint8Array {
  const place = parseListenAddress(text);
  if (place === undefined) throw new UsageError(`"${text.slice(0, 80)}" is no ADDRESS:PORT or [IPV6-ADDRESS]:PORT`);
  const address = parseAddress(place.host);
  const isV4 = isIPv4Mapped(address);
  const bytes = new Uint8Array(isV4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isV4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, place.port);
  bytes.set(isV4 ? address.subarray(12) : address, isV4 ? 4 : 8);
  return bytes;
}

function endpointText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isV4 = view.getUint16(0, true) === AF_INET;
  const address = mapped(isV4 ? bytes.subarray(4, 8) : bytes.subarray(8, 24));
  return formatListenAddress({ host: formatAddress(address), port: view.getUint16(2) });
}

const nameOf = <T extends string>(names: readonly T[], at: number): T | 'unknown' => names[at] ?? 'unknown';

/** Fields of one message of the answer. */
class Fields {
  readonly #all;
  readonly #last;

  constructor(bytes: Uint8Array) {
    this.#all = attributesOf(bytes);
    this.#last = byType(this.#all);
  }

  number(type: number): number {
    const value = this.#last.get(type);
    return value === undefined ? 0 : numberOf(value);
  }

  /** undefined if it is not there */
  read<T>(type: number, as: (value: Uint8Array) => T): T | undefined {
    const value = this.#last.get(type);
    return value === undefined ? undefined : as(value);
  }

  text(type: number): string {
    return this.read(type, textOf) ?? '';
  }

  networks(type: number): string[] {
    return this.#all.filter((one) => one.type === type).map(({ value }) => networkText(value));
  }
}

function nodeOf(bytes: Uint8Array): ModuleNode {
  const fields = new Fields(bytes);
  const publicKey = fields.read(NODE.PUBLIC_KEY, keyText);
  const counters = new Fields(fields.read(NODE.COUNTERS, (value) => value) ?? new Uint8Array());
  return {
    ...(publicKey === undefined ? {} : { publicKey }),
    listenPort: fields.number(NODE.LISTEN_PORT),
    networks: fields.networks(NODE.NETWORK),
    lifetimeMs: fields.number(NODE.LIFETIME_MS),
    startMs: fields.number(NODE.START_MS),
    peers: fields.number(NODE.PEERS),
    flows: fields.number(NODE.FLOWS),
    waiters: fields.number(NODE.WAITERS),
    counters: Object.fromEntries(
      Object.entries(COUNTER).map(([name, type]) => [name.toLowerCase(), counters.number(type)]),
    ),
  };
}

function peerOf(bytes: Uint8Array): ModulePeer {
  const fields = new Fields(bytes);
  const endpoint = fields.read(PEER.ENDPOINT, endpointText);
  const sessionAgeMs = fields.read(PEER.SESSION_AGE_MS, numberOf);
  return {
    name: fields.text(PEER.NAME),
    publicKey: fields.read(PEER.PUBLIC_KEY, keyText) ?? '',
    ...(endpoint === undefined ? {} : { endpoint }),
    networks: fields.networks(PEER.NETWORK),
    state: nameOf(PEER_STATES, fields.number(PEER.STATE)),
    ...(sessionAgeMs === undefined ? {} : { sessionAgeMs }),
    handshakes: fields.number(PEER.HANDSHAKES),
    starts: fields.number(PEER.STARTS),
    keysTaken: fields.number(PEER.KEYS_TAKEN),
    pending: fields.number(PEER.PENDING),
    sent: fields.number(PEER.SENT),
    received: fields.number(PEER.RECEIVED),
  };
}

function flowOf(bytes: Uint8Array): ModuleFlow {
  const fields = new Fields(bytes);
  const end = (address: number, port: number): string =>
    formatListenAddress({
      host: formatAddress(mapped(fields.read(address, (value) => value) ?? new Uint8Array(16))),
      port: fields.number(port),
    });
  const peer = fields.text(FLOW.PEER);
  return {
    client: end(FLOW.CLIENT_ADDRESS, FLOW.CLIENT_PORT),
    server: end(FLOW.SERVER_ADDRESS, FLOW.SERVER_PORT),
    ident: fields.number(FLOW.IDENT),
    role: fields.number(FLOW.SERVER) === 1 ? 'server' : 'client',
    state: nameOf(FLOW_STATES, fields.number(FLOW.STATE)),
    ...(peer === '' ? {} : { peer }),
    ageMs: fields.number(FLOW.AGE_MS),
    waiters: fields.number(FLOW.WAITERS),
  };
}

/** What is given, as attributes: `undefined` is left out. */
const given = <T>(value: T | undefined, as: (value: T) => Uint8Array): Uint8Array[] =>
  value === undefined ? [] : [as(value)];

const flagsOf = ({ replaceNetworks }: Pick<PeerSettings, 'replaceNetworks'>): number =>
  replaceNetworks === true ? SET_REPLACE_NETWORKS : 0;

/** What a refusal means to who asked, by errno. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'There is no peer of this name: `tlshubctl tlshub peers` lists them.',
  EADDRINUSE: 'Another program listens at this UDP port: choose another one with --listen-port, on both nodes.',
};

/**
 * Each method throws TlshubError TLSHUB_MODULE_MISSING without a module, TLSHUB_MODULE_PROTOCOL for what cannot be read, and TLSHUB_SYS with what the kernel
 * refuses; UsageError and AddressError for what is no key, endpoint or prefix.
 */
export class ModuleControl {
  constructor(private readonly addon: Pick<TlshubAddon, 'control'>) {}

  node(): ModuleNode {
    return nodeOf(this.#ask(COMMAND.GET)[0] ?? new Uint8Array());
  }

  set(settings: NodeSettings): void {
    const { privateKey, listenPort, networks = [], lifetimeMs, startMs } = settings;
    const attributes = [
      ...given(privateKey, (key) => attribute(NODE.PRIVATE_KEY, key)),
      ...given(listenPort, (port) => numberAttribute(NODE.LISTEN_PORT, 2, port)),
      numberAttribute(NODE.FLAGS, 4, flagsOf(settings)),
      ...networks.map((text) => networkAttribute(NODE.NETWORK, text)),
      ...given(lifetimeMs, (ms) => numberAttribute(NODE.LIFETIME_MS, 4, ms)),
      ...given(startMs, (ms) => numberAttribute(NODE.START_MS, 4, ms)),
    ];
    privateKey?.fill(0);
    this.#ask(COMMAND.SET, attributes);
  }

  peers(): ModulePeer[] {
    return this.#ask(COMMAND.PEER_GET, [], true).map(peerOf);
  }

  setPeer(name: string, settings: PeerSettings): void {
    const { publicKey, presharedKey, endpoint, networks = [] } = settings;
    const attributes = [
      textAttribute(PEER.NAME, name),
      ...given(publicKey, (key) => attribute(PEER.PUBLIC_KEY, key)),
      ...given(endpoint, (text) => attribute(PEER.ENDPOINT, endpointBytes(text))),
      numberAttribute(PEER.FLAGS, 4, flagsOf(settings)),
      ...networks.map((text) => networkAttribute(PEER.NETWORK, text)),
      ...given(presharedKey, (key) => attribute(PEER.PRESHARED_KEY, key)),
    ];
    presharedKey?.fill(0);
    this.#ask(COMMAND.PEER_SET, attributes);
  }

  removePeer(name: string): void {
    this.#ask(COMMAND.PEER_DEL, [textAttribute(PEER.NAME, name)]);
  }

  flows(): ModuleFlow[] {
    return this.#ask(COMMAND.FLOW_GET, [], true).map(flowOf);
  }

  #ask(command: number, attributes: readonly Uint8Array[] = [], dump = false): Uint8Array[] {
    const request = joined(attributes);
    for (const one of attributes) one.fill(0); // one may be a key; the addon wipes the request
    try {
      return this.addon.control(command, dump, request);
    } catch (thrown) {
      const error = asTlshubError(thrown);
      const remedy = error.code === 'TLSHUB_SYS' ? REMEDIES[error.errno ?? ''] : undefined;
      if (remedy === undefined) throw error;
      throw new TlshubError(error.code, error.message, {
        remedy,
        cause: error,
        ...(error.errno === undefined ? {} : { errno: error.errno }),
      });
    }
  }
}
