// SPDX-License-Identifier: Apache-2.0
/** `tlshub_netlink.node`: what of the TLSHub client is native. `TlshubClient` is the form of it for people. */

import type { CipherName, SecretHandle } from './words.js';

/** The operations of the module, as the wire numbers them. */
export const Opcode = { INIT: 0, START: 1, FETCH: 2 } as const;

export interface NativeTlshubOptions {
  /** netlink family number, 0..31 */
  protocol: number;
  /** netlink port id that answers: 0 is the kernel */
  peerPortId: number;
  /** sockets, and so requests under way at once; at least 2 */
  sockets: number;
}

export interface NativeTlshubRequest {
  opcode: (typeof Opcode)[keyof typeof Opcode];
  /** 4 bytes, network order */
  clientAddress: Uint8Array;
  serverAddress: Uint8Array;
  clientPort: number;
  serverPort: number;
  /** asked on the server's side */
  server: boolean;
  /** from now to the reply, in whole ms; waiting for a socket counts */
  timeoutMs: number;
}

export type NativeTlshubOutcome =
  | {
      ok: true;
      kind:
        | 'initialised'
        | 'handshake-first'
        | 'handshake-done'
        | 'already-connected'
        | 'handshake-failed'
        | 'key-none'
        | 'key-expired';
      text: string;
    }
  | {
      ok: true;
      kind: 'key';
      text: string;
      /** the master key */
      key: SecretHandle;
    }
  /** TLSHUB_MODULE_MISSING, TLSHUB_MODULE_TIMEOUT, TLSHUB_MODULE_PROTOCOL, TLSHUB_HANDSHAKE_CANCELLED or TLSHUB_SYS */
  | { ok: false; code: string; reason: string };

/** As src/tlshub/key-schedule.ts has them. */
export interface NativeConnectionNames {
  /** 4 bytes, network order */
  clientAddress: Uint8Array;
  serverAddress: Uint8Array;
  clientPort: number;
  serverPort: number;
  clientIsn: number;
  serverIsn: number;
  cipher: CipherName;
  clientNode: string;
  serverNode: string;
}

export interface NativeTlshubStatistics {
  inFlight: number;
  /** times that the kernel had no room for a reply (ENOBUFS) */
  lost: number;
  /** messages that were not the peer's */
  foreign: number;
  /** replies that answered nothing */
  stray: number;
  /** sockets opened */
  opened: number;
}

export interface NativeTlshubClient {
  /**
   * Returns an id for cancel(). `done` is called once, never from inside request().
   * @throws TypeError for bad arguments, Error with code TLSHUB_CLIENT_CLOSED
   */
  request(request: NativeTlshubRequest, done: (outcome: NativeTlshubOutcome) => void): number;
  cancel(id: number): void;
  statistics(): NativeTlshubStatistics;
  /** Cancels all and closes the sockets. */
  close(): void;
}

export interface TlshubAddon {
  /** One per thread: its epoll set is watched by this thread's event loop. `log` gets the module's log lines. */
  Client: new (options: NativeTlshubOptions, log: (line: string) => void) => NativeTlshubClient;
  /**
   * From a master key to the two traffic secrets of a connection (docs/TLSHUB_API.md). The master key is used up.
   * @throws NativeError TLSHUB_SECRETS: there is no such key, or no memory
   */
  deriveSecrets(key: SecretHandle, names: NativeConnectionNames): SecretHandle;
  /**
   * What is under a handle, used up: a master key, or both traffic secrets, the client's first. For programs that use the package, and for
   * tests: the agent never calls it.
   * @throws NativeError TLSHUB_SECRETS
   */
  revealSecret(handle: SecretHandle): Uint8Array;
  discardSecret(handle: SecretHandle): void;
  /**
   * Asks the module's generic netlink family "tlshub" (kmod/tlshub/uapi/tlshub.h), and waits for the answer: for commands, not for the agent.
   * @param attributes of the request; zeros afterwards
   * @param dump all that there are
   * @returns the attributes of each message of the answer
   * @throws NativeError TLSHUB_MODULE_MISSING, TLSHUB_MODULE_PROTOCOL, TLSHUB_SYS (with errno: what the kernel refuses)
   */
  control(command: number, dump: boolean, attributes: Uint8Array): Uint8Array[];
}
