// SPDX-License-Identifier: Apache-2.0
/**
 * What bpf/tlshub.h says, in TypeScript's words. Layouts and numbers are not written here: abi.generated.ts has them from the BTF of the BPF
 * object. Records are decoded in records.ts.
 */
import {
  ABI_HASH,
  Class,
  EventKind,
  Hold as HoldNumber,
  Protocol,
  Provider,
  Reason,
  Suite,
  TcpState,
  VerdictFlag,
  Intent,
  ChannelWhat,
} from './abi.generated.js';
import { TlshubError } from '../errors/errors.js';
import type { CipherName, Role } from './words.js';

export { Class as FlowClass, EventKind, Reason as GateReason, TcpState, Intent };
export const BOTH_DIRECTIONS = VerdictFlag.TLSHUB_TX | VerdictFlag.TLSHUB_RX;

/** Parts of different builds; exit status 1. */
export class AbiMismatchError extends TlshubError {
  constructor(part: string, remedy: string) {
    super('TLSHUB_ABI_MISMATCH', `${part} is of another build than the rest: it was made from another bpf/tlshub.h`, {
      remedy: `Rebuild it in the checkout (${remedy}), or install the package anew.`,
    });
  }
}

/**
 * Compares what the three parts were made from, before one of them reads what another wrote.
 * @param addon what the native addon says
 * @param object what dist/bpf/abi.json says
 * @throws AbiMismatchError that names the part to rebuild
 */
export function checkAbi(addon: string, object: string): void {
  if (addon === ABI_HASH && object === ABI_HASH) return;
  if (object === ABI_HASH) throw new AbiMismatchError('dist/native/tlshub_kernel.node', '`make -C native`');
  if (addon === ABI_HASH) throw new AbiMismatchError('dist/bpf/tlshub.bpf.o', '`make -C bpf`');
  if (addon === object) throw new AbiMismatchError('the compiled TypeScript in dist', '`npm run build`');
  throw new AbiMismatchError('each part in dist', '`npm run build`');
}

type Lower<E> = { readonly [Name in keyof E as Lowercase<Name & string>]: E[Name] };

/** By their names in the configuration. */
export const PROVIDER_NUMBERS: Lower<typeof Provider> = {
  openssl: Provider.OPENSSL,
  boringssl: Provider.BORINGSSL,
  tlshub: Provider.TLSHUB,
};
export type ProviderName = keyof typeof PROVIDER_NUMBERS;

function byNumber<Name extends string>(numbers: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  return new Map(Object.entries<number>(numbers).map(([name, number]) => [number, name as Name]));
}
export const PROVIDERS = byNumber(PROVIDER_NUMBERS);

const HOLD_NUMBERS: Lower<typeof HoldNumber> = {
  none: HoldNumber.NONE,
  stop: HoldNumber.STOP,
  sleep: HoldNumber.SLEEP,
};
/** How callers are held. */
export type Hold = keyof typeof HOLD_NUMBERS;
export const HOLDS = byNumber(HOLD_NUMBERS);
export const SUITES: ReadonlyMap<number, CipherName> = byNumber(Suite);
export const TLS_VERSIONS = byNumber({ 'TLSv1.3': Protocol.TLS_1_3 });

/** enum tlshub_reason, in words for logs and `tlshubctl flows` */
const REASON_WORDS: Record<keyof typeof Reason, string> = {
  NONE: '',
  OVERDUE: 'held for longer than hold_timeout_ms and overload_timeout_ms',
  SILENT_PEER: 'the program was held and its peer had not sent a byte',
  NO_AGENT: 'no agent was there to continue the program',
  NOT_MESH: 'the peer is outside the mesh',
  UNSUPERVISED: 'the socket was made outside the captured cgroup or before the agent',
  UNSUPPORTED: 'MPTCP, TCP Fast Open or a socket that carried another connection before cannot be secured',
  CLOSED: 'the connection ended while it was held, with bytes that nobody may read',
  PEER_REFUSES: "the peer's agent says that its policy refuses this connection",
  PEER_PLAINTEXT:
    "the peer's agent says that it leaves this connection in plaintext, and it is to be secured here: the policies of the two nodes differ",
  PEER_SECURES:
    "the peer's agent says that it secures this connection, and it is in plaintext here: the policies of the two nodes differ, or its address is not in the mapping (NAT?)",
  PEER_MODE: "the peer's agent gets its keys another way",
  TRANSLATED:
    'its address was translated on the way out, to one of the mesh or one that policy refuses: name the address that programs connect to in the mapping or a rule',
  SOCKET_KIND:
    'sockets of this kind carry data past the gate: use TCP, or run the program outside the captured cgroups',
  AGENT: 'refused by the agent',
};
const REASONS = byNumber(Reason);

/** The gate's reason in words. */
export function reasonText(reason: number): string {
  const name = REASONS.get(reason);
  return name === undefined ? `reason ${reason}` : REASON_WORDS[name];
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

/** In whose words the two ends agreed on keys by name: do both see the server by the same address and port? */
export const AGREEMENTS = byNumber({ direct: ChannelWhat.DIRECT, translated: ChannelWhat.TRANSLATED });

/** The two ends have agreed on keys by name (docs/CHANNEL.md). */
export interface Agreement {
  what: 'direct' | 'translated';
  epoch: number;
  number: number;
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
  /** id of the cgroup that the socket was made in; of an accepted one, its listener */
  cgroup: bigint;
  /** of SOCKET_REFUSED the protocol */
  waitMs: number;
  /** of SOCKET_REFUSED the address family */
  refs: number;
  /** HELD: how this caller is held, `none` if it was told EAGAIN; else how callers of the flow were so far */
  hold: Hold;
  /** what the peer's marker said, see Intent */
  peerIntent: number;
  /** none: its keys, if it is to have some, are made another way */
  agreed?: Agreement | undefined;
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
  peerIntent: number;
  /** as in FlowEvent, as the next one */
  agreed?: Agreement | undefined;
  cgroup: bigint;
  /** bytes that an agent has sent into the socket */
  agentTx: number;
  hold: Hold;
  keyed: number;
  encrypts: number;
  verdictFlags: number;
  /** see TcpState */
  skState: number;
  traffic: Traffic | undefined;
  tuple: Tuple;
  owner: OwnerRecord | undefined;
  /** the socket remembers how it was secured */
  remembers: boolean;
  secured: SecuredRecord | undefined;
}
