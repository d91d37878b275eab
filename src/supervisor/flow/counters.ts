// SPDX-License-Identifier: Apache-2.0
/** Counts of everything the dispatcher sees and does, for `status`, the log and tests. */
import type { Exchange } from '../../report/flow.js';
import { EventKind } from '../../shared/kernel/abi.js';

const EVENT_NAMES: Record<number, string> = Object.fromEntries(
  Object.entries(EventKind).map(([name, kind]) => [kind, name.toLowerCase()]),
);

export interface CounterReport {
  /** by kind: connect, established, accepted, held, closing, refused, closed */
  events: Record<string, number>;
  /** of an earlier generation than the socket's present one */
  staleEvents: number;
  secured: number;
  /** of those, by how their keys were agreed on */
  exchanges: Record<Exchange, number>;
  plaintext: number;
  /** of these: by a loopback address */
  plaintextLoopback: number;
  /** ended by us or by the gate */
  refused: number;
  /** over before they were secured, by nobody's fault */
  closedUnsecured: number;
  /** refusals by code */
  failures: Record<string, number>;
  takes: number;
  takesGone: number;
  /** shutdowns that waited until TCP had taken all of TLS's records */
  flushed: number;
  /** records that MSG_MORE had left open, closed when nothing had followed */
  pushed: number;
  retries: number;
  poolFull: number;
  sweeps: number;
  /** flows whose events had been lost */
  sweptIn: number;
  sweptOut: number;
  adopted: number;
  /** answers of the installer about work that nobody waited for */
  unknownTickets: number;
  /** helper processes of other threads than the main one that were given up */
  helpersLostElsewhere: number;
}

export class Counters {
  readonly values: CounterReport = {
    events: Object.fromEntries(Object.values(EVENT_NAMES).map((name) => [name, 0])),
    staleEvents: 0,
    secured: 0,
    exchanges: { channel: 0, 'in-band': 0, 'out-of-band': 0 },
    plaintext: 0,
    plaintextLoopback: 0,
    refused: 0,
    closedUnsecured: 0,
    failures: {},
    takes: 0,
    takesGone: 0,
    flushed: 0,
    pushed: 0,
    retries: 0,
    poolFull: 0,
    sweeps: 0,
    sweptIn: 0,
    sweptOut: 0,
    adopted: 0,
    unknownTickets: 0,
    helpersLostElsewhere: 0,
  };

  event(kind: number): void {
    const name = EVENT_NAMES[kind] ?? `kind ${kind}`;
    this.values.events[name] = (this.values.events[name] ?? 0) + 1;
  }

  secured(exchange: Exchange | null): void {
    this.values.secured++;
    if (exchange !== null) this.values.exchanges[exchange]++;
  }

  failure(code: string): void {
    this.values.failures[code] = (this.values.failures[code] ?? 0) + 1;
  }
}
