// SPDX-License-Identifier: Apache-2.0
/**
 * What news says, as a pure function: an event of the gate or an answer of the installer comes in, the facts to note on its flow and the
 * machine's input go out. The dispatcher does what follows from it.
 */
import { describeErrno } from '../../shared/errors/errno.js';
import { EventKind, type FlowEvent, type OwnerRecord, type SecuredRecord } from '../../shared/kernel/abi.js';
import type { InstallerReport } from '../../shared/ipc/messages.js';
import type { ProviderName } from '../provider/provider.js';
import type { Input, Unmade } from './machine.js';
import { whyRefused } from './gate-refusal.js';
import { synMs, type Flow, type FlowSeed } from './table.js';

type Facts = Partial<Flow>;

export interface EventNews {
  /** to be noted before anything else is done */
  facts: Facts;
  /** who has the socket, where that means that it can be taken */
  owner?: OwnerRecord;
  /** the program stands still, and may for so long, in ms */
  silenceMs?: number;
  /** `closing` holds only if it was the last descriptor, which is not in the event alone */
  input?: Input;
}

/** @param provider whose mode this node is in */
export function newsOfEvent(
  flow: Pick<Flow, 'establishedNs' | 'owner' | 'holder' | 'peerReason' | 'peerIntent'>,
  event: FlowEvent,
  provider: ProviderName,
): EventNews {
  const facts: Facts = {
    ...(flow.establishedNs === 0 && openingOf(event)),
    ...(event.hold !== 'none' && { hold: event.hold }),
  };
  const { establishedNs = flow.establishedNs, peerIntent = flow.peerIntent } = facts;
  switch (event.kind) {
    case EventKind.ESTABLISHED:
    case EventKind.ACCEPTED: {
      const owner = event.owner ?? flow.holder;
      return { facts, ...(owner && { owner }) };
    }
    case EventKind.HELD: {
      const silence = event.hold === 'stop' && event.waitMs > 0 ? { silenceMs: event.waitMs } : {};
      if (event.owner === undefined) return { facts, ...silence };
      // A call can come while the SYN is on its way: then there is nothing yet that keys could be set on.
      if (establishedNs === 0) return { facts: { ...facts, holder: event.owner }, ...silence };
      return { facts, owner: event.owner, ...silence };
    }
    case EventKind.CLOSING:
      return { facts, input: { type: 'closing', ...(establishedNs === 0 && { unmade: true }) } };
    case EventKind.REFUSED: {
      const why = whyRefused(event.reason, { peerReason: flow.peerReason, peerIntent }, provider);
      const owner = flow.owner ?? event.owner;
      return { facts: { ...facts, ...(owner && { owner }) }, input: { type: 'gate-refused', ...why } };
    }
    case EventKind.CLOSED: {
      const owner = flow.owner ?? event.owner;
      const made = establishedNs !== 0;
      const unmade = made ? undefined : unmadeBy(event.refs);
      return {
        facts: { ...facts, closedNs: event.timeNs, closedErrno: made ? event.refs : 0, ...(owner && { owner }) },
        input: { type: 'closed', ...(unmade && { unmade }) },
      };
    }
    default:
      return { facts };
  }
}

/** @param errno that connect() says, 0: none */
function unmadeBy(errno: number): Unmade {
  if (errno === 0) return { code: '', reason: 'the program gave up before the connection was made' };
  const [name, words] = describeErrno(errno);
  if (name === 'ECONNREFUSED') {
    return { code: 'TLSHUB_TCP_REFUSED', reason: `the peer refused the TCP connection (${name})` };
  }
  return { code: 'TLSHUB_TCP_UNREACHABLE', reason: `the TCP connection was not made: ${words} (${name})` };
}

/** What nothing says before the connection is established. */
export function openingOf(seed: Omit<FlowSeed, 'cgroup'>): Facts {
  const { createdNs, establishedNs, iss, irs, peerIntent, agreed } = seed;
  return { createdNs, establishedNs, synMs: synMs(seed), iss, irs, peerIntent, agreed };
}

export interface ReportNews {
  facts: Facts;
  input: Input;
}

export function newsOfReport(flow: Pick<Flow, 'establishedNs'>, report: InstallerReport): ReportNews {
  switch (report.type) {
    case 'installed': {
      const { summary, openedNs, kernelCipher, kernelVersion, kernelUlp } = report;
      const { askedNs, startedNs, negotiationMs, peerName } = summary;
      const how = { askedNs, startedNs, negotiationNs: Math.round(negotiationMs * 1e6), openedNs };
      const facts: Facts = {
        cipher: kernelCipher,
        tlsVersion: kernelVersion,
        kernelUlp,
        peerNode: peerName,
        secured: true,
        ...timesOf(flow, how),
      };
      return { facts, input: { type: 'installed' } };
    }
    case 'install-failed': {
      const { summary, error } = report;
      const facts: Facts = { negotiationMs: summary.negotiationMs, peerNode: summary.peerName };
      return { facts, input: { type: 'install-failed', code: error.code, reason: error.message } };
    }
    default:
      return { facts: {}, input: { type: 'ended' } };
  }
}

type SecuredTimes = Pick<SecuredRecord, 'askedNs' | 'startedNs' | 'negotiationNs' | 'openedNs'>;

/** When what happened to a flow that is secured, and how long its parts took. */
export function timesOf({ establishedNs }: Pick<Flow, 'establishedNs'>, how: SecuredTimes): Facts {
  const { askedNs, startedNs, negotiationNs, openedNs } = how;
  return {
    askedNs,
    openedNs,
    queueMs: (startedNs - askedNs) / 1e6,
    negotiationMs: negotiationNs / 1e6,
    installMs: (openedNs - startedNs - negotiationNs) / 1e6,
    ...(establishedNs !== 0 && {
      dispatchMs: (askedNs - establishedNs) / 1e6,
      holdMs: (openedNs - establishedNs) / 1e6,
    }),
  };
}
