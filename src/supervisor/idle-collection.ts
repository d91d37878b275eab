/**
 * When the agent gives back the memory that its work has left behind. V8 collects when a thread has allocated enough, and an idle thread
 * allocates nothing. Without this, every idle node would keep the garbage of its last handshakes (PERFORMANCE_METRICS.md, "Memory of an
 * idle agent").
 *
 * A collection takes a thread some tens of milliseconds, in which it does nothing else. So it comes only when no connection has begun or
 * ended for a while, and not again soon; a node that is never idle has V8's own collections. A second one follows, since the first does not
 * compact all that is left.
 */
import type { Logger } from '../logging/logger.js';
import { collectGarbage } from '../shared/async/collect-garbage.js';
import type { KernelAddon } from '../shared/kernel/kernel-addon.js';
import type { Provider } from './provider/provider.js';

export interface IdleCollectionParts {
  /** Has every thread collect its garbage; main's is done when it resolves. Never rejects. */
  collect(): Promise<void>;
  /** Gives back what the allocator has free. */
  trim(): void;
}

/** Without an event of a connection, in ms. */
const QUIET_MS = 10_000;
/** After connections, and how far they are apart at least, in ms. */
const COLLECTIONS = 2;
const APART_MS = 10_000;
/** From one rest's last collection to the next rest's first. In ms. */
const RESTS_APART_MS = 60_000;

export class IdleCollection {
  private records = 0;
  private quietSinceMs = 0;
  /** collections still to come */
  private due = 0;
  private collectedMs = -RESTS_APART_MS;

  constructor(private readonly parts: IdleCollectionParts) {}

  /**
   * To be called every few seconds.
   * @param records events of connections so far; may wrap
   * @param nowMs performance.now()
   */
  look(records: number, nowMs: number): void {
    if (records !== this.records) {
      this.records = records;
      this.quietSinceMs = nowMs;
      this.due = COLLECTIONS;
      return;
    }
    if (nowMs - this.quietSinceMs < QUIET_MS) return;
    const apartMs = this.due === COLLECTIONS ? RESTS_APART_MS : APART_MS;
    if (this.due === 0 || nowMs - this.collectedMs < apartMs) {
      // The compiler's threads go on for a while with what has become hot, and leave their heaps to the allocator.
      this.parts.trim();
      return;
    }
    this.due--;
    this.collectedMs = nowMs;
    void this.parts.collect();
  }
}

export interface CollectingParts {
  provider: Pick<Provider, 'rest'>;
  /** those beside the provider's */
  threads: readonly { rest(): void }[];
  addon: Pick<KernelAddon, 'trimMemory'>;
  log: Logger;
}

/** One collection in every thread. Never rejects. */
export async function collectEverywhere({ provider, threads, addon, log }: CollectingParts): Promise<void> {
  const beforeKb = process.memoryUsage.rss() / 1024;
  await provider.rest();
  for (const thread of threads) thread.rest();
  collectGarbage();
  addon.trimMemory();
  log.debug('at rest: garbage collected', { beforeKb, afterKb: process.memoryUsage.rss() / 1024 });
}
