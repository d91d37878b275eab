// SPDX-License-Identifier: Apache-2.0
/** One connection as users are shown it: `tlshubctl flows`, its --json, the access to it over the control socket. */
import type { Hold } from '../shared/kernel/abi.js';
import type { CipherName, Role } from '../shared/kernel/words.js';

export type FlowState = 'held' | 'negotiating' | 'secured' | 'plaintext' | 'refused' | 'closed';

export const FLOW_STATES: readonly FlowState[] = ['held', 'negotiating', 'secured', 'plaintext', 'refused', 'closed'];

/**
 * How two agents come by the keys of a connection. `channel`: each works them out alone, from an epoch that both have (docs/CHANNEL.md); `in-band`: by a
 * handshake on the connection itself; `out-of-band`: both have them from TLSHub.
 */
export type Exchange = 'channel' | 'in-band' | 'out-of-band';

export const EXCHANGES: readonly Exchange[] = ['channel', 'in-band', 'out-of-band'];

/** One connection, as `tlshubctl flows --json` shows it. Null: not known, or not yet. */
export interface FlowReport {
  /** of the socket, decimal */
  cookie: string;
  role: Role;
  /** the side that connected */
  src: string;
  sport: number;
  dst: string;
  dport: number;
  pid: number | null;
  comm: string | null;
  /** the pod at the peer's address, or the service whose address it is, by the mapping */
  pod: string | null;
  /** the node name that the peer's certificate proved */
  peerNode: string | null;
  provider: string | null;
  exchange: Exchange | null;
  /** the epoch that its keys are of; null: of none */
  epoch: number | null;
  cipher: CipherName | null;
  tlsVersion: string | null;
  state: FlowState;
  /** why it is in this state; empty if there is nothing to say */
  reason: string;
  /** stable code of the reason (`tlshubctl explain CODE`), empty where nothing has failed; and what to do about it */
  code: string;
  remedy: string;
  /** since its SYN or SYN-ACK, as far as that is known; else since the agent learned of it */
  ageMs: number;
  /** from the SYN (active) or our SYN-ACK (passive) to the connection being established */
  synMs: number | null;
  /** from the connection being established to the gate opening; the four parts below add up to it */
  holdMs: number | null;
  /** until the provider is asked: the active side's way to the agent, the passive side's wait for its program to accept too */
  dispatchMs: number | null;
  /** until a worker begins with it: for a place in the pool */
  queueMs: number | null;
  negotiationMs: number | null;
  /** from the end of the negotiation until both directions are open */
  installMs: number | null;
  /** that the program has sent and read, by the kernel's counters as last seen */
  bytesSent: number | null;
  bytesReceived: number | null;
  /** getsockopt(TCP_ULP) after the install: the kernel's own answer */
  kernelUlp: string | null;
  /** how its callers were held: by putting a thread to sleep, by stopping a process, or nobody was, as last seen in the kernel */
  hold: Hold;
}
