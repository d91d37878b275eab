// SPDX-License-Identifier: Apache-2.0
/**
 * What to do with one flow, as a pure function: events come in any order (perf buffers are per CPU, threads answer when they can), the
 * next state and a list of actions go out. The dispatcher carries the actions out and knows nothing of states.
 *
 *   waiting ──owner──> taking ──taken──> negotiating ──negotiated──> installing ──installed──> secured ──closed──> done
 *      ^                 │ gone               │ full                                  ^
 *      └───────────── pausing               retrying ──room──> negotiating            │
 *                        taking ──installed (its keys were there before) ─────────────┘
 *
 * Whoever wants to end a flow whose descriptor a provider has borrowed must wait until it is back: `cancelling`. One that a helper is
 * about to bring waits for that, in `taking`, with its verdict. `ending` waits for the installer to have closed it. Nothing leaves `done` but a secured flow that closes.
 */

import { catalogEntry } from '../../shared/errors/catalog.js';

export type Phase =
  | 'waiting'
  | 'taking'
  | 'pausing'
  | 'negotiating'
  | 'retrying'
  | 'cancelling'
  | 'installing'
  | 'ending'
  | 'secured'
  | 'done';

/** How a flow that was not secured ends, and the words for it. */
export interface Verdict {
  state: 'closed' | 'refused';
  code: string;
  reason: string;
  /** what to do, where it is known better than by the code alone */
  remedy?: string;
  /** the kernel or the gate has ended it already: a late success changes nothing */
  final: boolean;
  /** closed: leave the connection altogether alone, not even shutting the gate: it is already another one, or another agent's to secure */
  leave?: boolean;
  /** how it ends instead if the handshake that was under way has left a trace on it */
  ifTouched?: Verdict;
  /** its program has closed it: our descriptor is the last, and the peer is to see the end that it would have seen without us */
  hangUp?: boolean;
  /** refused, since the peer has ended it: that end is still the program's to read */
  ended?: boolean;
  /** the rules of now forbid it: it is ended even if keys have been set in the meantime */
  revoked?: boolean;
}

/** The part of a flow that the machine decides by. */
export interface MachineState {
  phase: Phase;
  /** how often in a row taking the socket found it gone */
  misses: number;
  /** negotiations begun */
  attempts: number;
  verdict: Verdict | undefined;
}

/** Why a TCP connection was not made; the code is empty if nothing has gone wrong. */
export interface Unmade {
  code: '' | 'TLSHUB_TCP_REFUSED' | 'TLSHUB_TCP_UNREACHABLE';
  reason: string;
}

export type Input =
  /** somebody is known who has the socket */
  | { type: 'owner' }
  /** live: it is still established, so keys can be set */
  | { type: 'taken'; live: boolean }
  | { type: 'take-gone' }
  /** an earlier connection of the same socket has not given its descriptor back: two handshakes would read each other's bytes */
  | { type: 'take-busy' }
  | { type: 'take-failed'; code: string; reason: string }
  | { type: 'retry' }
  | { type: 'pool-full' }
  | { type: 'room' }
  | { type: 'negotiated' }
  /** left: who connected has closed again; ended: the peer has ended it */
  | {
      type: 'negotiation-failed';
      code: string;
      reason: string;
      untouched: boolean;
      left: boolean;
      ended: boolean;
    }
  | { type: 'installed' }
  | { type: 'install-failed'; code: string; reason: string }
  /** the installer has ended it and closed the descriptor */
  | { type: 'ended' }
  /** the program's last descriptor is going. `unmade`: there is no connection yet */
  | { type: 'closing'; unmade?: true }
  /** TCP_CLOSE. `unmade`: there never was a connection, and why */
  | { type: 'closed'; unmade?: Unmade }
  | { type: 'gate-refused'; code: string; reason: string; remedy?: string }
  | { type: 'deadline'; code: 'TLSHUB_HANDSHAKE_TIMEOUT' | 'TLSHUB_OVERLOAD'; reason: string }
  /** we do not want to go on: draining, an older generation of the socket */
  | { type: 'give-up'; verdict: Verdict }
  /** the rules of now forbid a connection that was made under others. `open`: its program could move bytes */
  | { type: 'revoke'; code: string; reason: string; open: boolean };

