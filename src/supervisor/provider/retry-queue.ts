/** Flows that the provider's pool turned away for want of room. They ask again when there is some, oldest first. */
export interface RetryRules<T> {
  /** names whom a place would be for: the provider gives each peer a share, so who is turned away speaks for all of its peer */
  peerOf(one: T): string;
  /** false once it has got a place, or needs none any more */
  isWaiting(one: T): boolean;
}

export class RetryQueue<T> {
  private waiting = new Set<T>();

  constructor(private readonly rules: RetryRules<T>) {}

  add(one: T): void {
    this.waiting.add(one);
  }

  delete(one: T): void {
    this.waiting.delete(one);
  }

  clear(): void {
    this.waiting.clear();
  }

  /**
   * There is room again. Those that are turned away again keep their turn.
   * @param ask lets one ask once more
   */
  room(ask: (one: T) => void): void {
    const inTurn = [...this.waiting];
    const turnedAway = new Set<string>();
    for (const one of inTurn) {
      const peer = this.rules.peerOf(one);
      if (turnedAway.has(peer)) continue;
      ask(one);
      if (this.rules.isWaiting(one)) turnedAway.add(peer);
    }
    this.waiting = new Set(inTurn.filter((one) => this.rules.isWaiting(one)));
  }
}
