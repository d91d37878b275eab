// SPDX-License-Identifier: Apache-2.0
/**
 * Bytes that a program sends with MSG_MORE go out 200 ms later at the latest, as TCP has it: a helper then closes TLS's record for it
 * (bpf/open_record.bpf.h has the reasons). The gate notes who sends so, and tells of new notes at most ten times a second, for all sockets together. So
 * this costs next to nothing as long as programs send on by themselves: what is read is the notes, and what is done concerns those that did not.
 *
 * One timer is enough for all. After an event it looks when the first note it can be about is due, and then again as long as notes are there. With
 * every sweep it looks too: an event may have been lost, and an earlier agent may have left notes.
 */
import type { Logger } from '../../logging/logger.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import { toWire } from '../../shared/errors/errors.js';
import type { FlowEvent } from '../../shared/kernel/abi.js';
import { Limit } from '../../shared/kernel/abi.generated.js';
import type { Helpers, SocketOwner } from '../../shared/kernel/helpers-addon.js';
import type { DueRecords, GateFds, KernelAddon } from '../../shared/kernel/kernel-addon.js';
import type { Accounts } from './accounts.js';
import type { Counters } from './counters.js';
import type { Turns } from './turns.js';

/** Between two looks at the notes. */
const PAUSE_NS = 20e6;
/** Before another try with a socket that a helper could not get, or did not come back from. */
const FAILED_NS = 1e9;
/** Sockets of one process in one look: the helpers work them off two at a time. */
const MOST_OF_ONE = 1024;

export interface OpenRecordsOptions {
  kernel: Pick<KernelAddon, 'dueRecords'>;
  helpers: Pick<Helpers, 'pushRecord'>;
  fds: Pick<GateFds, 'openRecords'>;
  accounts: Accounts;
  turns: Turns;
  counters: Counters;
  log: Logger;
  now?: () => number;
}

export class OpenRecords {
  /** by cookie: nothing is done for this socket before. CLOCK_MONOTONIC nanoseconds */
  private readonly notBefore = new Map<bigint, number>();
  /** notes that events have told of may not be looked at for the last time before this */
  private toldUntilNs = 0;
  private timer: NodeJS.Timeout | undefined;
  private timerNs = 0;
  private looking = false;
  private again = false;
  private closed = false;
  private readonly now: () => number;

  constructor(private readonly options: OpenRecordsOptions) {
    this.now = options.now ?? monotonicNs;
  }

  /** There are notes that are not older than this event. */
  told({ timeNs }: Pick<FlowEvent, 'timeNs'>): void {
    this.toldUntilNs = Math.max(this.toldUntilNs, timeNs + Limit.CORK_NS);
    this.schedule(timeNs + Limit.CORK_NS);
  }

  /** Looks at all notes, and has closed what is due. */
  look(): void {
    if (this.closed) return;
    this.again = this.looking;
    if (this.looking) return;
    this.looking = true;
    const { kernel, fds } = this.options;
    const sinceNs = Math.floor(this.now() - Limit.CORK_NS);
    kernel
      .dueRecords(fds.openRecords, Math.max(sinceNs, 0), MOST_OF_ONE)
      .then((found) => this.found(found))
      .catch((error: unknown) => this.options.log.error('the notes of open records cannot be read', { error }))
      .finally(() => {
        this.looking = false;
        if (this.again) this.look();
      });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private found({ due, nextNs }: DueRecords): void {
    if (this.closed) return;
    const now = this.now();
    const again = nextNs === 0 ? [] : [nextNs + Limit.CORK_NS];
    if (this.toldUntilNs > now) again.push(this.toldUntilNs);
    const noted = new Set(due.map(({ cookie }) => cookie));
    for (const [cookie, at] of this.notBefore) if (at <= now && !noted.has(cookie)) this.notBefore.delete(cookie);
    for (const record of due) {
      const at = this.notBefore.get(record.cookie) ?? 0;
      if (at <= now && !this.options.turns.has(record.cookie)) this.push(record);
      // Whether the note stays there is not known yet.
      again.push(Math.max(at, now + Limit.CORK_NS));
    }
    if (again.length > 0) this.schedule(Math.max(Math.min(...again), now + PAUSE_NS));
  }

  private push(owner: SocketOwner): void {
    const { helpers, accounts, turns, counters, log } = this.options;
    const { cookie, tgid, fd, inode } = owner;
    const charge = accounts.of(owner);
    const search = accounts.maySearch(charge);
    turns.take(cookie, (done) => {
      helpers.pushRecord({ tgid, fd, inode, cookie, generation: 0, charge, search }, (answer) => {
        done();
        accounts.spent(charge, answer);
        if (!(answer instanceof Error)) {
          if (answer.pushed) counters.values.pushed++;
          this.notBefore.set(cookie, this.now() + Limit.CORK_NS);
          return;
        }
        this.notBefore.set(cookie, this.now() + FAILED_NS);
        const { code, message } = toWire(answer);
        if (code === 'TLSHUB_SOCKET_GONE') return;
        log.warning(`what process ${tgid} has sent with MSG_MORE waits for more: ${message}`, { code, cookie });
      });
    });
  }

  private schedule(atNs: number): void {
    if (this.closed || (this.timer !== undefined && this.timerNs <= atNs)) return;
    clearTimeout(this.timer);
    this.timerNs = atNs;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        this.look();
      },
      Math.max(Math.ceil((atNs - this.now()) / 1e6), 0),
    );
  }
}
