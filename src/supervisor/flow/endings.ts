// SPDX-License-Identifier: Apache-2.0
/**
 * A program that shuts the sending side of a secured connection stands still while TLS has records that TCP had no room for, or the FIN would
 * come before them (bpf/ending.bpf.h). A helper makes room and continues it. The flow itself has been unloaded long ago: all that is needed
 * is in the event.
 */
import type { Logger } from '../../logging/logger.js';
import { toWire } from '../../shared/errors/errors.js';
import type { FlowEvent } from '../../shared/kernel/abi.js';
import type { Helpers } from '../../shared/kernel/helpers-addon.js';
import type { Accounts } from './accounts.js';
import type { Counters } from './counters.js';
import type { Turns } from './turns.js';

export interface EndingsOptions {
  helpers: Pick<Helpers, 'pushOut'>;
  accounts: Accounts;
  turns: Turns;
  counters: Counters;
  log: Logger;
}

export class Endings {
  constructor(private readonly options: EndingsOptions) {}

  flush({ owner, cookie, generation }: FlowEvent): void {
    if (owner === undefined) return;
    const { helpers, accounts, turns, counters, log } = this.options;
    const { tgid, fd, inode } = owner;
    const charge = accounts.of(owner);
    const search = accounts.maySearch(charge);
    turns.take(cookie, (done) => {
      helpers.pushOut({ tgid, fd, inode, cookie, generation, charge, search }, (pushed) => {
        done();
        accounts.spent(charge, pushed);
        if (!(pushed instanceof Error)) {
          counters.values.flushed++;
          return;
        }
        const { code, message } = toWire(pushed);
        log.warning(`the end of a connection of process ${tgid} may be lost: ${message}`, { code });
      });
    });
  }
}
