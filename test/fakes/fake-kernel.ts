// SPDX-License-Identifier: Apache-2.0
/** Sockets, descriptors and the gate's records, in memory: enough of the kernel to run the dispatcher and the installer against. */
import { Provider, Protocol, RecordType, STRUCTS, Suite } from '../../src/shared/kernel/abi.generated.js';
import type { Agreement, OwnerRecord, SecuredRecord, SweepRecord, Tuple } from '../../src/shared/kernel/abi.js';
import type {
  EndResult,
  InstallRequest,
  InstallResult,
  SocketOwner,
  TakenSocket,
} from '../../src/shared/kernel/helpers-addon.js';
import type { DueRecords, GateFds, KernelAddon, Sweep } from '../../src/shared/kernel/kernel-addon.js';
import type { Role, SecretHandle } from '../../src/shared/kernel/words.js';
import { monotonicNs } from '../../src/shared/kernel/clock.js';
import { readSweep, type SweepKernel } from '../../src/shared/kernel/sweep-records.js';

export const FDS = Object.fromEntries(
  [
    'flows',
    'verdicts',
    'owners',
    'stops',
    'userStops',
    'dups',
    'leases',
    'settings',
    'mesh',
    'events',
    'counters',
    'agents',
    'sweepLink',
    'policy',
    'rules',
    'secured',
    'openRecords',
    'epochs',
    'nodeEpochs',
    'thirdSegments',
    'wakes',
    'wakesRead',
  ].map((name, i) => [name, 10 + i]),
) as unknown as GateFds;

export interface SweepSeed {
  cookie: bigint;
  generation?: number;
  role?: Role;
  class?: number;
  refused?: number;
  agentTx?: number;
  encrypts?: number;
  skState?: number;
  establishedNs?: number;
  /** bytes that the program has sent and read */
  traffic?: { sent: number; received: number };
  tuple: Tuple;
  /** `what` as the number that it is */
  agreed?: Omit<Agreement, 'what'> & { what: number };
  owner?: OwnerRecord;
  /** what the socket remembers of how it was secured */
  secured?: SecuredSeed;
}

export type SecuredSeed = Partial<Omit<SecuredRecord, 'provider' | 'cipher' | 'tlsVersion'>> & { generation?: number };

type Part =
  'takeSocket' | 'readFlow' | 'dueRecords' | 'releaseSocket' | 'refuse' | 'destroyByTuple' | 'continueStopped';

export class FakeKernel implements Pick<KernelAddon, Part> {
  /** what takeSocket throws for a cookie, oldest first; when empty it succeeds */
  readonly takeErrors = new Map<bigint, Error[]>();
  readonly notLive = new Set<bigint>();
  /** cookies whose install throws */
  readonly installErrors = new Map<bigint, Error>();
  readonly open = new Map<number, bigint>();
  readonly calls: string[] = [];
  readonly installs: InstallRequest[] = [];
  readonly discarded: SecretHandle[] = [];
  /** what is noted, oldest first */
  openRecords: (SocketOwner & { sinceNs: number })[] = [];
  agentTx = 0;
  /** sockets have room for the record of how they were secured */
  remembers = true;
  private nextFd = 100;

  takeSocket(_fds: GateFds, owner: SocketOwner): TakenSocket {
    this.calls.push(`take ${owner.cookie} from ${owner.tgid}`);
    const error = this.takeErrors.get(owner.cookie)?.shift();
    if (error !== undefined) throw error;
    const fd = this.nextFd++;
    this.open.set(fd, owner.cookie);
    return { fd, live: !this.notLive.has(owner.cookie) };
  }

  readFlow(_flows: number, fd: number): ReturnType<KernelAddon['readFlow']> {
    return {
      cookie: this.cookieOf(fd),
      generation: 1,
      role: 'active',
      establishedNs: 1n,
      firstHeldNs: 0n,
      refused: 0,
      heldCalls: 0,
      agentTx: this.agentTx,
    };
  }

  dueRecords(_openRecords: number, sinceNs: number): Promise<DueRecords> {
    const due = this.openRecords.filter((record) => record.sinceNs <= sinceNs);
    const [next] = this.openRecords.filter((record) => record.sinceNs > sinceNs);
    return Promise.resolve({ due, nextNs: next?.sinceNs ?? 0 });
  }

