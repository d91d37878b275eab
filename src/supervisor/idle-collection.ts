/**
 * When the agent gives back the memory that its work has left behind. V8 collects when a thread has allocated enough, and a thread that
 * rests allocates nothing: without this, the garbage of the last handshakes would stay with every idle node, and it would look as if
 * connections had a price that they have not (PERFORMANCE_METRICS.md, "Memory at rest").
 *
 * A collection takes a thread some tens of milliseconds, in which it does nothing else. So it comes only after some time in which no
 * connection began or ended, and not again soon: on a node that never rests V8 collects as it always does. A second one follows, since the
 * first does not move together all that is left.
 */
import type { Logger } from '../logging/logger.js';
import { collectGarbage } from '../shared/async/collect-garbage.js';
import type { KernelAddon } from '../shared/kernel/native.js';
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
