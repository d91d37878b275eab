// SPDX-License-Identifier: Apache-2.0
/**
 * Every message between threads. Unions are tagged by `type`; MESSAGE_VERSION is raised whenever one of them changes.
 *
 * Who owns a held socket's descriptor (our dup of the program's socket): exactly one party at a time.
 *   - The dispatcher, from when a helper has taken it. Of connections whose keys are there before (keys by name) nobody but the helper has one.
 *   - A provider borrows it from `NegotiateTask` until the task has settled. It never closes it, and while it has it nobody else does: a
 *     closed number could be another socket's a moment later, and handshake bytes would go there.
 *   - The installer closes it, and only the installer, by having a helper do it. It does so when a `negotiated` or a dispatcher's `refuse` or `close`
 *     reaches it, whichever comes first: each descriptor has a slot in a shared table (src/shared/ipc/slots.ts) that holds its ticket, and the
 *     installer takes the ticket off before it acts. A second message finds another ticket there and is dropped.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ProviderName, Tuple } from '../kernel/abi.js';
import type { WireError } from '../errors/errors.js';
import type {
  ChannelClose,
  ChannelEvent,
  ChannelRefusal,
  ChannelsOptions,
  ChannelStats,
  ChannelTarget,
} from '../kernel/channel-addon.js';
import type { ListenAddress } from '../net/listen-address.js';
import type { CipherName, Role, SecretHandle } from '../kernel/words.js';

/** Tag of every record that carries a message. */
export const MESSAGE_VERSION = 5;

/** Names a held descriptor: `ticket` is unique in the process's life, `slot` is its place in the slot table. */
export interface Held {
  ticket: number;
  slot: number;
  fd: number;
  cookie: bigint;
  generation: number;
  /** whom the helpers' time is charged to, see Helpers in kernel-addon.ts */
  charge: number;
}

/** dispatcher -> provider worker, through piscina. */
export interface NegotiateTask extends Held {
  provider: ProviderName;
  role: Role;
  peerNames: string[];
  /** CLOCK_MONOTONIC nanoseconds when a provider was first asked */
  askedNs: number;
  timeoutMs: number;
  /** for out-of-band providers only: what names the connection */
  connection?: ConnectionId;
}

/**
 * pool -> one of its workers, through piscina, since a worker without a task hears nothing else: collect your garbage. The answer is the worker's
 * threadId.
 */
export interface RestTask {
  type: 'rest';
}

/** A connection without its socket. */
export interface ConnectionId {
  tuple: Tuple;
  /** our initial sequence number and the peer's */
  iss: number;
  irs: number;
}

/** What a negotiation came to, without secrets. */
export interface NegotiationSummary {
  provider: ProviderName;
  cipher: CipherName;
  tlsVersion: string;
  peerName: string;
  /** CLOCK_MONOTONIC nanoseconds when a provider was first asked, and when its worker began it */
  askedNs: number;
  startedNs: number;
  negotiationMs: number;
}

/** provider worker -> dispatcher, the settled task. With `ok` the descriptor has gone to the installer, else it is the dispatcher's again. */
export type NegotiateResult =
  | { ok: true; resumed: boolean }
  | {
      ok: false;
      code: string;
      reason: string;
      peerNames: string[];
      /** all that the peer can have sent is its part of a handshake of ours */
      handshakeOnly: boolean;
      bytesSent: number;
      bytesReceived: number;
      negotiationMs: number;
    };

/** provider worker -> installer. */
export interface Negotiated extends Held {
  type: 'negotiated';
  role: Role;
  summary: NegotiationSummary;
  /** the traffic secrets; the installer's from here on, which takes or discards them */
  secrets: SecretHandle;
  txSequence: bigint;
  rxSequence: bigint;
  bytesSent: number;
  bytesReceived: number;
}

/** dispatcher -> installer: the end of connections and of descriptors. */
export type InstallerCommand =
  | (Held & { type: 'refuse'; tgid: number })
  /** Shut the gate for good but let the connection end by itself, continue whoever stood still, close our descriptor. */
  | (Held & { type: 'forbid'; tgid: number })
  /** The program has closed it: end it without a reset, and close our descriptor. */
  | (Held & { type: 'hang-up'; handshakeOnly: boolean })
  /** Close our descriptor and continue whoever stood still; the connection itself is left alone. */
  | (Held & { type: 'close' })
  /** End a connection of which we hold no descriptor. `tgid`: a process in its network namespace, 0: not known. */
  | { type: 'destroy'; ticket: number; cookie: bigint; tuple: Tuple; tgid: number; charge: number }
  | { type: 'continue'; cookie: bigint };

/** installer -> dispatcher. */
export type InstallerReport =
  | {
      type: 'installed';
      ticket: number;
      summary: NegotiationSummary;
      /** CLOCK_MONOTONIC nanoseconds when the gate was open */
      openedNs: number;
      kernelUlp: string;
      kernelCipher: CipherName;
      kernelVersion: string;
      /** the socket has the record of how it was secured */
      remembered: boolean;
      continued: number;
    }
  /** The keys could not be set. The installer has refused the connection and closed the descriptor. */
  | { type: 'install-failed'; ticket: number; summary: NegotiationSummary; error: WireError }
  | { type: 'refused'; ticket: number; by: string; discardedBytes: number; continued: number; error?: WireError }
  | { type: 'closed'; ticket: number; continued: number; error?: WireError }
  | { type: 'destroyed'; ticket: number; found: boolean; error?: WireError };

