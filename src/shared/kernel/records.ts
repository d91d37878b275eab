// SPDX-License-Identifier: Apache-2.0
/** Decodes the records that the kernel sends (bpf/tlshub.h). The accessors take a field only as what abi.generated.ts says it is. */
import { RecordType, Role as RoleNumber, STRUCTS, TrafficFlag } from './abi.generated.js';
import {
  AGREEMENTS,
  HOLDS,
  PROVIDERS,
  SUITES,
  TLS_VERSIONS,
  type Agreement,
  type FlowEvent,
  type Hold,
  type OwnerRecord,
  type SecuredRecord,
  type SweepRecord,
  type Traffic,
  type Tuple,
} from './abi.js';
import type { Role } from './words.js';

type Fields<S extends keyof typeof STRUCTS> = (typeof STRUCTS)[S]['fields'];
interface Place<Type extends string> {
  readonly at: number;
  readonly type: Type;
  readonly bytes: number;
}

const HEAD = STRUCTS.tlshub_head.fields;
const TUPLE = STRUCTS.tlshub_tuple.fields;
const FLOW = STRUCTS.tlshub_flow.fields;
const OWNER = STRUCTS.tlshub_owner.fields;
const EVENT = STRUCTS.tlshub_event.fields;
const SECURED = STRUCTS.tlshub_secured.fields;
const SOCKET = STRUCTS.tlshub_socket.fields;
const SWEEP = STRUCTS.tlshub_sweep.fields;

/** Readers of a field of the struct that begins at `at`. */
const u16 = (view: DataView, at: number, place: Place<'u16'>): number => view.getUint16(at + place.at, true);
const u32 = (view: DataView, at: number, place: Place<'u32'>): number => view.getUint32(at + place.at, true);
const s32 = (view: DataView, at: number, place: Place<'s32'>): number => view.getInt32(at + place.at, true);
const big = (view: DataView, at: number, place: Place<'u64'>): bigint => view.getBigUint64(at + place.at, true);
/** A byte count or a time without BigInt arithmetic: exact up to 2^53. */
const u64 = (view: DataView, at: number, place: Place<'u64'>): number =>
  view.getUint32(at + place.at + 4, true) * 2 ** 32 + view.getUint32(at + place.at, true);

function bytes(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length).slice();
}

/** A NUL-padded name; bytes outside printable ASCII become `?`: a program chooses its own and it ends up in logs. */
function text(view: DataView, at: number, place: Place<'bytes'>): string {
  let name = '';
  for (let i = 0; i < place.bytes; i++) {
    const byte = view.getUint8(at + place.at + i);
    if (byte === 0) break;
    name += byte < 0x20 || byte > 0x7e ? '?' : String.fromCharCode(byte);
  }
  return name;
}

function decodeTuple(view: DataView, at: number): Tuple {
  return {
    local: bytes(view, at + TUPLE.local.at, TUPLE.local.bytes),
    remote: bytes(view, at + TUPLE.remote.at, TUPLE.remote.bytes),
    lport: u16(view, at, TUPLE.lport),
    rport: u16(view, at, TUPLE.rport),
  };
}

const TRAFFIC_OVER = TrafficFlag.RELEASED | TrafficFlag.CLOSED;

/** The three fields have the same names in an event and in a sweep's socket. */
function decodeTraffic(
  view: DataView,
  at: number,
  places: Pick<Fields<'tlshub_event' | 'tlshub_socket'>, 'traffic' | 'bytes_sent' | 'bytes_received'>,
): Traffic | undefined {
  const flags = u32(view, at, places.traffic);
  if ((flags & TrafficFlag.KNOWN) === 0) return undefined;
  return {
    sent: u64(view, at, places.bytes_sent),
    received: u64(view, at, places.bytes_received),
    final: (flags & TRAFFIC_OVER) === TRAFFIC_OVER,
  };
}

function decodeRole(value: number): Role {
  return value === RoleNumber.PASSIVE ? 'passive' : 'active';
}

