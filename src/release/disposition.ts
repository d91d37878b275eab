/** What is to become of each connection when the gate goes. */
import { BOTH_DIRECTIONS, FlowClass, TcpState, type SweepRecord } from '../shared/kernel/abi.js';

/**
 * - `leave`: it needs no gate. It is secured, by its own kernel TLS; or it is to be in plaintext; or it is no connection.
 * - `end`: the gate alone keeps its bytes back. Without it they would go in plaintext, after what the agent may have said on it.
 * - `empty`: it has ended, but what the peer had sent, and nobody has vouched for, may still lie in it for the program to read.
 */
export type Disposition = 'leave' | 'end' | 'empty';

export function isSecured(record: SweepRecord): boolean {
  return record.class === FlowClass.MESH && record.encrypts === BOTH_DIRECTIONS && record.skState !== TcpState.CLOSE;
}

export function dispositionOf(record: SweepRecord): Disposition {
  if (record.class !== FlowClass.MESH && record.class !== FlowClass.REFUSED) return 'leave';
  if (record.encrypts === BOTH_DIRECTIONS || record.skState === TcpState.LISTEN) return 'leave';
  if (record.skState !== TcpState.CLOSE) return 'end';
  return record.establishedNs !== 0 && record.owner !== undefined ? 'empty' : 'leave';
}