export type Action =
  | 'take'
  /** come back with `retry` in a moment */
  | 'pause'
  | 'negotiate'
  | 'cancel'
  /** end the connection and close our descriptor */
  | 'refuse'
  /** shut the gate for good, so that only an end without bytes is read, and close our descriptor */
  | 'forbid'
  /** end what its program has closed, and close our descriptor */
  | 'hang-up'
  /** close our descriptor only */
  | 'close'
  /** end a connection that we have no descriptor of */
  | 'destroy'
  /** continue whoever stands still for it */
  | 'continue';

export interface Step {
  next: MachineState;
  actions: Action[];
}

/** Looks for a socket that was gone: the program may be about to hand it to a child, or the event may have overtaken the descriptor. */
export const TAKE_TRIES = 4;

export const INITIAL: MachineState = { phase: 'waiting', misses: 0, attempts: 0, verdict: undefined };

/** Of a flow that was secured before we came. */
export const ADOPTED_SECURED: MachineState = { ...INITIAL, phase: 'secured' };

const PROGRAM_CLOSED: Verdict = {
  state: 'closed',
  code: '',
  reason: 'the program closed it',
  final: false,
  hangUp: true,
};
const GIVEN_UP: Verdict = { ...PROGRAM_CLOSED, reason: 'the program closed it before the connection was made' };
const TOO_LATE: Verdict = {
  state: 'closed',
  code: '',
  reason: 'the peer closed before anything was said',
  final: false,
};
const ENDED: Verdict = { state: 'closed', code: '', reason: 'the connection ended while it was held', final: true };

/** A call on the socket did not come back. */
export const HELPER_LOST = 'TLSHUB_HELPER_LOST';

/** Failures of a handshake that say more than that the connection is over. */
const EXPLAIN_AN_END = new Set(['TLSHUB_PEER_CERTIFICATE', 'TLSHUB_PEER_REFUSED_US', 'TLSHUB_PEER_PROTOCOL']);

const SECURED_END: Verdict = { state: 'closed', code: '', reason: 'the connection ended', final: true };

function refused(code: string, reason: string, final = false): Verdict {
  return { state: 'refused', code, reason, final };
}

function gateRefused({ code, reason, remedy }: Extract<Input, { type: 'gate-refused' }>): Verdict {
  return { ...refused(code, reason, true), ...(remedy !== undefined && { remedy }) };
}

/** What to do about a flow that ended so; '' if there is nothing to be done. */
export function remedyOf({ code, remedy }: Verdict): string {
  return remedy ?? catalogEntry(code)?.remedy ?? '';
}

function revoked({ code, reason }: { code: string; reason: string }): Verdict {
  return { state: 'closed', code, reason, final: false, revoked: true };
}

/** What an input that ends flows says, or undefined for the others. */
function ending(input: Input): Verdict | undefined {
  switch (input.type) {
    case 'closing':
      return input.unmade === true ? GIVEN_UP : PROGRAM_CLOSED;
    case 'closed':
      return input.unmade === undefined ? ENDED : { ...ENDED, ...input.unmade };
    case 'gate-refused':
      return gateRefused(input);
    case 'deadline':
      return refused(input.code, input.reason);
    case 'give-up':
      return input.verdict;
    case 'revoke':
      return { ...refused(input.code, input.reason), revoked: true };
    default:
      return undefined;
  }
}

/** The first verdict stays, unless a final one comes, or one that also holds for a flow that is secured. */
function merge(before: Verdict | undefined, now: Verdict): Verdict {
  if (before === undefined || (now.final && !before.final)) return now;
  return now.revoked === true && !before.final ? now : before;
}

function stay(state: MachineState): Step {
  return { next: state, actions: [] };
}

function go(state: MachineState, change: Partial<MachineState>, ...actions: Action[]): Step {
  return { next: { ...state, ...change }, actions };
}

