// SPDX-License-Identifier: Apache-2.0
/**
 * The client of the TLSHub kernel module: mutual TLS between nodes, whose result is a master key for each connection. docs/TLSHUB_API.md
 * describes the API, the messages and what becomes of a key.
 */
import { isIPv4Mapped, parseAddress } from '../shared/net/address.js';
import { TlshubError } from '../shared/errors/errors.js';
import { tlshubNetlink } from '../shared/kernel/native.js';
import type { SecretHandle } from '../shared/kernel/words.js';
import { printable } from '../shared/text/printable.js';
import {
  Opcode,
  type NativeTlshubClient,
  type NativeTlshubOutcome,
  type NativeTlshubStatistics,
} from '../shared/kernel/tlshub-addon.js';

/** A connection as both ends name it: from the side that connects (client) to the side that accepts (server). IPv4 only. */
export interface TlshubTuple {
  /** dotted text, or 4 bytes in network order */
  clientAddress: string | Uint8Array;
  serverAddress: string | Uint8Array;
  clientPort: number;
  serverPort: number;
}

/** `first`: of these two nodes; `done`: not the first; `already-connected`: the module has a key for this tuple. */
export type HandshakeResult =
  | { status: 'first' | 'done' | 'already-connected' }
  /** `message`: what the module says about it, perhaps nothing */
  | { status: 'failed'; message: string };

/** The same for who leaves the key in native memory: the agent. */
export type LookUpResult = { status: 'ok'; key: SecretHandle } | { status: 'none' } | { status: 'expired' };

export type FetchKeyResult =
  /** 32 bytes: derive keys from it (deriveTrafficSecrets), never use it as it is, and wipe it with fill(0) */
  | { status: 'ok'; masterKey: Uint8Array }
  /** no handshake yet for this tuple, on this node */
  | { status: 'none' }
  | { status: 'expired' };

export interface TlshubClientOptions {
  /** netlink protocol of the module; default 31 */
  protocol?: number;
  /** netlink port id that answers; default 0, the kernel. Another one is a stand-in for tests. */
  peerPortId?: number;
  /** sockets, and so requests under way at once; default 4 */
  sockets?: number;
  /** for each request, unless it says otherwise; default 30 s */
  timeoutMs?: number;
  /** a line of the module's log; default: ignored */
  onLog?: (line: string) => void;
}

export interface RequestOptions {
  timeoutMs?: number;
  /** cancels the request: it rejects with TLSHUB_HANDSHAKE_CANCELLED */
  signal?: AbortSignal;
}

export interface FetchKeyOptions extends RequestOptions {
  /** this node is the server's; default false */
  server?: boolean;
}

const NO_ADDRESS = new Uint8Array(4);
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_SOCKETS = 4;
export const TLSHUB_PROTOCOL = 31;

/**
 * The IPv4 address in 16 bytes as flows carry it, or undefined for an IPv6 address.
 * @param address 16 bytes, network order
 */
export function ipv4Of(address: Uint8Array): Uint8Array | undefined {
  return isIPv4Mapped(address) ? address.subarray(12, 16) : undefined;
}

function addressBytes(address: string | Uint8Array, what: string): Uint8Array {
  const bytes = typeof address === 'string' ? ipv4Of(parseAddress(address)) : address;
  if (bytes?.length === 4) return bytes;
  throw new TlshubError('TLSHUB_IPV4_ONLY', `${what} is no IPv4 address: TLSHub names connections by IPv4 addresses`);
}

function unexpected(what: string, kind: string): TlshubError {
  return new TlshubError('TLSHUB_MODULE_PROTOCOL', `the TLSHub module answered ${what} with "${kind}"`);
}

export class TlshubClient {
  private readonly native: NativeTlshubClient;
  private readonly timeoutMs: number;

