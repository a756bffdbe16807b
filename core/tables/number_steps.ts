/** Powers of ten that are exact as float64. */
const POWERS = Array.from({ length: 16 }, (_, k) => Number(`1e${k}`));

/** Whole numbers up to here are exact, and so are their differences. */
const MAX_WHOLE = 2 ** 51;

/** Decimals from which the last may be those of an error of rounding. */
const NOISY_DECIMALS = 13;

/** Where the numbers of a column lie: their range and spread, and the step that all of them are multiples of. */
export class NumberSteps {
  count = 0;
  min = Infinity;
  max = -Infinity;
  /** Digits after the point, of the number that has most and of that which has fewest. */
  decimals = 0;
  fewestDecimals = Infinity;
  #origin = NaN;
  #sum = 0;
  #squares = 0;
  /** Numbers are whole times 10^−digits. */
  #digits = 0;
  #first = 0;
  /** The greatest common divisor of the differences of these, 0 where there are none; −1 where there is no step. */
  #divisor = 0;

  /** @param decimals Digits after the point that it is written with. */
  add(value: number, decimals: number): void {
    if (this.count++ === 0) this.#origin = value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    if (decimals > this.decimals) this.decimals = decimals;
    if (decimals < this.fewestDecimals) this.fewestDecimals = decimals;
    const x = value - this.#origin;
    this.#sum += x;
    this.#squares += x * x;
    if (this.#divisor < 0) return;
    // 0.30000000000000004 is 0.3 that was computed.
    if (decimals > NOISY_DECIMALS) {
      const short = value.toPrecision(14);
      if (Math.abs(Number(short) - value) <= 4 * Number.EPSILON * Math.abs(value)) decimals = decimalsIn(Number(short));
    }
    if (decimals > this.#digits) this.#setDigits(decimals);
    const whole = Math.round(value * POWERS[this.#digits]);
    if (this.#divisor < 0 || Math.abs(whole) > MAX_WHOLE) {
      this.#divisor = -1;
      return;
    }
    if (this.count === 1) this.#first = whole;
    if (this.#divisor === 1) return;
    let a = Math.abs(whole - this.#first), b = this.#divisor;
    while (a > 0) {
      const rest = b % a;
      b = a;
      a = rest;
    }
    this.#divisor = b;
  }

  #setDigits(digits: number): void {
    const factor = POWERS[Math.min(15, digits) - this.#digits];
    if (digits > 15 || Math.abs(this.#first * factor) > MAX_WHOLE || this.#divisor * factor > MAX_WHOLE) {
      this.#divisor = -1;
      return;
    }
    this.#digits = digits;
    this.#first *= factor;
    this.#divisor *= factor;
  }

  /** The step, and what is left of the numbers when they are divided by it; nothing where there is none. */
  found(levels: number): { readonly step: number; readonly offset: number; readonly decimals: number } | undefined {
    if (this.#divisor <= 0) return undefined;
    let divisor = this.#divisor;
    // Of few values some divisor is in common by chance; powers of ten are what people round to.
    if (!isTold(divisor, levels)) divisor = POWERS.findLast((power) => divisor % power === 0)!;
    const power = POWERS[this.#digits], rest = ((this.#first % divisor) + divisor) % divisor;
    return { step: divisor / power, offset: rest / power, decimals: decimalsOf(divisor, rest, this.#digits) };
  }

  /** What all differences are multiples of, by chance or not; nothing where there is none. */
  get divisor(): number | undefined {
    return this.#divisor <= 0 ? undefined : this.#divisor / POWERS[this.#digits];
  }

  /** The standard deviation. */
  get spread(): number {
    const mean = this.#sum / this.count;
    return Math.sqrt(Math.max(0, this.#squares / this.count - mean * mean));
  }
}

/** Whether numbers have a divisor in common for another reason than chance, which is that of one in a hundred. */
function isTold(divisor: number, levels: number): boolean {
  return (levels - 2) * Math.log(divisor) > Math.log(100);
}

/** Digits after the point of a number in its shortest form. */
function decimalsIn(value: number): number {
  const [digits, exponent = "0"] = String(value).split("e"), point = digits.indexOf(".");
  return Math.max(0, (point < 0 ? 0 : digits.length - point - 1) - Number(exponent));
}

/** Digits after the point that multiples of a step have. */
function decimalsOf(step: number, offset: number, digits: number): number {
  while (digits > 0 && step % 10 === 0 && offset % 10 === 0) {
    step /= 10;
    offset /= 10;
    digits--;
  }
  return digits;
}