/** Ends a flow of which we hold no descriptor. */
function endWithoutSocket(state: MachineState, verdict: Verdict): Step {
  // What the gate or the kernel has ended needs nothing more than that nobody stands still for it.
  if (verdict.state === 'closed' || verdict.final) return go(state, { phase: 'done', verdict }, 'continue');
  return go(state, { phase: 'ending', verdict }, 'destroy');
}

function wayOut({ state, leave, hangUp, ended }: Verdict): 'refuse' | 'forbid' | 'hang-up' | 'close' {
  if (leave === true) return 'close';
  if (hangUp === true) return 'hang-up';
  return state === 'refused' && ended !== true ? 'refuse' : 'forbid';
}

function endWithSocket(state: MachineState, verdict: Verdict): Step {
  return go(state, { phase: 'ending', verdict }, wayOut(verdict));
}

function whileSearching(state: MachineState, input: Input): Step {
  if (state.phase === 'taking') return whileTaking(state, input);
  if (input.type === 'revoke' && input.open) return go(state, { phase: 'ending', verdict: revoked(input) }, 'destroy');
  const verdict = ending(input);
  if (verdict !== undefined) return endWithoutSocket(state, verdict);
  switch (input.type) {
    case 'owner':
      return go(state, { phase: 'taking', misses: 0 }, 'take');
    case 'retry':
      return state.phase === 'pausing' ? go(state, { phase: 'taking' }, 'take') : stay(state);
    default:
      return stay(state);
  }
}

/** A helper is at it, and answers. */
function whileTaking(state: MachineState, input: Input): Step {
  // Its keys were there before its socket was.
  if (input.type === 'installed' || input.type === 'install-failed') return installerAnswered(state, input);
  const verdict = ending(input);
  if (verdict !== undefined) return go(state, { verdict: merge(state.verdict, verdict) });
  if (state.verdict !== undefined) return afterTaking(state, state.verdict, input);
  switch (input.type) {
    case 'taken':
      if (!input.live) return endWithSocket(state, TOO_LATE);
      return go(state, { phase: 'negotiating', attempts: 1 }, 'negotiate');
    case 'take-gone': {
      const misses = state.misses + 1;
      return misses < TAKE_TRIES
        ? go(state, { phase: 'pausing', misses }, 'pause')
        : go(state, { phase: 'waiting', misses: 0 });
    }
    case 'take-busy':
      return go(state, { phase: 'pausing' }, 'pause');
    case 'take-failed': {
      const failed = refused(input.code, input.reason);
      return input.code === HELPER_LOST
        ? go(state, { phase: 'done', verdict: failed }, 'continue')
        : endWithoutSocket(state, failed);
    }
    default:
      return stay(state);
  }
}

/** It was to end while it was being taken. */
function afterTaking(state: MachineState, verdict: Verdict, input: Input): Step {
  switch (input.type) {
    case 'taken':
      return endWithSocket(state, verdict);
    case 'take-failed':
      return input.code === HELPER_LOST ? go(state, { phase: 'done' }, 'continue') : endWithoutSocket(state, verdict);
    case 'take-gone':
    case 'take-busy':
      return endWithoutSocket(state, verdict);
    default:
      return stay(state);
  }
}

function afterFailure(state: MachineState, input: Extract<Input, { type: 'negotiation-failed' }>): Step {
  // The kernel's news of an end may overtake what the handshake has to say about it.
  if (state.verdict === ENDED && EXPLAIN_AN_END.has(input.code)) {
    return endWithSocket(state, refused(input.code, input.reason));
  }
  // Nothing more is tried with a socket whose calls do not come back: the gate ends it at its own deadline.
  if (input.code === HELPER_LOST)
    return go(state, { phase: 'ending', verdict: state.verdict ?? refused(input.code, input.reason) }, 'close');
  if (state.verdict !== undefined)
    return endWithSocket(state, (input.untouched ? undefined : state.verdict.ifTouched) ?? state.verdict);
  // A worker that died before it sent a byte: one more try costs nothing. Otherwise the connection is tainted.
  if (input.untouched && state.attempts < 2) return go(state, { attempts: state.attempts + 1 }, 'negotiate');
  if (input.left) return endWithSocket(state, { state: 'closed', code: '', reason: input.reason, final: false });
  return endWithSocket(state, { ...refused(input.code, input.reason), ...(input.ended && { ended: true }) });
}

