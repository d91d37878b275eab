// SPDX-License-Identifier: Apache-2.0
/** When the kernel's list of flows is read: at start, every few seconds, soon after a loss of events, and when somebody asks. */
import type { Logger } from '../logging/logger.js';
import type { Throttle } from '../logging/throttle.js';
import type { GateFds, KernelAddon } from '../shared/kernel/kernel-addon.js';
import { readSweepGradually, type SweepKernel } from '../shared/kernel/sweep-records.js';
import type { Dispatcher } from './flow/dispatcher.js';
import { ListReader } from './flow/list-reader.js';
import { continueAbandoned, type SweepResult } from './flow/sweep.js';

const EVERY_MS = 5000;
const AFTER_LOSS_MS = 50;

export interface SweeperOptions {
  dispatcher: Dispatcher;
  kernel: Pick<KernelAddon, 'stoppedFlows' | 'continueStopped'> & SweepKernel;
  fds: GateFds;
  /** samples that the perf buffer had no room for, so far */
  lost: () => number;
  throttle: Throttle;
  log: Logger;
}

export class Sweeper {
  /** the list was read at least once: what happened before the agent came is known */
  swept = false;
  /** for all who want to know the kernel's list */
  readonly list: ListReader;
  private readonly also: (() => void)[] = [];
  private lostSeen = 0;
  private soon: NodeJS.Timeout | undefined;
  private regular: NodeJS.Timeout | undefined;

  constructor(private readonly options: SweeperOptions) {
    const { dispatcher, kernel, fds } = options;
    this.list = new ListReader({
      dispatcher,
      pieces: () => readSweepGradually(kernel, fds.sweepLink),
      after: (result, error) => this.after(result, error),
    });
  }

  /** Sweeps once, and from now on regularly. Resolves when the first sweep is over. */
  start(): Promise<void> {
    this.regular = setInterval(() => {
      this.watchLosses();
      void this.sweep();
      for (const work of this.also) work();
    }, EVERY_MS);
    return this.sweep();
  }

  /** With each regular round from now on: what has to be looked after every few seconds, without a timer of its own. */
  withEach(...work: (() => void)[]): void {
    this.also.push(...work);
  }

  /** No more by itself. Who asks is still answered. */
  stop(): void {
    clearInterval(this.regular);
    clearTimeout(this.soon);
  }

  /** Brings the dispatcher up to date with the kernel's list, and continues whom nobody else would. Never rejects. */
  async sweep(): Promise<void> {
    await this.list.sweep().catch(() => undefined); // said in `after`
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
      void this.sweep();
    }, AFTER_LOSS_MS);
  }

  /** Continues everybody who stands still because of the gate. */
  continueAll(): void {
    const { kernel, fds } = this.options;
    for (const cookie of kernel.stoppedFlows(fds.stops)) kernel.continueStopped(fds, cookie);
  }

  /** With each reading of the list, whoever asked for it. */
  private after(result: SweepResult | undefined, error: unknown): void {
    const { dispatcher, kernel, fds, throttle, log } = this.options;
    try {
      const stopped = kernel.stoppedFlows(fds.stops);
      const continued = continueAbandoned(dispatcher, stopped, (cookie) => kernel.continueStopped(fds, cookie));
      if (continued > 0) log.info(`continued ${continued} processes that stood still for connections nobody works on`);
    } catch (cause) {
      throttle.log('error', 'stopped', 'cannot look for processes that stand still', { error: cause });
    }
    if (result === undefined) {
      throttle.log('error', 'sweep', 'the sweep failed: lost events are not made up for', { error });
      return;
    }
    this.swept = true;
    if (result.found + result.gone + result.adopted > 0) log.debug('sweep', { component: 'dispatcher', ...result });
  }
}