  hasSocket(cookie: bigint): boolean {
    return this.takeErrors.get(cookie)?.shift() === undefined;
  }

  releaseSocket(_fds: GateFds, fd: number, cookie: bigint): number {
    if (this.cookieOf(fd) !== cookie) throw new Error('release: the descriptor is of another socket');
    this.calls.push(`release ${cookie}`);
    this.open.delete(fd);
    return 0;
  }

  install(request: InstallRequest): InstallResult {
    const cookie = this.cookieOf(request.fd);
    this.calls.push(`install ${cookie}`);
    const error = this.installErrors.get(cookie);
    if (error !== undefined) throw error;
    this.installs.push(request);
    this.open.delete(request.fd);
    return {
      kernelUlp: 'tls',
      kernelCipher: request.cipher,
      kernelVersion: 'TLSv1.3',
      continued: 0,
      openedNs: BigInt(Math.round(monotonicNs())),
      remembered: this.remembers,
    };
  }

  discardSecret(handle: SecretHandle): void {
    this.discarded.push(handle);
  }

  refuse(_fds: GateFds, fd: number, cookie: bigint): EndResult {
    if (this.cookieOf(fd) !== cookie) throw new Error('refuse: the descriptor is of another socket');
    this.calls.push(`refuse ${cookie}`);
    return { by: 'disconnect', discardedBytes: 0, continued: 0 };
  }

  forbid(fd: number, cookie: bigint): void {
    if (this.cookieOf(fd) !== cookie) throw new Error('forbid: the descriptor is of another socket');
    this.calls.push(`forbid ${cookie}`);
  }

  destroyByTuple(_tuple: Tuple, cookie: bigint): boolean {
    this.calls.push(`destroy ${cookie}`);
    return true;
  }

  continueStopped(_fds: GateFds, cookie: bigint): number {
    this.calls.push(`continue ${cookie}`);
    return 0;
  }

  private cookieOf(fd: number): bigint {
    const cookie = this.open.get(fd);
    if (cookie === undefined) throw new Error(`descriptor ${fd} is not open`);
    return cookie;
  }
}

/** The kernel's list, given out in pieces of so many bytes at most. */
export class FakeSweep implements SweepKernel {
  open = 0;
  private at = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly piece = 1000,
  ) {}

  openSweep(): Sweep {
    this.open++;
    return { fd: -1, read: (into, from) => this.read(into, from), close: () => this.open-- };
  }

  private read(into: Uint8Array, from: number): number {
    const next = this.bytes.subarray(this.at, this.at + Math.min(this.piece, into.length - from));
    into.set(next, from);
    this.at += next.length;
    return next.length;
  }
}

/** Records as the agent gets them. */
export function sweepRecords(seeds: SweepSeed[]): Iterable<SweepRecord> {
  return readSweep(new FakeSweep(sweepBytes(seeds)), 0);
}

type Struct = keyof typeof STRUCTS;

/** Where a field is, from where its struct is. */
export function place<S extends Struct>(struct: S, field: keyof (typeof STRUCTS)[S]['fields']): number {
  return (STRUCTS[struct].fields as Record<typeof field, { at: number }>)[field].at;
}

function writeHead(record: Buffer, type: number): Buffer {
  record.writeUInt16LE(type, place('tlshub_head', 'type'));
  record.writeUInt16LE(record.length, place('tlshub_head', 'bytes'));
  return record;
}

/** An event without anything in it. */
export function emptyEvent(): Buffer {
  return writeHead(Buffer.alloc(STRUCTS.tlshub_event.bytes), RecordType.EVENT);
}

/** A struct tlshub_secured, as the last event of its connection. */
export function securedBytes(seed: SecuredSeed): Buffer {
  const bytes = Buffer.alloc(STRUCTS.tlshub_secured.bytes);
  const u32 = (field: keyof typeof STRUCTS.tlshub_secured.fields, value: number): number =>
    bytes.writeUInt32LE(value, place('tlshub_secured', field));
  const u64 = (field: keyof typeof STRUCTS.tlshub_secured.fields, value: number): number =>
    bytes.writeBigUInt64LE(BigInt(value), place('tlshub_secured', field));
  u64('asked_ns', seed.askedNs ?? 2e6);
  u64('started_ns', seed.startedNs ?? 3e6);
  u64('negotiation_ns', seed.negotiationNs ?? 4e6);
  u64('opened_ns', seed.openedNs ?? 8e6);
  u32('generation', seed.generation ?? 1);
  u32('provider', Provider.OPENSSL);
  u32('cipher', Suite.TLS_AES_128_GCM_SHA256);
  u32('tls_version', Protocol.TLS_1_3);
  bytes.write(seed.peerNode ?? 'b', place('tlshub_secured', 'peer_node'), 'latin1');
  return writeHead(bytes, RecordType.LAST_EVENT);
}