function installerAnswered(state: MachineState, input: Input): Step {
  if (input.type === 'install-failed') {
    return go(state, { phase: 'done', verdict: merge(state.verdict, refused(input.code, input.reason)) });
  }
  // Keys are in: a verdict of our own came too late. One of the kernel's stands; an end overtook the news that it was secured.
  if (state.verdict?.final !== true) {
    if (state.verdict?.revoked === true)
      return go(state, { phase: 'ending', verdict: revoked(state.verdict) }, 'destroy');
    return go(state, { phase: 'secured', verdict: undefined });
  }
  return go(state, { phase: 'done', verdict: state.verdict.state === 'closed' ? SECURED_END : state.verdict });
}

function whileBorrowed(state: MachineState, input: Input): Step {
  if (input.type === 'installed' || input.type === 'install-failed') return installerAnswered(state, input);
  const verdict = ending(input);
  if (verdict !== undefined) {
    const merged = merge(state.verdict, verdict);
    if (state.phase === 'negotiating') return go(state, { phase: 'cancelling', verdict: merged }, 'cancel');
    return go(state, { verdict: merged });
  }
  switch (input.type) {
    case 'pool-full':
      return state.phase === 'negotiating' ? go(state, { phase: 'retrying' }) : stay(state);
    case 'negotiated':
      return go(state, { phase: 'installing' });
    case 'negotiation-failed':
      return afterFailure(state, input);
    default:
      return stay(state);
  }
}

function whileInstalling(state: MachineState, input: Input): Step {
  if (input.type === 'installed' || input.type === 'install-failed') return installerAnswered(state, input);
  const verdict = ending(input);
  // It is the installer's now, for a fraction of a millisecond. Only what holds for a secured flow as well is worth remembering.
  if (verdict?.final !== true && verdict?.revoked !== true) return stay(state);
  return go(state, { verdict: merge(state.verdict, verdict) });
}

/** One step. Never throws; an input that means nothing in the present phase changes nothing. */
export function step(state: MachineState, input: Input): Step {
  switch (state.phase) {
    case 'waiting':
    case 'taking':
    case 'pausing':
      return whileSearching(state, input);
    case 'negotiating':
    case 'cancelling':
      return whileBorrowed(state, input);
    case 'retrying': {
      if (input.type === 'room') return go(state, { phase: 'negotiating' }, 'negotiate');
      const verdict = ending(input);
      return verdict === undefined ? stay(state) : endWithSocket(state, verdict);
    }
    case 'installing':
      return whileInstalling(state, input);
    case 'ending':
      if (input.type === 'ended') return go(state, { phase: 'done' });
      // A worker that we gave up for dead had handed it over before: the installer took that first.
      if (input.type === 'installed' || input.type === 'install-failed') return installerAnswered(state, input);
      return input.type === 'gate-refused' && state.verdict?.state !== 'refused'
        ? go(state, { verdict: gateRefused(input) })
        : stay(state);
    case 'secured': {
      if (input.type === 'revoke') return go(state, { phase: 'ending', verdict: revoked(input) }, 'destroy');
      if (input.type === 'closed') return go(state, { phase: 'done', verdict: SECURED_END });
      if (input.type !== 'gate-refused') return stay(state);
      return go(state, { phase: 'done', verdict: gateRefused(input) });
    }
    case 'done':
      // The kernel's news of why it was not made may be overtaken by the program's end of it.
      if (input.type !== 'closed' || input.unmade === undefined || state.verdict !== GIVEN_UP) return stay(state);
      return go(state, { verdict: { ...ENDED, ...input.unmade } });
  }
}
