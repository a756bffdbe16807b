import { hasTwoLines, isUtf8, lineEnd, trimmedEnd } from "./csv_bytes.ts";
import { type CsvLayout, csvLayout, isMissing } from "./csv_layout.ts";
import { DataFileError } from "./data_array.ts";
import { DecimalReader, toNumber } from "./decimal.ts";
import { placesOf, shownName } from "./columns.ts";
import { NumberBlocks } from "./number_blocks.ts";
import type { StoredRows } from "./stored_rows.ts";
import { withText } from "./text.ts";

/** Bytes of one record; a quote that is never closed would otherwise take in the whole file. */
const MAX_RECORD = 1 << 24;

/** Bytes from which the layout is told. */
const HEAD_BYTES = 1 << 18;

const LF = 10, CR = 13, SPACE = 32, TAB = 9, QUOTE = 34;

/**
 * Opens a table of numbers, `[rows, columns]`: `.csv`, `.tsv`, `.txt`, `.dat`, also gzipped, in UTF-8, UTF-16 or an
 * encoding with ASCII's characters. How it is laid out, {@linkcode csvLayout} finds out. Its numbers are kept as float64,
 * eight bytes each.
 *
 * @param header Whether the first line has the columns' names; `auto` looks for it.
 * @param missing Columns, by name or by number from 0, whose cells may be empty or say that nothing is there: NaN.
 * @throws {DataFileError} That names the line and column of what is no finite number, or the line of a row of another
 * length than the first.
 */
export function openCsv(
  path: string,
  header: "auto" | "on" | "off" = "auto",
  missing: readonly string[] = [],
): Promise<StoredRows> {
  return withText(path, async ({ bytes, notes }) => {
    let scanner: Scanner | undefined, head = new Uint8Array();
    const begin = (isWhole: boolean) => {
      // Only whole lines tell how a table is laid out.
      const end = isWhole ? head.length : Math.max(head.lastIndexOf(LF), head.lastIndexOf(CR)) + 1 || head.length;
      const text = new TextDecoder(isUtf8(head) ? "utf-8" : "latin1").decode(head.subarray(0, end));
      scanner = new Scanner(path, csvLayout(path, text, header), missing);
      scanner.add(head);
    };
    for await (const chunk of bytes) {
      if (scanner) scanner.add(chunk);
      else {
        head = joined(head, chunk);
        if (head.length >= HEAD_BYTES && (hasTwoLines(head) || head.length > 2 * MAX_RECORD)) begin(false);
      }
    }
    if (!scanner) begin(true);
    return scanner!.finish(notes);
  });
}

/** The numbers of the rows so far. */
class Scanner {
  readonly #layout: CsvLayout;
  readonly #delimiter: number;
  readonly #isSpaced: boolean;
  readonly #comment: number;
  readonly #width: number;
  readonly #numbers: NumberBlocks;
  readonly #row: Float64Array;
  /** For each column of the file, 1 where it is read. */
  readonly #isNumber: Uint8Array;
  /** The same of those that are read and may lack values. */
  readonly #mayLack: Uint8Array;
  readonly #decimals: DecimalReader;
  #rest = new Uint8Array();
  #line = 1;
  #linesToSkip: number;
  #isHeader: boolean;
  #rows = 0;

