// SPDX-License-Identifier: Apache-2.0
/** What `tlshub_openssl.node` and `tlshub_boringssl.node` offer. Errors: native.ts. */
import type { CipherName, Role, SecretHandle } from './words.js';

/** `tlshub_openssl.node` and its twin `tlshub_boringssl.node`: the in-band handshake. */
export interface HandshakeAddon {
  /** The library's own version string. */
  libraryVersion(): string;
  /** The file whose functions are called: a shared library, or the program that carries them. */
  libraryFile(): string;
  /** PEM texts in; throws `TLSHUB_CREDENTIALS` with what is wrong (unparsable, key does not match, no CA). */
  createContext(credentials: HandshakeCredentials): HandshakeContext;
  /**
   * One per thread: its own epoll set, watched by this thread's event loop.
   * @param helperParentFd of KernelAddon.helperParentPair: then helper processes make all system calls on sockets that may wait for who has
   *   them too. Without: sockets of our own
   */
  createDriver(helperParentFd?: number): HandshakeDriver;
}

export interface HandshakeCredentials {
  caPem: string;
  certPem: string;
  keyPem: string;
  ciphers: CipherName[];
  /** 80 random bytes, the same for all threads of a provider; without it no session is ever resumed (RFC 8446, 2.2) */
  ticketKey?: Uint8Array;
}

export type HandshakeContext = { readonly __context: unique symbol };

export interface HandshakeRequest {
  /** borrowed: the driver never closes it */
  fd: number;
  /** whom helpers' time is charged to, if there are any; default: nobody */
  charge?: number;
  role: Role;
  /** node names, any of which the peer's certificate must carry as a DNS SAN */
  peerNames: string[];
  /** from now to the end of the handshake */
  timeoutMs: number;
  /** also return NSS key log lines (tests only) */
  keyLog: boolean;
}

export type HandshakeFailureCode =
  | 'TLSHUB_HANDSHAKE_TIMEOUT'
  | 'TLSHUB_HANDSHAKE_CANCELLED'
  | 'TLSHUB_PEER_CLOSED'
  | 'TLSHUB_PEER_RESET'
  | 'TLSHUB_PEER_CERTIFICATE'
  | 'TLSHUB_PEER_REFUSED_US'
  | 'TLSHUB_PEER_PROTOCOL'
  | 'TLSHUB_HELPER_LOST'
  | 'TLSHUB_OWNER_STUCK'
  | 'TLSHUB_HANDSHAKE_FAILED';

export type HandshakeOutcome =
  | {
      ok: true;
      cipher: CipherName;
      tlsVersion: 'TLSv1.3';
      /** client_application_traffic_secret_0 and server_application_traffic_secret_0 */
      secrets: SecretHandle;
      /** the library has left nothing of them in memory that it has freed; false: perhaps */
      wiped: boolean;
      /** application records already sent and received under those secrets (post-handshake messages) */
      txSequence: bigint;
      rxSequence: bigint;
      bytesSent: number;
      bytesReceived: number;
      /** without certificates, from the session of an earlier handshake with the same node */
      resumed: boolean;
      peerName: string;
      durationNs: bigint;
      keyLog: string[];
    }
  | {
      ok: false;
      code: HandshakeFailureCode;
      /** a sentence for the log: what failed and what it says about whom */
      reason: string;
      /** names in the peer's certificate, if one was seen */
      peerNames: string[];
      /** all that the peer can have sent is its part of the handshake */
      handshakeOnly: boolean;
      bytesSent: number;
      bytesReceived: number;
      durationNs: bigint;
    };

export interface HandshakeDriver {
  /** Returns an id for cancel(). `done` is called once, never from inside start(). Throws only for bad arguments. */
  start(context: HandshakeContext, request: HandshakeRequest, done: (outcome: HandshakeOutcome) => void): number;
  cancel(id: number): void;
  inFlight(): number;
  /** Cancels all and frees the epoll set. */
  close(): void;
}
