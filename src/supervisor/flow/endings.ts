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
import { Charges, cgroupOf } from './charges.js';
import type { Counters } from './counters.js';
import { Searches } from './searches.js';

export interface EndingsOptions {
  helpers: Pick<Helpers, 'pushOut'>;
  counters: Counters;
  log: Logger;
}

export class Endings {
  private readonly charges = new Charges();
  private readonly searches = new Searches();

  constructor(private readonly options: EndingsOptions) {}

  flush({ owner, cookie, generation }: FlowEvent): void {
    if (owner === undefined) return;
    const { helpers, counters, log } = this.options;
    const { tgid, fd, inode } = owner;
    const charge = this.charges.of(owner);
    const search = this.searches.allowed(cgroupOf(charge));
    helpers.pushOut({ tgid, fd, inode, cookie, generation, charge, search }, (pushed) => {
      if ('cpuMs' in pushed && typeof pushed.cpuMs === 'number') this.searches.spent(cgroupOf(charge), pushed.cpuMs);
      if (!(pushed instanceof Error)) {
        counters.values.flushed++;
        return;
      }
      const { code, message } = toWire(pushed);
      log.warning(`the end of a connection of process ${tgid} may be lost: ${message}`, { code });
    });
  }
}
