/** A number as tables have it. */
export const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

const PLUS = 43, MINUS = 45, ZERO = 48;

/** Powers of ten that are exact as float64. */
const POWERS = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));

/** Digits that a float64 always has exactly, and that are taken beside them. */
const DIGITS = 15, MORE_DIGITS = 7;

/** Digits of a number that is a small integer to the machine. */
const CHUNK = 8;

/** What splits a float64 into two halves of its digits (G. W. Veltkamp 1968). */
const SPLITTER = 2 ** 27 + 1;

/** Far more than the relative error of a quotient of two float64 in the sum of two. */
const DOUBT = 2 ** -40;

/**
 * The number that bytes of ASCII spell, rounded to the nearest float64, or NaN.
 *
 * Up to 15 digits and a power of ten that is exact need one division (W. D. Clinger 1990). Of up to 22 digits the quotient
 * is taken as the sum of two float64; only where that lies so near the middle of two float64 that its error matters, as
 * with exponents, the language's own conversion decides.
 *
 * @param point What stands before the decimals.
 */
export function toNumber(bytes: Uint8Array, begin: number, end: number, point: "." | "," = "."): number {
  const reader = new DecimalReader(point), value = reader.read(bytes, begin, end);
  return reader.end === end && !Number.isNaN(value) ? value : ownConversion(bytes, begin, end, point);
}

/** Reads a number where it begins, without knowing where it ends. */
export class DecimalReader {
  /** The first byte after what was read last. */
  end = 0;
  readonly #point: number;

  /** @param point What stands before the decimals. */
  constructor(point: "." | "," = ".") {
    this.#point = point.charCodeAt(0);
  }

  /**
   * The number that begins at a byte, as {@linkcode toNumber} has it; NaN for what is none, and for what it leaves to that:
   * exponents, and numbers of many digits.
   */
  read(bytes: Uint8Array, begin: number, limit: number): number {
    const point = this.#point;
    let at = begin, high = 0, low = 0, room = DIGITS, more = 0, scale = 0, any = false;
    const sign = bytes[at];
    if (sign === MINUS || sign === PLUS) at++;
    for (let part = 0; part < 2; part++) {
      if (part === 1) {
        if (at >= limit || bytes[at] !== point) break;
        at++;
      }
      const from = at;
      // Leading zeros count for nothing.
      if (high === 0) { while (at < limit && bytes[at] === ZERO) at++; }
      while (room > 0) {
        // Integers of some digits, since a float64 waits for each multiplication.
        const start = at, stop = Math.min(limit, at + Math.min(room, CHUNK));
        let chunk = 0;
        for (let digit = 0; at < stop && (digit = bytes[at] - ZERO >>> 0) <= 9; at++) chunk = chunk * 10 + digit | 0;
        high = high * POWERS[at - start] + chunk;
        room -= at - start;
        if (at < stop || at === start) break;
      }
      if (room === 0) {
        const start = at;
        for (let digit = 0; at < limit && (digit = bytes[at] - ZERO >>> 0) <= 9; at++) low = low * 10 + digit | 0;
        more += at - start;
      }
      any ||= at > from;
      if (part === 1) scale = at - from;
    }
    this.end = at;
    if (!any || more > MORE_DIGITS || scale > 22) return NaN;
    const power = POWERS[scale], value = more === 0 ? high / power : quotient(high, POWERS[more], low, power);
    return sign === MINUS ? -value : value;
  }
}

/** (a·b + c)/d rounded to the nearest; NaN where that is in doubt. All are whole, and c is below b. */
function quotient(a: number, b: number, c: number, d: number): number {
  const product = a * b, rest = productError(a, b, product) + c;
  const high = product + rest, low = rest - (high - product);
  const q = high / d, part = q * d;
  const correction = (high - part - productError(q, d, part) + low) / d;
  const value = q + correction * (1 - DOUBT);
  return value === q + correction * (1 + DOUBT) ? value : NaN;
}

/** a·b − p, exactly, of p = a·b rounded (T. J. Dekker 1971). */
function productError(a: number, b: number, p: number): number {
  const c = SPLITTER * a, e = SPLITTER * b;
  const aHigh = c - (c - a), bHigh = e - (e - b), aLow = a - aHigh, bLow = b - bHigh;
  return aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

/**
 * The number that bytes of ASCII spell whose digits are in groups of three, as `1,234,567.8`; NaN for any other.
 *
 * @param point What stands before the decimals; the other of both separates the groups.
 */
export function toGroupedNumber(bytes: Uint8Array, begin: number, end: number, point: "." | "," = "."): number {
  const separator = point === "." ? 44 : 46, first = bytes.indexOf(separator, begin);
  const from = bytes[begin] === MINUS || bytes[begin] === PLUS ? begin + 1 : begin;
  if (first < 0 || first >= end || first - from < 1 || first - from > 3 || bytes[from] === ZERO) return NaN;
  const digits = new Uint8Array(end - begin);
  let count = 0, at = begin;
  for (let next = first; at < end; at++) {
    if (at === next && bytes[at] === separator) {
      for (let k = 1; k <= 3; k++) if (at + k >= end || (bytes[at + k] - ZERO >>> 0) > 9) return NaN;
      next += 4;
    } else if (bytes[at] === separator || at === next && (bytes[at] - ZERO >>> 0) <= 9) return NaN;
    else digits[count++] = bytes[at];
  }
  return toNumber(digits, 0, count, point);
}

function ownConversion(bytes: Uint8Array, begin: number, end: number, point: string): number {
  let text = "";
  if (end - begin > 1000) return NaN;
  for (let i = begin; i < end; i++) text += String.fromCharCode(bytes[i]);
  const plain = point === "." ? text : text.includes(".") ? "" : text.replace(point, ".");
  return NUMBER.test(plain) ? Number(plain) : NaN;
}