function decodeOwner(
  view: DataView,
  at: number,
  places: Pick<Fields<'tlshub_event' | 'tlshub_owner'>, 'tgid' | 'fd' | 'inode' | 'start_boottime' | 'comm'>,
): OwnerRecord | undefined {
  const tgid = u32(view, at, places.tgid);
  if (tgid === 0) return undefined;
  return {
    tgid,
    fd: s32(view, at, places.fd),
    inode: big(view, at, places.inode),
    startBoottime: big(view, at, places.start_boottime),
    comm: text(view, at, places.comm),
  };
}

function decodeAgreement(
  view: DataView,
  at: number,
  places: Pick<Fields<'tlshub_event' | 'tlshub_flow'>, 'what' | 'epoch' | 'number'>,
): Agreement | undefined {
  const what = AGREEMENTS.get(u16(view, at, places.what));
  if (what === undefined) return undefined;
  return { what, epoch: u32(view, at, places.epoch), number: u16(view, at, places.number) };
}

function decodeSecured(view: DataView, at: number): SecuredRecord {
  return {
    provider: PROVIDERS.get(u32(view, at, SECURED.provider)) ?? null,
    cipher: SUITES.get(u32(view, at, SECURED.cipher)) ?? null,
    tlsVersion: TLS_VERSIONS.get(u32(view, at, SECURED.tls_version)) ?? null,
    peerNode: text(view, at, SECURED.peer_node),
    askedNs: u64(view, at, SECURED.asked_ns),
    startedNs: u64(view, at, SECURED.started_ns),
    negotiationNs: u64(view, at, SECURED.negotiation_ns),
    openedNs: u64(view, at, SECURED.opened_ns),
  };
}

export const HEAD_BYTES = STRUCTS.tlshub_head.bytes;

/** The longest record of a sweep. */
export const SWEEP_RECORD_BYTES = STRUCTS.tlshub_secured_sweep.bytes;

/** How long records are, by their type. */
const RECORD_BYTES: ReadonlyMap<number, number> = new Map([
  [RecordType.EVENT, STRUCTS.tlshub_event.bytes],
  [RecordType.LAST_EVENT, STRUCTS.tlshub_secured.bytes],
  [RecordType.SOCKET, STRUCTS.tlshub_sweep.bytes],
  [RecordType.SECURED_SOCKET, STRUCTS.tlshub_secured_sweep.bytes],
]);

/**
 * How far it is to the next record, as tlshub_next_record() in bpf/records.h has it.
 * @throws RangeError where nobody can tell
 */
export function recordBytes(view: DataView, at: number): number {
  const length = u16(view, at, HEAD.bytes);
  if (length < HEAD_BYTES) throw new RangeError(`a record of ${length} bytes is shorter than its head`);
  return length;
}

/** True for a record of one of these types, and of the length that this build knows it by; others are to be skipped. */
function isRecord(view: DataView, at: number, ...types: number[]): boolean {
  const type = u16(view, at, HEAD.type);
  return types.includes(type) && u16(view, at, HEAD.bytes) === RECORD_BYTES.get(type);
}

export function isSweepRecord(view: DataView, at: number): boolean {
  return isRecord(view, at, RecordType.SOCKET, RecordType.SECURED_SOCKET);
}

/**
 * Decodes an event.
 * @param at where its record starts in the view
 * @throws RangeError if there is none: the reader of the perf buffer passes on nothing else
 */