  constructor(readonly path: string, layout: CsvLayout, missing: readonly string[]) {
    this.#layout = layout;
    this.#isSpaced = layout.delimiter === " ";
    this.#delimiter = layout.delimiter.charCodeAt(0);
    this.#comment = layout.comment?.charCodeAt(0) ?? -1;
    this.#width = layout.roles.length;
    this.#linesToSkip = layout.skippedLines;
    this.#isHeader = layout.hasHeader;
    this.#row = new Float64Array(layout.roles.filter((role) => role === "number").length);
    this.#decimals = new DecimalReader(layout.point);
    this.#isNumber = Uint8Array.from(layout.roles, (role) => role === "number" ? 1 : 0);
    const lacking = new Set(placesOf(missing, layout.columns, this.#row.length));
    let read = 0;
    this.#mayLack = this.#isNumber.map((isNumber) => isNumber === 1 && lacking.has(read++) ? 1 : 0);
    this.#numbers = new NumberBlocks(this.#row.length, path);
  }

  /** Takes the rows that are whole; the rest waits for more. */
  add(chunk: Uint8Array<ArrayBuffer>): void {
    const bytes = this.#rest.length > 0 ? joined(this.#rest, chunk) : chunk;
    const end = this.#scan(bytes, false);
    if (bytes.length - end > MAX_RECORD) {
      throw new DataFileError(
        `${this.path} is no CSV file: line ${this.#line} has over ${MAX_RECORD} bytes, as after a quote that is not ` +
          "closed. Save it again as CSV.",
      );
    }
    this.#rest = bytes.slice(end);
  }

  finish(notes: readonly string[]): StoredRows {
    this.#scan(this.#rest, true);
    if (this.#rows === 0 || this.#row.length === 0) {
      throw new DataFileError(`${this.path} has no rows of numbers. Give a file of one row per sample.`);
    }
    const { columns, notes: own } = this.#layout;
    return this.#numbers.finish({ notes: [...notes, ...own], ...(columns ? { columns } : {}) });
  }

  /** @returns The first byte of what is not taken. */
  #scan(bytes: Uint8Array, isLast: boolean): number {
    let at = 0;
    while (at < bytes.length) {
      const next = this.#record(bytes, at, isLast);
      if (next < 0) return at;
      at = next;
    }
    return at;
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
    const { roles } = this.#layout, length = bytes.length, delimiter = this.#delimiter, decimals = this.#decimals;
    const isPlain = !this.#isHeader && !this.#isSpaced;
    let at = begin, column = 0, kept = 0, lines = 0;
    for (;;) {
      // Most cells are a number and nothing else.
      if (isPlain && this.#isNumber[column] === 1) {
        const value = decimals.read(bytes, at, length), end = decimals.end, next = bytes[end];
        if (
          value - value === 0 && end < length && (next === delimiter || next === LF || next === CR && end + 1 < length)
        ) {
          this.#row[kept++] = value;
          column++;
          at = end;
          if (next !== delimiter) break;
          at++;
          continue;
        }
      }
      while (at < length && (bytes[at] === SPACE || bytes[at] === TAB && (this.#isSpaced || this.#delimiter !== TAB))) {
        at++;
      }
      let first = at, last = at, isQuoted = false;
      if (bytes[at] === QUOTE) {
        isQuoted = true;
        first = ++at;
        for (; at < length; at++) {
          if (bytes[at] === QUOTE) {
            if (bytes[at + 1] !== QUOTE) break;
            at++;
          } else if (bytes[at] === LF || bytes[at] === CR && bytes[at + 1] !== LF) lines++;
        }
        last = at;
        if (at >= length) {
          if (!isLast) return -1;
          throw new DataFileError(
            `${this.path} is no CSV file: Quote Not Closed, which opens in line ${this.#line}. Save it again as CSV.`,
          );
        }
        at++;
      }
      const from = at;
      while (at < length && !this.#endsCell(bytes[at])) at++;
      if (!isQuoted) last = at;
      if (at >= length && !isLast) return -1;
      // A carriage return at the end of what is there may be followed by its line feed.
      if (bytes[at] === CR && at + 1 >= length && !isLast) return -1;
      const isRest = isQuoted && trimmedEnd(bytes, from, at) > from;
      if (!isQuoted) last = trimmedEnd(bytes, first, last);
      const isEnd = at >= length || bytes[at] === LF || bytes[at] === CR;
      if (column === 0 && isEnd && first === last && !isQuoted) return this.#endOf(bytes, at, lines);
      const isPadding = this.#isSpaced && isEnd && first === last && !isQuoted;
      if (!isPadding) {
        if (!this.#isHeader) {
          if (isRest) throw this.#noNumber(bytes, first - 1, at, column);
          if (column < this.#width && roles[column] === "number") {
            const value = toNumber(bytes, first, last, this.#layout.point);
            const isLeft = this.#mayLack[column] === 1 && isMissing(ascii(bytes, first, last));
            if (!isLeft && !Number.isFinite(value)) throw this.#noNumber(bytes, first, last, column);
            this.#row[kept++] = value;
          } else if (roles[column] === "empty" && first !== last) throw this.#noNumber(bytes, first, last, column);
        }
        column++;
      }
      if (isEnd) break;
      at++;
    }
    if (this.#isHeader) this.#isHeader = false;
    else {
      if (column !== this.#width) {
        throw new DataFileError(
          `${this.path}: line ${this.#line} has ${column} columns, expected ${this.#width} as in the first row. ` +
            "Complete or remove the row.",
        );
      }
      this.#numbers.add(this.#row);
      this.#rows++;
    }
    return this.#endOf(bytes, at, lines);
  }

  #endsCell(byte: number): boolean {
    return byte === this.#delimiter || byte === LF || byte === CR || this.#isSpaced && byte === TAB;
  }

  #endOf(bytes: Uint8Array, at: number, lines: number): number {
    this.#line += 1 + lines;
    return at >= bytes.length ? at : bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at + 1;
  }

  #noNumber(bytes: Uint8Array, begin: number, end: number, column: number): DataFileError {
    const text = new TextDecoder().decode(bytes.subarray(begin, Math.min(end, begin + 60)));
    const { columns, roles } = this.#layout;
    const name = columns?.[roles.slice(0, column).filter((role) => role === "number").length];
    const place = `line ${this.#line}, column ${column + 1}${name === undefined ? "" : ` (${shownName(name)})`}`;
    if (column >= this.#width) {
      return new DataFileError(
        `${this.path}: line ${this.#line} has more columns than the ${this.#width} of the first row. Complete or ` +
          "remove the row.",
      );
    }
    const got = text === "" ? "nothing" : JSON.stringify(text.slice(0, 40));
    return new DataFileError(`${this.path} has ${got} in ${place}, expected a finite number. ${hintFor(text)}.`);
  }
}

/** The text of a cell, as far as a word for what is missing is long. */
function ascii(bytes: Uint8Array, begin: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(begin, Math.min(end, begin + 9)));
}

/** What to do about a cell that is no number. */
function hintFor(text: string): string {
  if (/^[+-]?\d{1,3}([,'\u2019 \u00a0\u202f.]\d{3})+([.,]\d+)?$/.test(text)) {
    return /^[+-]?\d+,\d+$/.test(text)
      ? "Write decimals with a point, and numbers without thousands separators"
      : "Write it without thousands separators";
  }
  if (/^[+-]?\d+,\d+$/.test(text)) return "Write decimals with a point";
  return "Clean the data, or remove the column";
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