  /** @throws TlshubError when the kernel gives no descriptors; whether the module is there is seen by init() */
  constructor(options: TlshubClientOptions = {}) {
    const onLog = options.onLog ?? (() => undefined);
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.native = new (tlshubNetlink().Client)(
      {
        protocol: options.protocol ?? TLSHUB_PROTOCOL,
        peerPortId: options.peerPortId ?? 0,
        sockets: options.sockets ?? DEFAULT_SOCKETS,
      },
      (line) => onLog(printable(line)),
    );
  }

  /**
   * Announces this node to the module. To be called once, before anything else.
   * @throws TlshubError (by rejection) TLSHUB_MODULE_MISSING, TLSHUB_MODULE_TIMEOUT, TLSHUB_MODULE_PROTOCOL, TLSHUB_SYS; the other methods
   * reject with the same
   */
  async init(options: RequestOptions = {}): Promise<void> {
    const none = { clientAddress: NO_ADDRESS, serverAddress: NO_ADDRESS, clientPort: 0, serverPort: 0 };
    const { kind } = await this.request(Opcode.INIT, none, true, options);
    if (kind !== 'initialised') throw unexpected('INIT', kind);
  }

  /** Asks the module for a handshake with the server's node. A handshake that failed is a result, not an error. */
  async handshake(tuple: TlshubTuple, options: RequestOptions = {}): Promise<HandshakeResult> {
    const { kind, text } = await this.request(Opcode.START, tuple, false, options);
    switch (kind) {
      case 'handshake-first':
        return { status: 'first' };
      case 'handshake-done':
        return { status: 'done' };
      case 'already-connected':
        return { status: 'already-connected' };
      case 'handshake-failed':
        return { status: 'failed', message: printable(text) };
      default:
        throw unexpected('START', kind);
    }
  }

  /**
   * The master key of a connection, if a handshake has made one. Its bytes are in JavaScript from here on, and a copy of them may stay in the
   * heap whatever the caller wipes.
   */
  async fetchKey(tuple: TlshubTuple, options: FetchKeyOptions = {}): Promise<FetchKeyResult> {
    const found = await this.lookUpKey(tuple, options);
    return found.status === 'ok' ? { status: 'ok', masterKey: tlshubNetlink().revealSecret(found.key) } : found;
  }

  /** As fetchKey, but the key stays where it is. */
  async lookUpKey(tuple: TlshubTuple, options: FetchKeyOptions = {}): Promise<LookUpResult> {
    const reply = await this.request(Opcode.FETCH, tuple, options.server ?? false, options);
    switch (reply.kind) {
      case 'key':
        return { status: 'ok', key: reply.key };
      case 'key-none':
        return { status: 'none' };
      case 'key-expired':
        return { status: 'expired' };
      default:
        throw unexpected('FETCH', reply.kind);
    }
  }

  statistics(): NativeTlshubStatistics {
    return this.native.statistics();
  }

  /** Requests under way reject with TLSHUB_HANDSHAKE_CANCELLED. */
  close(): void {
    this.native.close();
  }

  private request(
    opcode: (typeof Opcode)[keyof typeof Opcode],
    tuple: TlshubTuple,
    server: boolean,
    { timeoutMs = this.timeoutMs, signal }: RequestOptions,
  ): Promise<Extract<NativeTlshubOutcome, { ok: true }>> {
    return new Promise((resolve, reject) => {
      const cancelled = (): TlshubError =>
        new TlshubError('TLSHUB_HANDSHAKE_CANCELLED', 'the request to the TLSHub module was cancelled');
      if (signal?.aborted === true) {
        reject(cancelled());
        return;
      }
      const request = {
        opcode,
        clientAddress: addressBytes(tuple.clientAddress, "the client's address"),
        serverAddress: addressBytes(tuple.serverAddress, "the server's address"),
        clientPort: tuple.clientPort,
        serverPort: tuple.serverPort,
        server,
        timeoutMs: Math.max(1, Math.ceil(timeoutMs)),
      };
      const abort = (): void => this.native.cancel(id);
      const id = this.native.request(request, (outcome) => {
        signal?.removeEventListener('abort', abort);
        if (outcome.ok) resolve(outcome);
        else reject(new TlshubError(outcome.code, outcome.reason));
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}
