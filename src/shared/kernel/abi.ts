/**
 * The decoder of bpf/tlshub.h's structs. The tables below are the only place where user space written in TypeScript knows their layout;
 * `checkAbi` compares them with what the addon was compiled with and with the BTF of the built object, and refuses to run when they
 * differ (as tetragon's alignchecker does).
 */
import { TlshubError } from '../errors/errors.js';
import type { CipherName, Role } from './native.js';

/** Sizes in bytes of C types on every architecture that Linux BPF runs on; arrays of bytes have alignment 1. */
const SCALARS = { u8: 1, u16: 2, u32: 4, s32: 4, u64: 8 } as const;
type Scalar = keyof typeof SCALARS;
/** A scalar, an array of bytes, or the name of a struct above. */
type FieldType = Scalar | { bytes: number } | { struct: string };

const STRUCTS = {
  tlshub_tuple: {
    local: { bytes: 16 },
    remote: { bytes: 16 },
    lport: 'u16',
    rport: 'u16',
    pad: 'u32',
  },
  tlshub_flow: {
    cookie: 'u64',
    created_ns: 'u64',
    established_ns: 'u64',
    hold_until_ns: 'u64',
    first_held_ns: 'u64',
    last_held_ns: 'u64',
    spin_since_ns: 'u64',
    generation: 'u32',
    role: 'u32',
    flow_class: 'u32',
    refused: 'u32',
    iss: 'u32',
    irs: 'u32',
    agent_tx: 'u32',
    keyed: 'u32',
    keyed_tx_off: 'u32',
    keyed_rx_off: 'u32',
    held_calls: 'u32',
    stop_tgid: 'u32',
    stop_many: 'u32',
    open_tx: 'u32',
    open_rx: 'u32',
    held_tgid: 'u32',
    spin_calls: 'u32',
    wants: 'u32',
    peer_wants: 'u32',
    marks: 'u32',
    tuple: { struct: 'tlshub_tuple' },
    passed: 'u32',
    followed: 'u32',
  },
  tlshub_owner: {
    start_boottime: 'u64',
    inode: 'u64',
    tgid: 'u32',
    fd: 's32',
    comm: { bytes: 16 },
  },
  tlshub_event: {
    kind: 'u32',
    generation: 'u32',
    time_ns: 'u64',
    cookie: 'u64',
    inode: 'u64',
    start_boottime: 'u64',
    created_ns: 'u64',
    established_ns: 'u64',
    bytes_sent: 'u64',
    bytes_received: 'u64',
    tgid: 'u32',
    fd: 's32',
    role: 'u32',
    flow_class: 'u32',
    reason: 'u32',
    iss: 'u32',
    irs: 'u32',
    wait_ms: 'u32',
    refs: 'u32',
    blocking: 'u32',
    peer_wants: 'u32',
    traffic: 'u32',
    tuple: { struct: 'tlshub_tuple' },
    comm: { bytes: 16 },
  },
  tlshub_secured: {
    closed: { struct: 'tlshub_event' },
    asked_ns: 'u64',
    started_ns: 'u64',
    negotiation_ns: 'u64',
    opened_ns: 'u64',
    generation: 'u32',
    provider: 'u32',
    cipher: 'u32',
    tls_version: 'u32',
    peer_node: { bytes: 216 },
  },
  tlshub_socket: {
    sk_state: 'u32',
    encrypts: 'u32',
    verdict_flags: 'u32',
    traffic: 'u32',
    bytes_sent: 'u64',
    bytes_received: 'u64',
    remembers: 'u32',
    pad: 'u32',
  },
  tlshub_sweep: {
    flow: { struct: 'tlshub_flow' },
    owner: { struct: 'tlshub_owner' },
    socket: { struct: 'tlshub_socket' },
  },
} as const satisfies Record<string, Record<string, FieldType>>;

type StructName = keyof typeof STRUCTS;

/** {struct: {size, fields: {name: [offset, size]}}}, all in bytes: as the addon and dist/bpf/abi.json say it. */
export type AbiTable = Record<string, { size: number; fields: Record<string, [number, number]> }>;