/** main -> installer, over its message port (shared memory does not travel in msgpack). */
export type InstallerControl =
  | { type: 'add-ring'; id: number; ring: SharedArrayBuffer }
  | { type: 'drop-ring'; id: number }
  | { type: 'rest' }
  | { type: 'stop' };

/** What keys are made with, in its own words, and the file that it was found in. */
export interface LibraryReport {
  version: string;
  file: string;
}

/** A provider worker that has come up -> its pool, once, with the port transferred. */
export interface WorkerHello {
  type: 'hello';
  threadId: number;
  ring: SharedArrayBuffer;
  /** one Int32 that changes as long as the worker's event loop turns while it has tasks */
  pulse: SharedArrayBuffer;
  cancelPort: MessagePort;
  library: LibraryReport;
  /** what went wrong in the worker's handshake with itself, '' for nothing */
  rehearsal: string;
}

/** A provider worker -> its pool: something for the log that belongs to no flow. */
export interface WorkerLog {
  type: 'log';
  level: 'debug' | 'info' | 'warning';
  message: string;
}

/** pool -> provider worker, over the port from its hello. */
export interface CancelMessage {
  type: 'cancel';
  ticket: number;
}

/** How a worker is broken on purpose, in tests. `end`: its thread ends; `hang`: its event loop stands still. */
export type Fault = 'end' | 'hang';

/** pool -> provider worker, over the same port; heeded only where TLSHUB_TEST_HOOKS is set. */
export interface HangMessage {
  type: 'hang';
}

/** A thread that is not a pool's -> main: it is ready, or it cannot go on. */
export type ThreadReport =
  /** wakeFd: of the event reader, what to write to to end its poll */
  { type: 'ready'; wakeFd?: number } | { type: 'failed'; error: WireError };

/** main -> channel thread. What is about a session that has ended does nothing. */
export type ChannelCommand =
  /**
   * The first, and again whenever credentials, groups or the listener change: what there was is closed (`changed`), and answered by `begun`. Nobody
   * may open before the first `nodes`, which hold until the next. `listen` undefined: nobody comes in
   */
  | ({ type: 'begin'; listen: ListenAddress | undefined } & ChannelsOptions)
  | { type: 'nodes'; names: string[]; addresses: Uint8Array[] }
  | ({ type: 'open' } & ChannelTarget)
  | { type: 'accept'; id: number }
  | { type: 'reject'; id: number; why: ChannelRefusal; text: string }
  | { type: 'number-taken'; id: number; number: number }
  | { type: 'close'; id: number; why: ChannelClose }
  /** answered by `stats` */
  | { type: 'stats' }
  | { type: 'rest' }
  /** Peers are told (`leaving`), then the thread ends. */
  | { type: 'stop' };

/** channel thread -> main: of sessions all that Channels tells, and answers. */
export type ChannelNews =
  /** `round`: of which `begin` the session is, counted from 1; those of earlier ones end */
  | (ChannelEvent & { round: number })
  /**
   * `port` 0: nobody listens. With an error there are no channels (TLSHUB_CREDENTIALS), or none that come in (TLSHUB_CHANNEL_LISTEN); what was there
   * before is gone either way
   */
  | { type: 'begun'; port: number; error?: WireError }
  | ({ type: 'stats' } & ChannelStats);

/** Words of the block that a thread without an event loop shares (Int32Array; counts wrap at 2^32). STOP and REST are main's to set. */
export const ReaderStat = { RECORDS: 0, LOST: 1, STOP: 2, FULL: 3, REST: 4, WORDS: 5 } as const;

/**
 * Shapes of the messages that every flow costs, in the order of their keys as they are made. Both ends of a ring know them, so that they
 * travel without their keys; a message of any other shape carries its own. Part of the protocol: MESSAGE_VERSION covers it.
 */
export const MESSAGE_SHAPES: readonly (readonly string[])[] = [
  [
    'provider',
    'cipher',
    'tlsVersion',
    'peerName',
    'askedNs',
    'startedNs',
    'negotiationMs',
  ] satisfies (keyof NegotiationSummary)[],
  [
    'type',
    'ticket',
    'slot',
    'fd',
    'cookie',
    'generation',
    'charge',
    'role',
    'summary',
    'secrets',
    'txSequence',
    'rxSequence',
    'bytesSent',
    'bytesReceived',
  ] satisfies (keyof Negotiated)[],
  [
    'type',
    'ticket',
    'summary',
    'openedNs',
    'kernelUlp',
    'kernelCipher',
    'kernelVersion',
    'remembered',
    'continued',
  ] satisfies (keyof Extract<InstallerReport, { type: 'installed' }>)[],
];
