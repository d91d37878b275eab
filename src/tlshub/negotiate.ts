// SPDX-License-Identifier: Apache-2.0
/**
 * One connection's way to its secrets by TLSHub, without a word to the peer's agent: fetch the key; if there is none, the client's side
 * asks for a handshake and fetches again, and the server's side fetches until the client's has made one. docs/TLSHUB_API.md describes it.
 */
import { TlshubError, toWire } from '../shared/errors/errors.js';
import type { ConnectionId } from '../shared/ipc/messages.js';
import type { NativeConnectionNames } from '../shared/kernel/tlshub-addon.js';
import type { CipherName, Role, SecretHandle } from '../shared/kernel/words.js';
import { ipv4Of, type LookUpResult, type TlshubClient, type TlshubTuple } from './client.js';

export interface OutOfBandRequest extends ConnectionId {
  role: Role;
  /** nodes that the peer may be, by the mapping */
  peerNames: readonly string[];
  /** from now to the end of the negotiation, in ms */
  timeoutMs: number;
  signal: AbortSignal;
  /** The first byte that waits on the connection, -1: none yet, -2: the peer has closed. Throws when it was reset. */
  peek(): Promise<number>;
}

export interface OutOfBandOptions {
  client: Pick<TlshubClient, 'handshake' | 'lookUpKey'>;
  /** from a master key, which it uses up, to traffic secrets; deriveSecrets() of the addon */
  derive(key: SecretHandle, names: NativeConnectionNames): SecretHandle;
  nodeName: string;
  cipher: CipherName;
}

/** A look-up is a matter of microseconds: what takes longer is lost, and asked for again. In ms. */
const FETCH_MS = 2000;
/** Between two look-ups, in ms: at first soon, since the other side has begun already. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;
/** Content types of TLS records, RFC 8446, 5.1. */
const RECORD_HANDSHAKE = 22;
const RECORD_DATA = 23;

export interface OutOfBandKeys {
  /** the traffic secrets */
  secrets: SecretHandle;
  /** the peer's node */
  peerName: string;
}

/** @throws TlshubError with the code of what went wrong; nothing of the key is left behind then */
export async function negotiateOutOfBand(request: OutOfBandRequest, options: OutOfBandOptions): Promise<OutOfBandKeys> {
  const { role, iss, irs } = request;
  const tuple = namesOf(request);
  const [peerName, ...others] = request.peerNames;
  if (peerName === undefined || others.length > 0) {
    const nodes = request.peerNames.join(', ');
    throw new TlshubError('TLSHUB_PEER_AMBIGUOUS', `the peer's address belongs to several nodes: ${nodes}`);
  }
  const key = await new Acquisition(request, options, tuple).masterKey();
  const active = role === 'active';
  const secrets = options.derive(key, {
    ...tuple,
    clientIsn: active ? iss : irs,
    serverIsn: active ? irs : iss,
    cipher: options.cipher,
    clientNode: active ? options.nodeName : peerName,
    serverNode: active ? peerName : options.nodeName,
  });
  return { secrets, peerName };
}

type Names = TlshubTuple & { clientAddress: Uint8Array; serverAddress: Uint8Array };

function namesOf({ role, tuple }: OutOfBandRequest): Names {
  const local = ipv4Of(tuple.local);
  const remote = ipv4Of(tuple.remote);
  if (local === undefined || remote === undefined) {
    throw new TlshubError('TLSHUB_IPV4_ONLY', 'TLSHub has no keys for IPv6 connections');
  }
  const ours = { address: local, port: tuple.lport };
  const theirs = { address: remote, port: tuple.rport };
  const [client, server] = role === 'active' ? [ours, theirs] : [theirs, ours];
  return {
    clientAddress: client.address,
    serverAddress: server.address,
    clientPort: client.port,
    serverPort: server.port,
  };
}

class Acquisition {
  private readonly deadline: number;
  /** what the module said last */
  private answer: LookUpResult | undefined;

  constructor(
    private readonly request: OutOfBandRequest,
    private readonly options: OutOfBandOptions,
    private readonly tuple: Names,
  ) {
    this.deadline = performance.now() + request.timeoutMs;
  }

  async masterKey(): Promise<SecretHandle> {
    const { role, signal } = this.request;
    let key = await this.fetch();
    if (key === undefined && role === 'active') {
      const timeoutMs = Math.max(1, this.left());
      const handshake = await this.options.client.handshake(this.tuple, { timeoutMs, signal });
      if (handshake.status === 'failed') {
        const why = handshake.message === '' ? '' : `: ${handshake.message}`;
        throw new TlshubError('TLSHUB_MODULE_REFUSED', `TLSHub's handshake with the peer's node failed${why}`);
      }
      key = await this.fetch();
    }
    for (let pause = FIRST_PAUSE_MS; key === undefined; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      if (role === 'passive') await this.checkPeer();
      if (this.left() <= 0) throw this.noKey();
      await sleep(Math.min(pause, this.left()), signal);
      key = await this.fetch();
    }
    return key;
  }

  /** undefined: there is none yet, or the answer did not come in time */
  private async fetch(): Promise<SecretHandle | undefined> {
    const { role, signal } = this.request;
    const timeoutMs = Math.min(FETCH_MS, Math.max(1, this.left()));
    try {
      this.answer = await this.options.client.lookUpKey(this.tuple, { server: role === 'passive', timeoutMs, signal });
      return this.answer.status === 'ok' ? this.answer.key : undefined;
    } catch (error) {
      if (error instanceof TlshubError && error.code === 'TLSHUB_MODULE_TIMEOUT') return undefined;
      throw error;
    }
  }

  /** A peer that speaks already, and not in records of ours, will not get a key. */
  private async checkPeer(): Promise<void> {
    const seen = await this.peek();
    if (seen === -2) throw new TlshubError('TLSHUB_PEER_CLOSED', 'the peer closed the connection before it had a key');
    if (seen === -1 || seen === RECORD_DATA) return;
    const what =
      seen === RECORD_HANDSHAKE
        ? 'the peer begins a TLS handshake on the connection: its node is in another mode than tlshub'
        : 'the peer sends what is no TLS record: is it captured?';
    throw new TlshubError('TLSHUB_PEER_PROTOCOL', what);
  }

  private async peek(): Promise<number> {
    try {
      return await this.request.peek();
    } catch (cause) {
      const { code, message } = toWire(cause);
      if (code === 'TLSHUB_HELPER_LOST' || code === 'TLSHUB_OWNER_STUCK')
        throw new TlshubError(code, message, { cause });
      throw new TlshubError('TLSHUB_PEER_RESET', 'the peer reset the connection', { cause });
    }
  }

  private noKey(): TlshubError {
    const { role, timeoutMs } = this.request;
    if (this.answer === undefined) return new TlshubError('TLSHUB_MODULE_TIMEOUT', 'the TLSHub module does not answer');
    const state = this.answer.status === 'expired' ? 'only a key that has expired' : 'no key';
    const hint = role === 'passive' ? ': has the peer asked for one (mode = tlshub)?' : ' after its handshake';
    return new TlshubError('TLSHUB_NO_KEY', `TLSHub had ${state} for the connection within ${timeoutMs} ms${hint}`);
  }

  private left(): number {
    return this.deadline - performance.now();
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(new TlshubError('TLSHUB_HANDSHAKE_CANCELLED', 'the agent gave the connection up'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