/** Lays the tables out by the rules of C: each field at a multiple of its alignment, the size a multiple of the largest one. */
function layOut(): { abi: AbiTable; alignments: Map<string, number> } {
  const abi: AbiTable = {};
  const alignments = new Map<string, number>();
  for (const [struct, fields] of Object.entries(STRUCTS) as [string, Record<string, FieldType>][]) {
    let offset = 0;
    let largest = 1;
    const placed: Record<string, [number, number]> = {};
    for (const [field, type] of Object.entries(fields)) {
      let size: number;
      let alignment: number;
      if (typeof type === 'string') size = alignment = SCALARS[type];
      else if ('bytes' in type) [size, alignment] = [type.bytes, 1];
      else [size, alignment] = [abi[type.struct]?.size ?? 0, alignments.get(type.struct) ?? 1];
      offset = Math.ceil(offset / alignment) * alignment;
      placed[field] = [offset, size];
      offset += size;
      largest = Math.max(largest, alignment);
    }
    alignments.set(struct, largest);
    abi[struct] = { size: Math.ceil(offset / largest) * largest, fields: placed };
  }
  return { abi, alignments };
}

const EXPECTED = layOut().abi;

type Offsets<S extends StructName> = Record<keyof (typeof STRUCTS)[S], number>;

function offsets<S extends StructName>(struct: S): Offsets<S> {
  const fields = EXPECTED[struct]?.fields ?? {};
  return Object.fromEntries(Object.entries(fields).map(([name, place]) => [name, place[0]])) as Offsets<S>;
}

const TUPLE = offsets('tlshub_tuple');
const FLOW = offsets('tlshub_flow');
const OWNER = offsets('tlshub_owner');
const EVENT = offsets('tlshub_event');
const SECURED = offsets('tlshub_secured');
const SOCKET = offsets('tlshub_socket');
const SWEEP = offsets('tlshub_sweep');

/** The layout that this decoder was written for. */
export function expectedAbi(): AbiTable {
  return structuredClone(EXPECTED);
}

export const EVENT_BYTES = EXPECTED.tlshub_event?.size ?? 0;
export const SWEEP_BYTES = EXPECTED.tlshub_sweep?.size ?? 0;
export const SECURED_BYTES = EXPECTED.tlshub_secured?.size ?? 0;
const PEER_NODE_BYTES = EXPECTED.tlshub_secured?.fields.peer_node?.[1] ?? 0;

/** The decoder does not fit the BPF object or the addon; exit status 1. */
export class AbiMismatchError extends TlshubError {
  constructor(source: string, detail: string) {
    super('TLSHUB_ABI_MISMATCH', `${source} does not fit the decoder in src/shared/kernel/abi.ts: ${detail}`, {
      remedy: 'The parts are of different builds: run `npm run build` in the checkout.',
    });
  }
}

/**
 * Compares a layout with the decoder's.
 * @param source what to call it in the error: "the native addon", "dist/bpf/abi.json"
 * @throws AbiMismatchError that names the struct and the field
 */
export function checkAbi(actual: AbiTable, source: string): void {
  for (const [struct, expected] of Object.entries(EXPECTED)) {
    const found = actual[struct];
    if (found === undefined) throw new AbiMismatchError(source, `it has no struct ${struct}`);
    for (const [field, [offset, size]] of Object.entries(expected.fields)) {
      const place = found.fields[field];
      if (place === undefined) throw new AbiMismatchError(source, `struct ${struct} has no field ${field}`);
      if (place[0] !== offset || place[1] !== size) {
        const says = `${place[1]} bytes at ${place[0]}, not ${size} at ${offset}`;
        throw new AbiMismatchError(source, `${struct}.${field} has ${says}`);
      }
    }
    const unknown = Object.keys(found.fields).find((field) => !(field in expected.fields));
    if (unknown !== undefined) throw new AbiMismatchError(source, `${struct}.${unknown} is not known here`);
    if (found.size !== expected.size) {
      throw new AbiMismatchError(source, `struct ${struct} has ${found.size} bytes, not ${expected.size}`);
    }
  }
}

/** enum tlshub_event_kind */
export const EventKind = {
  CONNECT: 1,
  ESTABLISHED: 2,
  ACCEPTED: 3,
  HELD: 4,
  CLOSING: 5,
  REFUSED: 6,
  CLOSED: 7,
  RELEASED: 8,
} as const;

/** enum tlshub_class */
export const FlowClass = { MESH: 1, PLAINTEXT: 2, REFUSED: 3 } as const;

