// SPDX-License-Identifier: Apache-2.0
/**
 * A key provider, as the dispatcher sees it. There are two kinds:
 *   - in-band: it speaks with the peer on the flow's own socket, so it needs the established, accepted socket (OpenSSL).
 *   - out-of-band: it needs only the flow's names, may start at EVENT_CONNECT while the SYN travels, and never touches the socket.
 * Either way keys go from the provider's thread to the installer and never through the dispatcher.
 */
import type { ProviderStatus } from '../../report/status.js';
import type { Fault, Held, LibraryReport, NegotiateResult } from '../../shared/ipc/messages.js';
import type { Role } from '../../shared/kernel/words.js';
import type { ProviderName, Tuple } from '../../shared/kernel/abi.js';

export type { ProviderName };

/** What both sides know of a flow without its socket. */
export interface FlowNames {
  role: Role;
  tuple: Tuple;
  /** our initial sequence number and the peer's; both 0 before the connection is established */
  iss: number;
  irs: number;
  /** nodes that the peer may be, by the mapping of its address */
  peerNames: string[];
}

export interface NegotiationRequest {
  names: FlowNames;
  /** Borrowed until `outcome` settles; always there for an in-band provider. */
  socket: Held | undefined;
  /** CLOCK_MONOTONIC nanoseconds when a provider was first asked for this flow */
  askedNs: number;
  /** how long it may wait for a place, in ms */
  waitMs: number;
  /** from its beginning to the end of the negotiation, in ms: how long the peer may be silent */
  timeoutMs: number;
  /** the peer's marker says that it has an agent: one that is silent is waiting for a place of its own, and has as long as we */
  peerHasAgent: boolean;
}

/** `lost`: the worker died with it, so nobody knows how far it got. */
export type NegotiationOutcome = NegotiateResult | { ok: false; lost: true; code: string; reason: string };

export interface Negotiation {
  /** Never rejects. */
  outcome: Promise<NegotiationOutcome>;
  /** Asks for an early end; the outcome then comes soon, as a failure or as a success that was faster. */
  cancel(): void;
}

/** What `status` shows of a provider, apart from what its switch knows. */
export interface ProviderStats extends Omit<ProviderStatus, 'name' | 'state' | 'libraryVersion' | 'libraryFile'> {
  name: ProviderName;
  /** undefined until a worker has said so */
  library: LibraryReport | undefined;
}

export interface Provider {
  readonly name: ProviderName;
  readonly kind: 'in-band' | 'out-of-band';
  /** undefined: no place and the queue is full. `onRoom` says when to ask again. */
  negotiate(request: NegotiationRequest): Negotiation | undefined;
  /** Called, when there is room again, after a refusal for want of it. */
  onRoom(listener: () => void): void;
  stats(): ProviderStats;
  /** Has its threads collect their garbage, one after the other, so that the others can work. Resolves with how many have. Never rejects. */
  rest(): Promise<number>;
  /** For tests: breaks one of its workers. False: there is none. */
  breakWorker(fault: Fault): boolean;
  /** Ends its threads. Negotiations under way settle as failures. */
  close(): Promise<void>;
}
