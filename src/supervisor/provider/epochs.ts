// SPDX-License-Identifier: Apache-2.0
/**
 * How long an epoch of a channel lives (docs/CHANNEL.md), apart from sessions and secrets.
 *
 * Its end is what keeps a flow's keys from whoever takes an agent's memory later, so time alone ends it, whether it is used or not; and it has a
 * number for each flow, and no more. The next one is made before either is over, so that no connection waits for a handshake: there is none for
 * a node only if it was not used lately, and then flows go in-band.
 */
import { ChannelLimit } from '../../shared/kernel/abi.generated.js';

export interface EpochTimes {
  /** for so long it takes new flows */
  takesMs: number;
  /** and for so long after that it is kept for flows under way: a third segment that is lost comes again with a SYN-ACK that is sent again after 1, 2 and 4 s */
  keptMs: number;
  /** what making the next one may take */
  leadMs: number;
}

/** @param takesMs `channel_epoch_ms` */
export function epochTimes(takesMs: number): EpochTimes {
  return { takesMs, keptMs: 10_000, leadMs: Math.min(10_000, takesMs / 2) };
}

export interface Epoch {
  /** 24 bits, see nextEpochId() */
  id: number;
  /** by the settings in force when it was opened; the kernel has been told of its end */
  readonly times: EpochTimes;
  openedMs: number;
  /** numbers given so far; the counter goes on when there are none left */
  given: number;
  /** since when no new flow is to use it, before its time */
  retiredMs?: number;
}

/** `taking`: new flows and those under way; `kept`: only those; `over`: its secret is wiped. */
export type EpochPhase = 'taking' | 'kept' | 'over';

export function epochPhase({ openedMs, given, retiredMs, times }: Epoch, nowMs: number): EpochPhase {
  const age = nowMs - openedMs;
  if (age >= times.takesMs + times.keptMs) return 'over';
  if (retiredMs !== undefined) return nowMs >= retiredMs + times.keptMs ? 'over' : 'kept';
  return age >= times.takesMs || given >= ChannelLimit.EPOCH_FLOWS ? 'kept' : 'taking';
}

/** Of a node's epochs the one that a new flow is to use: the newest that takes any. */
export function epochForFlows<E extends Epoch>(epochs: Iterable<E>, nowMs: number): E | undefined {
  let newest: E | undefined;
  for (const epoch of epochs) {
    if (epochPhase(epoch, nowMs) !== 'taking') continue;
    if (newest === undefined || epoch.openedMs >= newest.openedMs) newest = epoch;
  }
  return newest;
}

/** Up to a tenth of its time earlier, by its id: epochs that were opened together (an agent's start) are not renewed together. */
function spreadMs({ id, times: { takesMs } }: Epoch): number {
  return (((Math.imul(id, 0x9e37_79b1) >>> 0) / 2 ** 32) * takesMs) / 10;
}

/**
 * Is it time to open the next one? Of the newest epoch of a node; asked every second or so. One that nobody has used is let go, and its node's next
 * flow is in-band.
 */
export function wantsNextEpoch(epoch: Epoch, nowMs: number): boolean {
  const { times } = epoch;
  if (epoch.given === 0) return false;
  if (epoch.retiredMs !== undefined) return true;
  const age = nowMs - epoch.openedMs;
  if (age >= times.takesMs - times.leadMs - spreadMs(epoch)) return true;
  // As many in the lead as came in the same time so far; of the first second nothing is concluded that it does not hold itself.
  const perMs = epoch.given / Math.max(age, 1000);
  return epoch.given + perMs * times.leadMs >= ChannelLimit.EPOCH_FLOWS;
}

/**
 * How many of a node's epochs may be live at once, kept ones included: those that follow each other in one's life, and two more, since numbers can be
 * out early. By this node's own times: a node whose epochs are much shorter has fewer of them taken, and is in-band meanwhile.
 */
export function mostLive({ takesMs, keptMs, leadMs }: EpochTimes): number {
  return Math.ceil((takesMs + keptMs) / (takesMs * 0.9 - leadMs)) + 2;
}

/** The id after this one: never 0, and none of those that are in use. Ids begin anywhere (random), since an earlier agent's are not known. */
export function nextEpochId(last: number, inUse: { has: (id: number) => boolean }): number {
  let id = last;
  do id = (id + 1) % ChannelLimit.EPOCH_IDS;
  while (id === 0 || inUse.has(id));
  return id;
}