/** enum tlshub_provider */
export const PROVIDER_NUMBERS = { openssl: 1, boringssl: 2, tlshub: 3 } as const;
export type ProviderName = keyof typeof PROVIDER_NUMBERS;

/** Cipher suites by number, RFC 8446 B.4. */
const SUITES: Record<number, CipherName> = {
  0x1301: 'TLS_AES_128_GCM_SHA256',
  0x1302: 'TLS_AES_256_GCM_SHA384',
  0x1303: 'TLS_CHACHA20_POLY1305_SHA256',
};
/** RFC 8446 4.2.1 */
const TLS_VERSIONS: Record<number, string> = { 0x0304: 'TLSv1.3' };

/** enum tlshub_wants */
export const Wants = { UNKNOWN: 0, PLAINTEXT: 1, IN_BAND: 2, TLSHUB: 3, REFUSED: 4 } as const;

/** enum tlshub_reason, those that user space looks at */
export const GateReason = { NOT_MESH: 4, PEER_MODE: 11 } as const;

/** enum tlshub_reason, in words for logs and `tlshubctl flows` */
const REASONS: Record<number, string> = {
  0: '',
  1: 'held for longer than hold_timeout_ms',
  2: 'the program was held and its peer had not sent a byte',
  3: 'no agent was there to continue the program',
  4: 'the peer is outside the mesh',
  5: 'the socket was made outside the captured cgroup or before the agent',
  6: 'MPTCP, TCP Fast Open or a socket that carried another connection before cannot be secured',
  7: 'the connection ended while it was held, with bytes that nobody may read',
  8: "the peer's agent says that its policy refuses this connection",
  9: "the peer's agent says that it leaves this connection in plaintext, and it is to be secured here: the policies of the two nodes differ",
  10: "the peer's agent says that it secures this connection, and it is in plaintext here: the policies of the two nodes differ, or its address is not in the mapping (NAT?)",
  11: "the peer's agent gets its keys another way",
  12: 'its address was translated to one of the mesh on the way out: name the address that programs connect to in the mapping',
  64: 'refused by the agent',
};

/** The gate's reason in words. */
export function reasonText(reason: number): string {
  return REASONS[reason] ?? `reason ${reason}`;
}

/** The four-tuple. Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; ports are numbers as people write them. */
export interface Tuple {
  local: Uint8Array;
  remote: Uint8Array;
  lport: number;
  rport: number;
}

/** Bytes that a program has sent and read on a connection, by the kernel's own counters (bpf/traffic.bpf.h). */
export interface Traffic {
  sent: number;
  received: number;
  /** the connection is over and its program has let go of it: nothing will be added */
  final: boolean;
}

/** Who holds a socket, as the kernel said it. */
export interface OwnerRecord {
  tgid: number;
  /** -1: not known */
  fd: number;
  inode: bigint;
  /** CLOCK_BOOTTIME, nanoseconds */
  startBoottime: bigint;
  comm: string;
}

/** struct tlshub_secured: how a connection was secured. Times are CLOCK_MONOTONIC nanoseconds. */
export interface SecuredRecord {
  /** null: one that this version does not know */
  provider: ProviderName | null;
  cipher: CipherName | null;
  tlsVersion: string | null;
  peerNode: string;
  /** the provider was asked */
  askedNs: number;
  startedNs: number;
  negotiationNs: number;
  openedNs: number;
}

/** struct tlshub_event. Times are CLOCK_MONOTONIC nanoseconds, rounded to a double (exact for 104 days of uptime, then to 2 ns). */
export interface FlowEvent {
  kind: number;
  generation: number;
  timeNs: number;
  cookie: bigint;
  /** active: the SYN was about to leave; passive: our SYN-ACK left, or as `establishedNs` if TCP cannot say */
  createdNs: number;
  establishedNs: number;
  role: Role;
  class: number;
  reason: number;
  iss: number;
  irs: number;
  waitMs: number;
  refs: number;
  blocking: boolean;
  /** what the peer's marker said, see Wants */
  peerWants: number;
  /** of CLOSED and RELEASED; undefined: not known */
  traffic: Traffic | undefined;
  tuple: Tuple;
  /** undefined: not known */
  owner: OwnerRecord | undefined;
  /** of CLOSED, if the connection was secured and its socket had the record of it */
  secured: SecuredRecord | undefined;
}

