/**
 * When the agent gives back the memory that its work has left behind. V8 collects when a thread has allocated enough, and a thread that
 * rests allocates nothing: without this, the garbage of the last handshakes would stay with every idle node, and it would look as if
 * connections had a price that they have not (PERFORMANCE_METRICS.md, "Memory").
 *
 * A collection takes a thread some tens of milliseconds, in which it does nothing else. So it comes only after some time in which no
 * connection began or ended, and not again soon: on a node that never rests V8 collects as it always does.
 */
export interface RestParts {
  /** Has every thread collect its garbage; main's is done when it resolves. Never rejects. */
  collect(): Promise<void>;
  /** Gives back what the allocator has free. */
  trim(): void;
}

/** Without an event of a connection, and from one collection to the next, in ms. */
const QUIET_MS = 10_000;
const APART_MS = 60_000;

export class Rest {
  private records = 0;
  private quietSinceMs = 0;
  /** a connection has begun or ended since the last collection */
  private due = false;
  private collectedMs = -APART_MS;

  constructor(private readonly parts: RestParts) {}

  /**
   * To be called every few seconds.
   * @param records events of connections so far; may wrap
   * @param nowMs performance.now()
   */
  look(records: number, nowMs: number): void {
    if (records !== this.records) {
      this.records = records;
      this.quietSinceMs = nowMs;
      this.due = true;
      return;
    }
    if (nowMs - this.quietSinceMs < QUIET_MS) return;
    if (!this.due || nowMs - this.collectedMs < APART_MS) {
      // The compiler's threads go on for a while with what has become hot, and leave their heaps to the allocator.
      this.parts.trim();
      return;
    }
    this.due = false;
    this.collectedMs = nowMs;
    void this.parts.collect();
  }
}
