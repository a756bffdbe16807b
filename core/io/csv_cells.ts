import { lineEnd, trimmedEnd } from "./csv_bytes.ts";
import type { CsvLayout } from "./csv_layout.ts";
import { DataFileError } from "./data_array.ts";
import { DecimalReader, toGroupedNumber, toNumber } from "./decimal.ts";
import { BlockBuilder, CELL, GROUPED, QUOTED, type TakenBlock } from "./cell_block.ts";
import { isMissingWord, mayBeWord } from "./cell_words.ts";
import { TextCache } from "./text_cache.ts";

/** Bytes of one record; a quote that is never closed would otherwise take in the whole file. */
export const MAX_RECORD = 1 << 24;

const LF = 10, CR = 13, SPACE = 32, TAB = 9, QUOTE = 34, PLUS = 43, MINUS = 45, POINT = 46, ZERO = 48, NINE = 57;

/** Takes the cells of a CSV text, part after part. */
export class CsvCells {
  readonly #layout: CsvLayout;
  readonly #builder: BlockBuilder;
  readonly #delimiter: number;
  readonly #isSpaced: boolean;
  readonly #comment: number;
  readonly #width: number;
  readonly #decimals: DecimalReader;
  readonly #texts: TextCache;
  #line = 1;
  #linesToSkip: number;
  #isHeader: boolean;
  #headerEnd: number | undefined;
  #rows = 0;

  constructor(readonly path: string, layout: CsvLayout, encoding: "utf-8" | "latin1") {
    this.#layout = layout;
    this.#isSpaced = layout.delimiter === " ";
    this.#delimiter = layout.delimiter.charCodeAt(0);
    this.#comment = layout.comment?.charCodeAt(0) ?? -1;
    this.#width = layout.roles.length;
    this.#linesToSkip = layout.skippedLines;
    this.#isHeader = layout.hasHeader;
    this.#decimals = new DecimalReader(layout.point);
    this.#builder = new BlockBuilder(this.#width, path, "line", layout.point);
    this.#texts = new TextCache(encoding);
  }

