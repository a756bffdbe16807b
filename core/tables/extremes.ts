/** A value, and how often it was met. */
export interface Recurring {
  readonly value: number;
  readonly count: number;
}

/** Numbers of nines alone, and the ends of whole numbers of 16 and 32 bits. */
const MARKER = /^-?(9+(\.9+)?|32768|2147483648)$|^(32767|65535|2147483647|4294967295)$/;

/** The smallest and the largest values of a column, and those next to them. */
export class Extremes {
  #low = Infinity;
  #lows = 0;
  #nextLow = Infinity;
  #high = -Infinity;
  #highs = 0;
  #nextHigh = -Infinity;

  /** Takes in a number. */
  add(value: number): void {
    if (value === this.#low) this.#lows++;
    else if (value < this.#low) [this.#nextLow, this.#low, this.#lows] = [this.#low, value, 1];
    else if (value < this.#nextLow) this.#nextLow = value;
    if (value === this.#high) this.#highs++;
    else if (value > this.#high) [this.#nextHigh, this.#high, this.#highs] = [this.#high, value, 1];
    else if (value > this.#nextHigh) this.#nextHigh = value;
  }

  /**
   * A value that may stand for a missing one, as −999 among ages: it recurs, is written as such are, and is farther from all
   * others than these are from another.
   */
  get marker(): Recurring | undefined {
    const ends = [
      { value: this.#low, count: this.#lows, gap: this.#nextLow - this.#low, rest: this.#high - this.#nextLow },
      { value: this.#high, count: this.#highs, gap: this.#high - this.#nextHigh, rest: this.#nextHigh - this.#low },
    ];
    return ends.find(({ value, count, gap, rest }) =>
      count > 1 && gap > rest && rest > 0 && MARKER.test(String(value))
    );
  }
}
