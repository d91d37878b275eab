/** When the kernel's list of flows is read: at start, every few seconds, soon after a loss of events, and when somebody asks. */
import type { Logger } from '../logging/logger.js';
import type { Throttle } from '../logging/throttle.js';
import type { SweepRecord } from '../shared/kernel/abi.js';
import type { GateFds, KernelAddon } from '../shared/kernel/native.js';
import type { Dispatcher } from './flow/dispatcher.js';
import { continueForgotten, sweepNow } from './flow/sweep.js';

const EVERY_MS = 5000;
const AFTER_LOSS_MS = 50;

export interface SweeperOptions {
  dispatcher: Dispatcher;
  kernel: Pick<KernelAddon, 'stoppedFlows' | 'continueStopped'>;
  fds: GateFds;
  /** the kernel's list, see Dispatcher */
  list: () => Iterable<SweepRecord>;
  /** samples that the perf buffer had no room for, so far */
  lost: () => number;
  throttle: Throttle;
  log: Logger;
}

export class Sweeper {
  /** the list was read at least once: what happened before the agent came is known */
  swept = false;
  private lostSeen = 0;
  private soon: NodeJS.Timeout | undefined;
  private regular: NodeJS.Timeout | undefined;

  constructor(private readonly options: SweeperOptions) {}

  /** Sweeps now, and from now on regularly. `also` is called with each regular round. */
  start(also: () => void): void {
    this.sweep();
    this.regular = setInterval(() => {
      this.watchLosses();
      this.sweep();
      also();
    }, EVERY_MS);
  }

  stop(): void {
    clearInterval(this.regular);
    clearTimeout(this.soon);
  }

  /** Brings the dispatcher up to date with the kernel's list, and continues whom nobody else would. Never throws. */
  sweep(): void {
    const { dispatcher, list, throttle, log } = this.options;
    const result = sweepNow(dispatcher, list, (error) =>
      throttle.log('error', 'sweep', 'the sweep failed: lost events are not made up for', { error }),
    );
    const { kernel, fds } = this.options;
    const continued = continueForgotten(dispatcher, kernel.stoppedFlows(fds.stops), (cookie) =>
      kernel.continueStopped(fds, cookie),
    );
    this.swept ||= result !== undefined;
    if (continued > 0) log.info(`continued ${continued} processes that stood still for connections nobody works on`);
    if (result === undefined || result.found + result.gone + result.adopted === 0) return;
    log.debug('sweep', { component: 'dispatcher', ...result });
  }

  /** To be called after each batch of events: sweeps soon if some were lost. */
  watchLosses(): void {
    const lost = this.options.lost();
    if (lost === this.lostSeen) return;
    this.lostSeen = lost;
    this.options.throttle.log('warning', 'lost', 'the perf buffer had no room for events: looking for their flows', {
      lost,
    });
    this.soon ??= setTimeout(() => {
      this.soon = undefined;
      this.sweep();
    }, AFTER_LOSS_MS);
  }

  /** Continues everybody who stands still because of the gate. */
  continueAll(): void {
    const { kernel, fds } = this.options;
    for (const cookie of kernel.stoppedFlows(fds.stops)) kernel.continueStopped(fds, cookie);
  }
}