  /**
   * The rows that are whole.
   *
   * @param isLast Whether nothing follows.
   * @returns The block, whose source are the bytes of them; what follows these waits for more, or for the next block.
   */
  take(bytes: Uint8Array<ArrayBuffer>, isLast: boolean): TakenBlock {
    const builder = this.#builder;
    builder.count = 0;
    this.#headerEnd = undefined;
    let at = 0;
    while (at < bytes.length && !builder.isFull) {
      const next = this.#record(bytes, at, isLast);
      if (next < 0) break;
      at = next;
    }
    if (!builder.isFull && bytes.length - at > MAX_RECORD) {
      throw new DataFileError(
        `${this.path} is no CSV file: line ${this.#line} has over ${MAX_RECORD} bytes, as after a quote that is not ` +
          "closed. Save it again as CSV.",
      );
    }
    const first = this.#rows;
    this.#rows += builder.count;
    const taken = bytes.subarray(0, at);
    const text = (kind: number, begin: number, end: number) => this.#text(taken, kind, begin, end);
    return { ...builder.block(first, taken, text, this.#headerEnd), end: at, isFull: builder.isFull };
  }

  #text(bytes: Uint8Array, kind: number, begin: number, end: number): string {
    if ((kind & QUOTED) === 0) return this.#texts.read(bytes, begin, end);
    const text = this.#texts.read(bytes, begin + 1, end - 1);
    return text.includes('"') ? text.replaceAll('""', '"') : text;
  }

  /** Takes the record that begins at a byte. @returns The first byte after it; −1 where it is not whole. */
  #record(bytes: Uint8Array, begin: number, isLast: boolean): number {
    if (this.#linesToSkip > 0 || bytes[begin] === this.#comment) {
      const end = lineEnd(bytes, begin, isLast);
      if (end >= 0) {
        this.#line++;
        if (this.#linesToSkip > 0) this.#linesToSkip--;
      }
      return end;
    }
    const length = bytes.length, delimiter = this.#delimiter, decimals = this.#decimals, width = this.#width;
    const builder = this.#builder;
    builder.reserve();
    const { kinds, numbers, begins, ends } = builder, base = builder.at;
    const isPlain = !this.#isHeader && !this.#isSpaced;
    let at = begin, column = 0, lines = 0;
    for (;;) {
      // Most cells are a number and nothing else.
      if (isPlain && column < width) {
        const byte = bytes[at];
        if (byte <= NINE && (byte >= ZERO || byte === MINUS || byte === POINT || byte === PLUS)) {
          const value = decimals.read(bytes, at, length), end = decimals.end, next = bytes[end];
          if (
            value - value === 0 && end < length &&
            (next === delimiter || next === LF || next === CR && end + 1 < length)
          ) {
            const cell = base + column++;
            kinds[cell] = CELL.number;
            numbers[cell] = value;
            begins[cell] = at;
            ends[cell] = end;
            at = end;
            if (next !== delimiter) break;
            at++;
            continue;
          }
        }
      }
      while (at < length && (bytes[at] === SPACE || bytes[at] === TAB && (this.#isSpaced || delimiter !== TAB))) at++;
      let first = at, last = at, isQuoted = false;
      if (bytes[at] === QUOTE) {
        isQuoted = true;
        for (at++; at < length; at++) {
          if (bytes[at] === QUOTE) {
            if (bytes[at + 1] !== QUOTE) break;
            at++;
          } else if (bytes[at] === LF || bytes[at] === CR && bytes[at + 1] !== LF) lines++;
        }
        if (at >= length) {
          if (!isLast) return -1;
          throw new DataFileError(
            `${this.path} is no CSV file: Quote Not Closed, which opens in line ${this.#line}. Save it again as CSV.`,
          );
        }
        last = ++at;
      }
      const from = at;
      while (at < length && !this.#endsCell(bytes[at])) at++;
      if (at >= length && !isLast) return -1;
      // A carriage return at the end of what is there may be followed by its line feed.
      if (bytes[at] === CR && at + 1 >= length && !isLast) return -1;
      if (!isQuoted) last = trimmedEnd(bytes, first, at);
      else if (trimmedEnd(bytes, from, at) > from) {
        throw new DataFileError(
          `${this.path} is no CSV file: Invalid Closing Quote, before other text in line ${this.#line}. ` +
            "Save it again as CSV.",
        );
      }
      const isEnd = at >= length || bytes[at] === LF || bytes[at] === CR;
      if (column === 0 && isEnd && first === last && !isQuoted) return this.#endOf(bytes, at, lines);
      const isPadding = this.#isSpaced && isEnd && first === last && !isQuoted;
      if (!isPadding) {
        if (!this.#isHeader && column < width) {
          const cell = base + column;
          begins[cell] = first;
          ends[cell] = last;
          if (isQuoted) [first, last] = [first + 1, last - 1];
          numbers[cell] = NaN;
          kinds[cell] = this.#kind(bytes, first, last, cell) | (isQuoted ? QUOTED : 0);
        }
        column++;
      }
      if (isEnd) break;
      at++;
    }
    if (this.#isHeader) {
      this.#isHeader = false;
      this.#headerEnd = at;
    } else {
      if (column !== width) {
        throw new DataFileError(
          `${this.path}: line ${this.#line} has ${column} columns, expected ${width} as in the first row. ` +
            "Complete or remove the row.",
        );
      }
      builder.rowBegins[builder.count] = begin;
      builder.rowEnds[builder.count] = at;
      builder.lines[builder.count++] = this.#line;
    }
    return this.#endOf(bytes, at, lines);
  }

  /** What a cell is; its value is kept where it is a number. */
  #kind(bytes: Uint8Array, first: number, last: number, cell: number): number {
    if (first === last) return CELL.empty;
    const byte = bytes[first];
    if (byte <= NINE && (byte >= ZERO || byte === MINUS || byte === POINT || byte === PLUS)) {
      const value = this.#decimals.read(bytes, first, last);
      const exact = this.#decimals.end === last && value - value === 0
        ? value
        : toNumber(bytes, first, last, this.#layout.point);
      if (Number.isFinite(exact)) {
        this.#builder.numbers[cell] = exact;
        return CELL.number;
      }
      const grouped = toGroupedNumber(bytes, first, last, this.#layout.point);
      if (Number.isFinite(grouped)) {
        this.#builder.numbers[cell] = grouped;
        return CELL.number | GROUPED;
      }
    }
    if (mayBeWord(byte, last - first) && isMissingWord(this.#texts.read(bytes, first, last))) return CELL.word;
    return CELL.text;
  }

  #endsCell(byte: number): boolean {
    return byte === this.#delimiter || byte === LF || byte === CR || this.#isSpaced && byte === TAB;
  }

  #endOf(bytes: Uint8Array, at: number, lines: number): number {
    this.#line += 1 + lines;
    return at >= bytes.length ? at : bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at + 1;
  }
}