/** struct tlshub_sweep, as far as user space decides by it. */
export interface SweepRecord {
  cookie: bigint;
  generation: number;
  createdNs: number;
  /** 0: not yet established */
  establishedNs: number;
  role: Role;
  class: number;
  refused: number;
  iss: number;
  irs: number;
  peerWants: number;
  /** bytes that an agent has sent into the socket */
  agentTx: number;
  keyed: number;
  encrypts: number;
  verdictFlags: number;
  /** TCP_*: 1 ESTABLISHED, 8 CLOSE_WAIT */
  skState: number;
  traffic: Traffic | undefined;
  tuple: Tuple;
  owner: OwnerRecord | undefined;
  /** the socket remembers how it was secured */
  remembers: boolean;
  secured: SecuredRecord | undefined;
}

function copyBytes(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length).slice();
}

function tuple(view: DataView, at: number): Tuple {
  return {
    local: copyBytes(view, at + TUPLE.local, 16),
    remote: copyBytes(view, at + TUPLE.remote, 16),
    lport: view.getUint16(at + TUPLE.lport, true),
    rport: view.getUint16(at + TUPLE.rport, true),
  };
}

/** A NUL-padded name; bytes outside printable ASCII become `?`: a program chooses its own and it ends up in logs. */
function paddedText(view: DataView, at: number, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) {
    const byte = view.getUint8(at + i);
    if (byte === 0) break;
    text += byte < 0x20 || byte > 0x7e ? '?' : String.fromCharCode(byte);
  }
  return text;
}

/** TRAFFIC_*: the counts are right, the program has let go of the socket, TCP has closed */
const TRAFFIC_KNOWN = 1;
const TRAFFIC_OVER = 2 | 8;

function traffic(flags: number, sent: number, received: number): Traffic | undefined {
  if ((flags & TRAFFIC_KNOWN) === 0) return undefined;
  return { sent, received, final: (flags & TRAFFIC_OVER) === TRAFFIC_OVER };
}

/** A byte count or a time without BigInt arithmetic: exact up to 2^53. */
function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

function role(value: number): Role {
  return value === 2 ? 'passive' : 'active';
}

function decodeOwner(view: DataView, at: number, place: Offsets<'tlshub_owner'>): OwnerRecord | undefined {
  const tgid = view.getUint32(at + place.tgid, true);
  if (tgid === 0) return undefined;
  return {
    tgid,
    fd: view.getInt32(at + place.fd, true),
    inode: view.getBigUint64(at + place.inode, true),
    startBoottime: view.getBigUint64(at + place.start_boottime, true),
    comm: paddedText(view, at + place.comm, 16),
  };
}

function decodeSecured(view: DataView, at: number): SecuredRecord {
  const provider = view.getUint32(at + SECURED.provider, true);
  const known = Object.entries(PROVIDER_NUMBERS).find(([, number]) => number === provider)?.[0];
  return {
    provider: (known as ProviderName | undefined) ?? null,
    cipher: SUITES[view.getUint32(at + SECURED.cipher, true)] ?? null,
    tlsVersion: TLS_VERSIONS[view.getUint32(at + SECURED.tls_version, true)] ?? null,
    peerNode: paddedText(view, at + SECURED.peer_node, PEER_NODE_BYTES),
    askedNs: u64(view, at + SECURED.asked_ns),
    startedNs: u64(view, at + SECURED.started_ns),
    negotiationNs: u64(view, at + SECURED.negotiation_ns),
    openedNs: u64(view, at + SECURED.opened_ns),
  };
}

/**
 * Decodes a struct tlshub_event, or the struct tlshub_secured that begins with it.
 * @param at where it starts in the view
 * @param length of the record in bytes
 */