/** The kernel's list, as bytes. */
export function sweepBytes(seeds: SweepSeed[]): Buffer {
  return Buffer.concat(
    seeds.map((seed) => {
      const socket = recordBytes(seed);
      if (seed.secured === undefined) return writeHead(socket, RecordType.SOCKET);
      return writeHead(Buffer.concat([socket, securedBytes(seed.secured)]), RecordType.SECURED_SOCKET);
    }),
  );
}

/** Something that this version knows nothing of. */
export function unknownRecord(bytes: number): Buffer {
  return writeHead(Buffer.alloc(bytes, 0xff), 99);
}

function recordBytes(seed: SweepSeed): Buffer {
  const bytes = Buffer.alloc(STRUCTS.tlshub_sweep.bytes);
  const flow = place('tlshub_sweep', 'flow');
  const owner = place('tlshub_sweep', 'owner');
  const socket = place('tlshub_sweep', 'socket');
  const tuple = flow + place('tlshub_flow', 'tuple');
  const u32 = (at: number, value: number): number => bytes.writeUInt32LE(value, at);
  bytes.writeBigUInt64LE(seed.cookie, flow + place('tlshub_flow', 'cookie'));
  bytes.writeBigUInt64LE(BigInt(seed.establishedNs ?? 1), flow + place('tlshub_flow', 'established_ns'));
  u32(flow + place('tlshub_flow', 'generation'), seed.generation ?? 1);
  u32(flow + place('tlshub_flow', 'role'), seed.role === 'passive' ? 2 : 1);
  u32(flow + place('tlshub_flow', 'flow_class'), seed.class ?? 1);
  u32(flow + place('tlshub_flow', 'refused'), seed.refused ?? 0);
  u32(flow + place('tlshub_flow', 'agent_tx'), seed.agentTx ?? 0);
  if (seed.agreed !== undefined) {
    u32(flow + place('tlshub_flow', 'epoch'), seed.agreed.epoch);
    bytes.writeUInt16LE(seed.agreed.number, flow + place('tlshub_flow', 'number'));
    bytes.writeUInt16LE(seed.agreed.what, flow + place('tlshub_flow', 'what'));
  }
  u32(socket + place('tlshub_socket', 'encrypts'), seed.encrypts ?? 0);
  u32(socket + place('tlshub_socket', 'sk_state'), seed.skState ?? 1);
  if (seed.traffic !== undefined) {
    u32(socket + place('tlshub_socket', 'traffic'), 1);
    bytes.writeBigUInt64LE(BigInt(seed.traffic.sent), socket + place('tlshub_socket', 'bytes_sent'));
    bytes.writeBigUInt64LE(BigInt(seed.traffic.received), socket + place('tlshub_socket', 'bytes_received'));
  }
  bytes.set(seed.tuple.local, tuple + place('tlshub_tuple', 'local'));
  bytes.set(seed.tuple.remote, tuple + place('tlshub_tuple', 'remote'));
  bytes.writeUInt16LE(seed.tuple.lport, tuple + place('tlshub_tuple', 'lport'));
  bytes.writeUInt16LE(seed.tuple.rport, tuple + place('tlshub_tuple', 'rport'));
  if (seed.owner === undefined) return bytes;
  u32(owner + place('tlshub_owner', 'tgid'), seed.owner.tgid);
  bytes.writeInt32LE(seed.owner.fd, owner + place('tlshub_owner', 'fd'));
  bytes.writeBigUInt64LE(seed.owner.inode, owner + place('tlshub_owner', 'inode'));
  bytes.writeBigUInt64LE(seed.owner.startBoottime, owner + place('tlshub_owner', 'start_boottime'));
  bytes.write(seed.owner.comm, owner + place('tlshub_owner', 'comm'), 'latin1');
  return bytes;
}
