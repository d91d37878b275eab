// SPDX-License-Identifier: Apache-2.0
/** What a thread's helpers do for it on the sockets of other processes (native/domain/helper/wire.h). */
import type { CipherName, Role, SecretHandle } from './words.js';

/** What every task has. */
interface TaskOf {
  cookie: bigint;
  generation: number;
  /** of the owner; `end` and `destroy`: any process of its network namespace, 0: not known */
  tgid: number;
  /** whom the time of the helpers is charged to, 0: nobody. All with one number share what one owner may use at once */
  charge: number;
}

/** Who holds the socket, as the kernel told it. `startBoottime` and the like are nanoseconds. */
export interface SocketOwner {
  tgid: number;
  /** a hint; -1: not known, look for the inode */
  fd: number;
  inode: bigint;
  startBoottime: bigint;
  cookie: bigint;
}

/** A connection to be taken. `fd` of the owner is a hint, -1: not known. */
export type TakeRequest = TaskOf &
  Pick<SocketOwner, 'fd' | 'inode'> & {
    /** where it is not at that number: up to 100 ms of processor time */
    search: boolean;
  };

export interface TakenSocket {
  /** ours, until one of the last tasks (`install`, `end`) has it */
  fd: number;
  /** false: the connection has left ESTABLISHED (a FIN came before the program accepted it), or the socket has another connection by now */
  live: boolean;
}

/** What a search for a socket came to. */
export interface Searched {
  /** processor time of the helper that searched, in ms */
  cpuMs: number;
}

/** The keys of a connection, and what is remembered of how it came by them. */
export interface KeysToSet {
  cipher: CipherName;
  /** ours: which secret is of what we send */
  role: Role;
  /** the traffic secrets. Keys are derived as RFC 8446, 7.3, has it */
  secrets: SecretHandle;
  txSequence: bigint;
  rxSequence: bigint;
  /** plaintext bytes the handshake wrote to and read from the socket: checked against the kernel's sequence numbers */
  handshakeBytesSent: number;
  handshakeBytesReceived: number;
  /** for the record that stays with the socket (struct tlshub_secured): enum tlshub_provider; CLOCK_MONOTONIC nanoseconds; a node name */
  provider: number;
  askedNs: bigint;
  startedNs: bigint;
  negotiationNs: bigint;
  peerNode: string;
}

/** The secrets are used up, whatever comes of it. */
export interface InstallRequest extends TaskOf, KeysToSet {
  fd: number;
}

export interface InstallResult {
  /** getsockopt(TCP_ULP) after the install: what the kernel says */
  kernelUlp: string;
  /** cipher and version read back by getsockopt(SOL_TLS) */
  kernelCipher: CipherName;
  kernelVersion: string;
  /** processes that stood still for this flow and were continued */
  continued: number;
  /** CLOCK_MONOTONIC when both directions were open */
  openedNs: bigint;
  /** the record stays with the socket: nobody else need know how it was secured. False: no memory, or a node's name of over 215 characters */
  remembered: boolean;
}

/** A connection whose keys are there before its socket is taken. */
export type SecureRequest = TakeRequest & KeysToSet;

/** Secured; or not live (see TakenSocket), and then its secrets have not been used. */
export type SecuredSocket = Searched &
  ((InstallResult & { live: true }) | (TakenSocket & { live: false; secrets: SecretHandle }));

/** Why a socket was not secured. */
export interface NotSecured extends Error {
  /** it was taken, and has been refused and let go of */
  refused: boolean;
  /** as long as nobody can have used them */
  secrets?: SecretHandle;
}

export type EndHow = 'refuse' | 'forbid' | 'hang-up' | 'close';

export interface EndRequest extends TaskOf {
  fd: number;
  /** for `hang-up`: all that the peer can have sent is its part of a handshake of ours; what a program has sent is not thrown away */
  handshakeOnly: boolean;
}