export function decodeEvent(view: DataView, at: number, length = EVENT_BYTES): FlowEvent {
  return {
    kind: view.getUint32(at + EVENT.kind, true),
    generation: view.getUint32(at + EVENT.generation, true),
    timeNs: u64(view, at + EVENT.time_ns),
    cookie: view.getBigUint64(at + EVENT.cookie, true),
    createdNs: u64(view, at + EVENT.created_ns),
    establishedNs: u64(view, at + EVENT.established_ns),
    role: role(view.getUint32(at + EVENT.role, true)),
    class: view.getUint32(at + EVENT.flow_class, true),
    reason: view.getUint32(at + EVENT.reason, true),
    iss: view.getUint32(at + EVENT.iss, true),
    irs: view.getUint32(at + EVENT.irs, true),
    waitMs: view.getUint32(at + EVENT.wait_ms, true),
    refs: view.getUint32(at + EVENT.refs, true),
    blocking: view.getUint32(at + EVENT.blocking, true) !== 0,
    peerWants: view.getUint32(at + EVENT.peer_wants, true),
    traffic: traffic(
      view.getUint32(at + EVENT.traffic, true),
      u64(view, at + EVENT.bytes_sent),
      u64(view, at + EVENT.bytes_received),
    ),
    tuple: tuple(view, at + EVENT.tuple),
    owner: decodeOwner(view, at, EVENT),
    secured: length < SECURED_BYTES ? undefined : decodeSecured(view, at),
  };
}

/** Bytes of the record at this place of a sweep: with what a secured socket adds. 0: there are not enough bytes to say, or to be it. */
export function sweepRecordBytes(view: DataView, at: number): number {
  const left = view.byteLength - at;
  if (left < SWEEP_BYTES) return 0;
  const remembers = view.getUint32(at + SWEEP.socket + SOCKET.remembers, true) !== 0;
  const size = remembers ? SWEEP_BYTES + SECURED_BYTES : SWEEP_BYTES;
  return left < size ? 0 : size;
}

/**
 * A record of a sweep where it lies: each field is decoded when it is asked for, since of most records only a few are. Good as long as the
 * bytes are.
 */
export class SweepView implements SweepRecord {
  constructor(
    private readonly view: DataView,
    private readonly at: number,
  ) {}

  get cookie(): bigint {
    return this.view.getBigUint64(this.at + SWEEP.flow + FLOW.cookie, true);
  }
  get generation(): number {
    return this.flow('generation');
  }
  get createdNs(): number {
    return u64(this.view, this.at + SWEEP.flow + FLOW.created_ns);
  }
  get establishedNs(): number {
    return u64(this.view, this.at + SWEEP.flow + FLOW.established_ns);
  }
  get role(): Role {
    return role(this.flow('role'));
  }
  get class(): number {
    return this.flow('flow_class');
  }
  get refused(): number {
    return this.flow('refused');
  }
  get iss(): number {
    return this.flow('iss');
  }
  get irs(): number {
    return this.flow('irs');
  }
  get peerWants(): number {
    return this.flow('peer_wants');
  }
  get agentTx(): number {
    return this.flow('agent_tx');
  }
  get keyed(): number {
    return this.flow('keyed');
  }
  get encrypts(): number {
    return this.socket('encrypts');
  }
  get verdictFlags(): number {
    return this.socket('verdict_flags');
  }
  get skState(): number {
    return this.socket('sk_state');
  }
  get traffic(): Traffic | undefined {
    const socket = this.at + SWEEP.socket;
    const bytes = (field: number): number => u64(this.view, socket + field);
    return traffic(this.socket('traffic'), bytes(SOCKET.bytes_sent), bytes(SOCKET.bytes_received));
  }
  get tuple(): Tuple {
    return tuple(this.view, this.at + SWEEP.flow + FLOW.tuple);
  }
  get owner(): OwnerRecord | undefined {
    return decodeOwner(this.view, this.at + SWEEP.owner, OWNER);
  }
  get remembers(): boolean {
    return this.socket('remembers') !== 0;
  }
  get secured(): SecuredRecord | undefined {
    return this.remembers ? decodeSecured(this.view, this.at + SWEEP_BYTES) : undefined;
  }

  /** The same record on bytes of its own: it stays good. */
  copy(): SweepView {
    const bytes = copyBytes(this.view, this.at, sweepRecordBytes(this.view, this.at));
    return new SweepView(new DataView(bytes.buffer), 0);
  }

  private flow(field: keyof typeof FLOW): number {
    return this.view.getUint32(this.at + SWEEP.flow + FLOW[field], true);
  }

  private socket(field: keyof typeof SOCKET): number {
    return this.view.getUint32(this.at + SWEEP.socket + SOCKET[field], true);
  }
}
