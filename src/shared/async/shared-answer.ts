/** Bounds for what costs much and may be asked for by many. */

/** Of the time at most: after an answer that took long there is a rest of so many times its length. */
const REST = 4;

/** Who asks while an answer is under way, or within a while after it, gets the same one, also if it is an error. */
export class SharedAnswer<T> {
  private answer: Promise<T> | undefined;
  private goodUntil = 0;

  /**
   * @param freshMs how long an answer is given again, at least
   * @param now milliseconds
   */
  constructor(
    private readonly find: () => Promise<T>,
    private readonly freshMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get(): Promise<T> {
    const begun = this.now();
    if (this.answer !== undefined && begun < this.goodUntil) return this.answer;
    this.goodUntil = Infinity;
    this.answer = this.find();
    const found = (): void => {
      const end = this.now();
      this.goodUntil = end + Math.max(this.freshMs, REST * (end - begun));
    };
    this.answer.then(found, found);
    return this.answer;
  }
}