export interface EndResult {
  /** how a refused connection was ended */
  by: 'disconnect' | 'sock_destroy' | 'already-closed';
  discardedBytes: number;
  continued: number;
}

export interface TupleBytes {
  local: Uint8Array;
  remote: Uint8Array;
  lport: number;
  rport: number;
}

/** What a helper came to. Errors have `cpuMs`, its processor time. Codes of its own: TLSHUB_HELPER_LOST, TLSHUB_OWNER_STUCK. */
export type HelperAnswer<T> = T | Error;

export interface HelperFigures {
  idle: number;
  busy: number;
  /** of the busy ones: longer at their task than others should wait for */
  slow: number;
  /** given up and not ended yet */
  lost: number;
  /** since the start */
  begun: number;
  lostEver: number;
  /** tasks that were not begun, since too many of their owner's were lost */
  refused: number;
}

/**
 * This thread's helpers: processes that make its system calls on programs' sockets, since any of those may wait for the program
 * (native/domain/helper/wire.h). `done` is called once, never from inside. A last task (`install`, `end`) closes its descriptor.
 */
export interface Helpers {
  /**
   * A descriptor of our own for another process's socket. The hint's cookie must match, else the socket is looked up by inode.
   * Attaches the "tls" ULP and claims the connection at once. Until a last task nobody comes back from closing the program's last one.
   * Codes: TLSHUB_SOCKET_GONE (process or descriptor gone), TLSHUB_SOCKET_FOREIGN_TLS (its ULP or keys are not ours),
   * TLSHUB_SOCKET_SECURED (by us, before), TLSHUB_SYS.
   */
  take(request: TakeRequest, done: (taken: HelperAnswer<TakenSocket & Searched>) => void): void;
  /**
   * `take` and `install` in one, without a descriptor of ours in between. If the keys cannot be set, refuses. Codes as of both.
   * @throws NativeError TLSHUB_SECRETS: no keys can be made; then nothing was begun, and the secrets are gone
   */
  secure(request: SecureRequest, done: (result: SecuredSocket | NotSecured) => void): void;
  /** Whether this process, or a child of its, still has a descriptor of the socket. True too when that cannot be told. */
  has(request: TakeRequest, done: (found: HelperAnswer<{ has: boolean } & Searched>) => void): void;
  /** The first byte of what there is to read; -1: nothing yet, -2: the end. */
  peek(request: TaskOf & { fd: number }, done: (seen: HelperAnswer<number>) => void): void;
  /**
   * Sets both keys and opens the gate; if that fails, refuses.
   * @throws NativeError TLSHUB_SECRETS: no keys can be made; then the descriptor is as it was
   */
  install(request: InstallRequest, done: (result: HelperAnswer<InstallResult>) => void): void;
  /**
   * `refuse`: shuts the gate for good and ends the connection. `forbid`: shuts the gate, but lets the connection end by itself: the peer's
   * FIN without one byte of its program before it is still to be read. `hang-up`: the program has closed it; the peer is to see that it ends, and no
   * reset. `close`: leaves it alone.
   */
  end(how: EndHow, request: EndRequest, done: (result: HelperAnswer<EndResult>) => void): void;
  /** Ends a connection nobody handed us a descriptor of. False: there is no such connection. */
  destroy(request: TaskOf & { tuple: TupleBytes }, done: (found: HelperAnswer<boolean>) => void): void;
  /**
   * Has TCP take what TLS still has of a connection whose program shuts its sending side, and continues the program. Codes as of `take`;
   * the program is continued in any case.
   */
  pushOut(request: TakeRequest, done: (pushed: HelperAnswer<{ continued: number } & Searched>) => void): void;
  /**
   * Closes the record that the program of a secured connection has left open, and lets TCP have it. False: there is none, or somebody is just
   * sending. Codes as of `take`.
   */
  pushRecord(request: TakeRequest, done: (result: HelperAnswer<{ pushed: boolean } & Searched>) => void): void;
  figures(): HelperFigures;
  close(): void;
}