export function decodeEvent(view: DataView, at: number): FlowEvent {
  if (!isRecord(view, at, RecordType.EVENT, RecordType.LAST_EVENT))
    throw new RangeError(`a record of type ${u16(view, at, HEAD.type)} is no event`);
  const agreed = decodeAgreement(view, at, EVENT);
  return {
    kind: u32(view, at, EVENT.kind),
    generation: u32(view, at, EVENT.generation),
    timeNs: u64(view, at, EVENT.time_ns),
    cookie: big(view, at, EVENT.cookie),
    createdNs: u64(view, at, EVENT.created_ns),
    establishedNs: u64(view, at, EVENT.established_ns),
    role: decodeRole(u32(view, at, EVENT.role)),
    class: u32(view, at, EVENT.flow_class),
    reason: u32(view, at, EVENT.reason),
    iss: u32(view, at, EVENT.iss),
    irs: u32(view, at, EVENT.irs),
    cgroup: big(view, at, EVENT.cgroup),
    waitMs: u32(view, at, EVENT.wait_ms),
    refs: u32(view, at, EVENT.refs),
    hold: HOLDS.get(u32(view, at, EVENT.hold)) ?? 'none',
    peerIntent: u32(view, at, EVENT.peer_intent),
    ...(agreed && { agreed }),
    traffic: decodeTraffic(view, at, EVENT),
    tuple: decodeTuple(view, at + EVENT.tuple.at),
    owner: decodeOwner(view, at, EVENT),
    secured: u16(view, at, HEAD.type) === RecordType.LAST_EVENT ? decodeSecured(view, at) : undefined,
  };
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
    return big(this.view, this.flow, FLOW.cookie);
  }
  get generation(): number {
    return u32(this.view, this.flow, FLOW.generation);
  }
  get createdNs(): number {
    return u64(this.view, this.flow, FLOW.created_ns);
  }
  get establishedNs(): number {
    return u64(this.view, this.flow, FLOW.established_ns);
  }
  get role(): Role {
    return decodeRole(u32(this.view, this.flow, FLOW.role));
  }
  get class(): number {
    return u32(this.view, this.flow, FLOW.flow_class);
  }
  get refused(): number {
    return u32(this.view, this.flow, FLOW.refused);
  }
  get iss(): number {
    return u32(this.view, this.flow, FLOW.iss);
  }
  get irs(): number {
    return u32(this.view, this.flow, FLOW.irs);
  }
  get peerIntent(): number {
    return u32(this.view, this.flow, FLOW.peer_intent);
  }
  get agreed(): Agreement | undefined {
    return decodeAgreement(this.view, this.flow, FLOW);
  }
  get cgroup(): bigint {
    return big(this.view, this.flow, FLOW.cgroup);
  }
  /** One that was stopped has noticed it, whoever else slept. */
  get hold(): Hold {
    if (u32(this.view, this.flow, FLOW.stop_many) > 0) return 'stop';
    return u32(this.view, this.flow, FLOW.sleeps) > 0 ? 'sleep' : 'none';
  }

  get agentTx(): number {
    return u32(this.view, this.flow, FLOW.agent_tx);
  }
  get keyed(): number {
    return u32(this.view, this.flow, FLOW.keyed);
  }
  get encrypts(): number {
    return u32(this.view, this.socket, SOCKET.encrypts);
  }
  get verdictFlags(): number {
    return u32(this.view, this.socket, SOCKET.verdict_flags);
  }
  get skState(): number {
    return u32(this.view, this.socket, SOCKET.sk_state);
  }
  get traffic(): Traffic | undefined {
    return decodeTraffic(this.view, this.socket, SOCKET);
  }
  get tuple(): Tuple {
    return decodeTuple(this.view, this.flow + FLOW.tuple.at);
  }
  get owner(): OwnerRecord | undefined {
    return decodeOwner(this.view, this.at + SWEEP.owner.at, OWNER);
  }
  get remembers(): boolean {
    return u16(this.view, this.at, HEAD.type) === RecordType.SECURED_SOCKET;
  }
  get secured(): SecuredRecord | undefined {
    const { secured } = STRUCTS.tlshub_secured_sweep.fields;
    return this.remembers ? decodeSecured(this.view, this.at + secured.at) : undefined;
  }

  /** The same record on bytes of its own: it stays good. */
  copy(): SweepView {
    const own = bytes(this.view, this.at, recordBytes(this.view, this.at));
    return new SweepView(new DataView(own.buffer), 0);
  }

  private get flow(): number {
    return this.at + SWEEP.flow.at;
  }

  private get socket(): number {
    return this.at + SWEEP.socket.at;
  }
}
