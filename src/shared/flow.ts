/** A flow as other processes see it: `tlshubctl flows --json`. */
import type { Role } from './native.js';

/**
 * held: its program waits, nothing has begun. negotiating: keys are being made or installed. secured: the kernel encrypts it.
 * plaintext: policy lets it go as it is. refused: ended by us or by the gate. closed: the connection is over.
 */
export type FlowState = 'held' | 'negotiating' | 'secured' | 'plaintext' | 'refused' | 'closed';

export const FLOW_STATES: readonly FlowState[] = ['held', 'negotiating', 'secured', 'plaintext', 'refused', 'closed'];

/** One flow. Addresses and ports go from the side that connected (src) to the side that accepted (dst), on both nodes alike. */
export interface FlowReport {
  /** the kernel's socket cookie, decimal */
  cookie: string;
  generation: number;
  role: Role;
  src: string;
  sport: number;
  dst: string;
  dport: number;
  /** 0: not known */
  pid: number;
  comm: string;
  /** the pod on this side, or '' */
  pod: string;
  /** the node that the peer proved to be; before that, the nodes it may be, with `|` between them */
  peerNode: string;
  /** '' until one is asked */
  provider: string;
  cipher: string;
  tlsVersion: string;
  state: FlowState;
  /** why it is refused or closed */
  reason: string;
  /** stable code of that reason, or '' */
  code: string;
  /** true once the kernel encrypted both directions, and from then on, also after it closed */
  secured: boolean;
  /** milliseconds; null: has not happened. From established to the gate open */
  holdMs: number | null;
  /** the provider's handshake alone */
  negotiationMs: number | null;
  /** setting the kernel's keys */
  installMs: number | null;
  /** getsockopt(TCP_ULP) after the install, by the kernel's own answer; '' before */
  kernelUlp: string;
}
