import { DataFileError } from "./data_array.ts";

/** What a cell of a file is, before it is known what its column is. */
export const CELL = {
  /** Nothing at all. */
  empty: 0,
  /** A finite number. */
  number: 1,
  /** Anything else that is written. */
  text: 2,
  /** A word that may stand for a missing value: `NA`, `?`. */
  word: 3,
  /** JSON's and Parquet's true and false, as the numbers 1 and 0. */
  boolean: 4,
  /** JSON's and Parquet's null. */
  null: 5,
  /** A record of JSON that lacks the key. */
  absent: 6,
  /** Parquet's dates and times, as days since 1970-01-01 UTC. */
  date: 7,
} as const;

/** Is set beside the kind of a cell in quotes. */
export const QUOTED = 0x80;

/** Is set beside the kind of a number whose digits are in groups of three: `1,234,567`. */
export const GROUPED = 0x40;

/** The bits of a cell's kind. */
export const KIND = 0x3f;

/** Some whole rows of a table, one after the other. They are valid until the next block is asked for. */
export interface CellBlock {
  /** The index of the first row. */
  readonly first: number;
  readonly count: number;
  /** What each cell is, `[count, columns]`: one of {@linkcode CELL}, and {@linkcode QUOTED} or {@linkcode GROUPED}. */
  readonly kinds: Uint8Array;
  /** The value of what is a number, `[count, columns]`; NaN of all other cells. */
  readonly numbers: Float64Array;
  /** The text of a cell as its writer meant it, without quotes. */
  text(cell: number): string;
  /** Digits that a cell that is a number has after its point, less its exponent; 0 at least. */
  decimals(cell: number): number;
  /** Whether a number is written as codes are: `007`. */
  isCode(cell: number): boolean;
  /** Where a row, counted from 0 in the block, is in the file: `line 7`. */
  place(row: number): string;
  /** The file's own bytes, of a table that is a text. */
  readonly source?: BlockSource;
}

/** A block that was made of the beginning of some bytes. */
export interface TakenBlock extends CellBlock {
  /** The first byte that was not taken. */
  readonly end: number;
  /** Whether it is only full, and the next rows may be whole too. */
  readonly isFull: boolean;
}

/** Where the cells of a block lie in a text. */
export interface BlockSource {
  /** All bytes that the block was made of, and what lies between rows; the bytes of blocks make up the whole text. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The first and the last byte of each cell with its quotes, `[count, columns]`; equal where it is absent. */
  readonly begins: Uint32Array;
  readonly ends: Uint32Array;
  /** Where each row begins, and ends before its line does. */
  readonly rowBegins: Uint32Array;
  readonly rowEnds: Uint32Array;
  /** Where the header ends before its line does, where it is in this block. */
  readonly headerEnd?: number;
}

/** Most columns of a table of any cells. */
export const MAX_COLUMNS = 100_000;

/** Cells of a block at most, unless a single row has more. */
const MAX_CELLS = 1 << 20;

const ZERO = 48, NINE = 57, EXPONENT = 101, MINUS = 45, PLUS = 43;

/** Collects the cells of a block. Its memory is used again for the next. */
export class BlockBuilder {
  kinds = new Uint8Array();
  numbers = new Float64Array();
  begins = new Uint32Array();
  ends = new Uint32Array();
  rowBegins = new Uint32Array();
  rowEnds = new Uint32Array();
  /** The line, or the number from 1, of each row. */
  lines = new Float64Array();
  count = 0;

  /**
   * @param source The file's name for messages.
   * @param unit What rows are counted in: `line` or `record`.
   * @param point What stands before decimals.
   */
  constructor(
    readonly width: number,
    readonly source: string,
    readonly unit: "line" | "record",
    readonly point: "." | "," = ".",
  ) {}

  get #mostRows(): number {
    return Math.max(1, Math.floor(MAX_CELLS / Math.max(1, this.width)));
  }

  /** Whether no more rows belong into the block. */
  get isFull(): boolean {
    return this.count >= this.#mostRows;
  }

  /** Makes room for one more row, whose cells lie from {@linkcode BlockBuilder.at} on. */
  reserve(): void {
    const { width, count } = this;
    if (count < this.lines.length) return;
    if (width > MAX_COLUMNS) {
      throw new DataFileError(
        `${this.source} has ${width} columns, of which a table has at most ${MAX_COLUMNS}. Leave some out.`,
      );
    }
    const rows = Math.max(1, Math.min(Math.max(64, 2 * count), this.#mostRows));
    try {
      this.kinds = grown(this.kinds, new Uint8Array(rows * width));
      this.numbers = grown(this.numbers, new Float64Array(rows * width));
      this.begins = grown(this.begins, new Uint32Array(rows * width));
      this.ends = grown(this.ends, new Uint32Array(rows * width));
      this.rowBegins = grown(this.rowBegins, new Uint32Array(rows));
      this.rowEnds = grown(this.rowEnds, new Uint32Array(rows));
      this.lines = grown(this.lines, new Float64Array(rows));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new DataFileError(`${this.source}: there is no memory for rows of ${width} columns. Leave some out.`, {
        cause: error,
      });
    }
  }

  /** The first cell of the row that is being added. */
  get at(): number {
    return this.count * this.width;
  }

  /** The cells so far. */
  block(
    first: number,
    bytes: Uint8Array<ArrayBuffer>,
    text: (kind: number, begin: number, end: number) => string,
    headerEnd?: number,
  ): CellBlock & { readonly source: BlockSource } {
    const { kinds, numbers, begins, ends, rowBegins, rowEnds, lines, unit } = this;
    const point = this.point.charCodeAt(0);
    return {
      ...{ first, count: this.count, kinds, numbers },
      text: (cell) => text(kinds[cell], begins[cell], ends[cell]),
      decimals: (cell) => decimalsOf(bytes, begins[cell], ends[cell], point),
      isCode: (cell) => isCode(bytes, begins[cell], ends[cell], (kinds[cell] & QUOTED) !== 0),
      place: (row) => `${unit} ${lines[row]}`,
      source: { bytes, begins, ends, rowBegins, rowEnds, ...(headerEnd === undefined ? {} : { headerEnd }) },
    };
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(old: T, room: T): T {
  room.set(old);
  return room;
}

/** Digits after the point of a number that is written in some bytes, less its exponent. */
function decimalsOf(bytes: Uint8Array, begin: number, end: number, point: number): number {
  let digits = 0, isAfter = false;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at];
    if (byte >= ZERO && byte <= NINE) { if (isAfter) digits++; }
    else if (byte === point) isAfter = true;
    else if ((byte | 32) === EXPONENT) {
      let exponent = 0;
      const sign = bytes[at + 1] === MINUS ? -1 : 1;
      for (at++; at < end; at++) {
        const digit = bytes[at] - ZERO;
        if (digit >= 0 && digit <= 9) exponent = Math.min(9999, 10 * exponent + digit);
      }
      return Math.max(0, digits - sign * exponent);
    }
  }
  return digits;
}

/** Whether a number begins with a zero and another digit. */
function isCode(bytes: Uint8Array, begin: number, end: number, isQuoted: boolean): boolean {
  if (isQuoted) begin++;
  if (bytes[begin] === MINUS || bytes[begin] === PLUS) begin++;
  return bytes[begin] === ZERO && begin + 1 < end && bytes[begin + 1] >= ZERO && bytes[begin + 1] <= NINE;
}
