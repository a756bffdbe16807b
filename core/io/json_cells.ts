import { DataFileError } from "./data_array.ts";
import { DecimalReader, toGroupedNumber, toNumber } from "./decimal.ts";
import { shownName } from "./columns.ts";
import { BlockBuilder, CELL, GROUPED, MAX_COLUMNS, QUOTED, type TakenBlock } from "./cell_block.ts";
import { isMissingWord, mayBeWord } from "./cell_words.ts";
import { MAX_RECORD } from "./csv_cells.ts";
import { TextCache } from "./text_cache.ts";

const LF = 10, CR = 13, SPACE = 32, TAB = 9, QUOTE = 34, COMMA = 44, COLON = 58, BACKSLASH = 92;
const OPEN_LIST = 91, CLOSE_LIST = 93, OPEN_RECORD = 123, CLOSE_RECORD = 125;

/** The values of JSON that are words; Python and JavaScript write NaN too, which is no JSON. */
const WORDS = [
  { text: "true", kind: CELL.boolean, value: 1 },
  { text: "false", kind: CELL.boolean, value: 0 },
  { text: "null", kind: CELL.null, value: NaN },
  { text: "NaN", kind: CELL.null, value: NaN },
] as const;

/** The columns of records: their keys in the order in which they come, as names and as they are written. */
export class JsonKeys {
  readonly names: string[] = [];
  readonly #places = new Map<string, number>();
  readonly #written: Uint8Array[] = [];

  /** The place of a key whose bytes, without quotes, are given, or −1; tries the expected place first. */
  find(bytes: Uint8Array, begin: number, end: number, expected: number): number {
    const guess = this.#written[expected];
    if (guess !== undefined && isSame(guess, bytes, begin, end)) return expected;
    return this.#places.get(textOf(bytes, begin, end) ?? "") ?? -1;
  }

  /** Takes in a key that is not known. */
  add(bytes: Uint8Array, begin: number, end: number, name: string): number {
    const place = this.names.length;
    this.names.push(name);
    this.#places.set(name, place);
    this.#written.push(bytes.slice(begin, end));
    return place;
  }
}

/** Takes the cells of records of JSON, in an array or line by line, part after part. */
export class JsonCells {
  readonly #keys: JsonKeys;
  readonly #mayGrow: boolean;
  readonly #expectsArray: boolean | undefined;
  #builder: BlockBuilder | undefined;
  readonly #decimals = new DecimalReader();
  readonly #texts = new TextCache("utf-8");
  /** Whether the records are in an array; unknown before the first byte. */
  isArray: boolean | undefined;
  #isClosed = false;
  /** Whether a comma has to come before the next record of an array. */
  #hasRecord = false;
  #line = 1;
  /** Line ends before and within the record that is being taken. */
  #lines = 0;
  #rows = 0;

  /**
   * @param keys Those of the records.
   * @param collects Whether keys that are not known are added to them, and no cells are taken.
   * @param isArray Whether the records are in an array, where it is known before.
   */
  constructor(readonly path: string, keys: JsonKeys, collects: boolean, isArray?: boolean) {
    this.#keys = keys;
    this.#mayGrow = collects;
    this.#expectsArray = isArray;
  }

  /** The records so far. */
  get count(): number {
    return this.#rows;
  }

  /**
   * The records that are whole.
   *
   * @param isLast Whether nothing follows.
   * @returns The block, whose source are the bytes of them; what follows these waits for more, or for the next block. It
   * has no cells while keys are collected.
   */
  take(bytes: Uint8Array<ArrayBuffer>, isLast: boolean): TakenBlock {
    const unit = this.#expectsArray === false ? "line" : "record";
    const builder = this.#builder ??= new BlockBuilder(this.#mayGrow ? 0 : this.#keys.names.length, this.path, unit);
    builder.count = 0;
    const first = this.#rows;
    let at = 0;
    for (let next = 0; !builder.isFull && (next = this.#record(bytes, at, isLast, builder)) >= 0;) at = next;
    if (isLast && !builder.isFull) at = bytes.length;
    if (!builder.isFull && bytes.length - at > MAX_RECORD) {
      throw new DataFileError(`${this.path}: ${this.#place()} has over ${MAX_RECORD} bytes. Give records of a table.`);
    }
    const taken = bytes.subarray(0, at);
    const text = (kind: number, begin: number, end: number) => this.#text(taken, kind, begin, end);
    return { ...builder.block(first, taken, text), end: at, isFull: builder.isFull };
  }

  #text(bytes: Uint8Array, kind: number, begin: number, end: number): string {
    if ((kind & QUOTED) === 0) return this.#texts.read(bytes, begin, end);
    return textOf(bytes, begin + 1, end - 1, this.#texts) ?? "";
  }

  #place(): string {
    return this.isArray === false ? `line ${this.#line + this.#lines}` : `record ${this.#rows + 1}`;
  }

  /** Takes what comes before a record and the record. @returns The first byte after it; −1 where it is not whole. */
  #record(bytes: Uint8Array, begin: number, isLast: boolean, builder: BlockBuilder): number {
    const length = bytes.length;
    this.#lines = 0;
    let at = begin, hasComma = !this.#hasRecord;
    let { isArray } = this, isClosed = this.#isClosed;
    for (;; at++) {
      if (at >= length) {
        if (isLast) this.#end(isArray, isClosed);
        return -1;
      }
      const byte = bytes[at];
      if (byte === LF) this.#lines++;
      else if (byte === SPACE || byte === TAB || byte === CR) continue;
      else if (isClosed) throw this.#invalid(bytes, at, "nothing after the end of the list");
      else if (byte === OPEN_LIST && isArray === undefined) isArray = true;
      else if (byte === CLOSE_LIST && isArray) {
        isClosed = true;
        if (isLast) continue;
        this.#isClosed = true;
        this.isArray = true;
        return at + 1;
      } else if (byte === COMMA && isArray && !hasComma) hasComma = true;
      else break;
    }
    if (bytes[at] !== OPEN_RECORD) {
      if (bytes[at] === OPEN_LIST && isArray) throw this.#invalid(bytes, at, "a record, as {…}: its rows are lists");
      throw this.#invalid(bytes, at, isArray === undefined ? "a list of records, or a record a line" : "a record");
    }
    isArray ??= false;
    if (isArray && !hasComma) throw this.#invalid(bytes, at, "a comma before it");
    const rowBegin = at, { width } = builder;
    builder.reserve();
    const { kinds, numbers, begins, ends } = builder, base = builder.at;
    kinds.fill(CELL.absent, base, base + width);
    numbers.fill(NaN, base, base + width);
    begins.fill(0, base, base + width);
    ends.fill(0, base, base + width);
    let expected = 0, isFirst = true;
    for (at++;;) {
      at = this.#space(bytes, at);
      if (at >= length) return this.#unfinished(isLast);
      if (bytes[at] === CLOSE_RECORD && isFirst) break;
      if (bytes[at] !== QUOTE) throw this.#invalid(bytes, at, "a key in quotes");
      const keyBegin = at + 1, keyEnd = stringEnd(bytes, keyBegin);
      if (keyEnd < 0) return this.#unfinished(isLast);
      let column = this.#keys.find(bytes, keyBegin, keyEnd, expected);
      if (column < 0) {
        const name = textOf(bytes, keyBegin, keyEnd);
        if (name === undefined) throw this.#invalid(bytes, at, "a key that is valid JSON");
        if (!this.#mayGrow) throw new DataFileError(`${this.path} changed while it was read. Run again.`);
        if (this.#keys.names.length >= MAX_COLUMNS) {
          throw new DataFileError(`${this.path} has over ${MAX_COLUMNS} different keys. Give records of a table.`);
        }
        column = this.#keys.add(bytes, keyBegin, keyEnd, name);
      }
      expected = column + 1;
      at = keyEnd + 1;
      at = this.#space(bytes, at);
      if (at >= length) return this.#unfinished(isLast);
      if (bytes[at] !== COLON) throw this.#invalid(bytes, at, "a colon after the key");
      at++;
      at = this.#space(bytes, at);
      if (at >= length) return this.#unfinished(isLast);
      const byte = bytes[at], valueBegin = at;
      let kind: number = CELL.text, value = NaN;
      if (byte === QUOTE) {
        const end = stringEnd(bytes, at + 1);
        if (end < 0) return this.#unfinished(isLast);
        at = end + 1;
        kind = this.#kindOfString(bytes, valueBegin + 1, end) | QUOTED;
        value = this.#value;
        if (kind === (CELL.text | QUOTED) && textOf(bytes, valueBegin + 1, end, this.#texts) === undefined) {
          throw this.#invalid(bytes, valueBegin, "a text that is valid JSON");
        }
      } else if (byte === OPEN_RECORD || byte === OPEN_LIST) {
        const what = byte === OPEN_LIST ? "a list" : "a record", name = shownName(this.#keys.names[column]);
        throw new DataFileError(
          `${this.path} has ${what} in ${this.#place()}, key ${name}, expected a number, a text, true, false or null. ` +
            'Give flat records, as pandas\' to_json(orient="records") writes them, or leave the key out.',
        );
      } else {
        while (at < length && !endsValue(bytes[at])) at++;
        if (at >= length) return this.#unfinished(isLast);
        const word = byte >= 65 ? wordAt(bytes, valueBegin, at) : undefined;
        if (word) {
          kind = word.kind;
          value = word.value;
        } else {
          kind = CELL.number;
          value = this.#decimals.read(bytes, valueBegin, at);
          if (this.#decimals.end !== at || value - value !== 0) value = toNumber(bytes, valueBegin, at);
          if (!Number.isFinite(value)) {
            const name = shownName(this.#keys.names[column]);
            throw this.#invalid(bytes, valueBegin, `a value of JSON for the key ${name}`, at);
          }
        }
      }
      if (column < width) {
        const cell = base + column;
        kinds[cell] = kind;
        numbers[cell] = value;
        begins[cell] = valueBegin;
        ends[cell] = at;
      }
      isFirst = false;
      at = this.#space(bytes, at);
      if (at >= length) return this.#unfinished(isLast);
      if (bytes[at] === CLOSE_RECORD) break;
      if (bytes[at] !== COMMA) throw this.#invalid(bytes, at, "a comma or the record's end");
      at++;
    }
    this.isArray = isArray;
    this.#hasRecord = isArray;
    builder.rowBegins[builder.count] = rowBegin;
    builder.rowEnds[builder.count] = at + 1;
    this.#line += this.#lines;
    this.#lines = 0;
    this.#rows++;
    builder.lines[builder.count++] = isArray ? this.#rows : this.#line;
    return at + 1;
  }

  /** The first byte from a place on that is no space. */
  #space(bytes: Uint8Array, at: number): number {
    for (; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte > SPACE) break;
      if (byte === LF) this.#lines++;
      else if (byte !== SPACE && byte !== TAB && byte !== CR) break;
    }
    return at;
  }

  #value = NaN;

  /** What a string is; its value is kept where it is a number. */
  #kindOfString(bytes: Uint8Array, begin: number, end: number): number {
    this.#value = NaN;
    if (begin === end) return CELL.empty;
    const byte = bytes[begin];
    if (byte <= 57 && (byte >= 48 || byte === 43 || byte === 45 || byte === 46)) {
      let value = this.#decimals.read(bytes, begin, end);
      if (this.#decimals.end !== end || value - value !== 0) value = toNumber(bytes, begin, end);
      if (Number.isFinite(value)) {
        this.#value = value;
        return CELL.number;
      }
      const grouped = toGroupedNumber(bytes, begin, end);
      if (Number.isFinite(grouped)) {
        this.#value = grouped;
        return CELL.number | GROUPED;
      }
    }
    if (mayBeWord(byte, end - begin) && isMissingWord(this.#texts.read(bytes, begin, end))) return CELL.word;
    return CELL.text;
  }

  #unfinished(isLast: boolean): -1 {
    if (!isLast) return -1;
    throw new DataFileError(`${this.path} ends within ${this.#place()}. Write or download it again.`);
  }

  /** Checks that the text may end here. */
  #end(isArray: boolean | undefined, isClosed: boolean): void {
    if (isArray && !isClosed) {
      throw new DataFileError(
        `${this.path} ends before its list does, after ${this.#rows} records. Write or download it again.`,
      );
    }
  }

  #invalid(bytes: Uint8Array, at: number, expected: string, end = at + 20): DataFileError {
    const text = new TextDecoder().decode(bytes.subarray(at, Math.min(end, at + 40)));
    return new DataFileError(
      `${this.path} has ${JSON.stringify(text)} in ${this.#place()}, expected ${expected}. ` +
        "Give a list of flat records, or one a line.",
    );
  }
}

function endsValue(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_RECORD || byte === SPACE || byte === LF || byte === CR || byte === TAB ||
    byte === CLOSE_LIST;
}

/** The closing quote of a string; −1 where it is not there. */
function stringEnd(bytes: Uint8Array, begin: number): number {
  for (let at = begin; at < bytes.length; at++) {
    if (bytes[at] === QUOTE) return at;
    if (bytes[at] === BACKSLASH) at++;
  }
  return -1;
}

/** The string that is written between quotes; nothing where it is no valid JSON. */
function textOf(bytes: Uint8Array, begin: number, end: number, texts?: TextCache): string | undefined {
  let isPlain = true;
  for (let at = begin; at < end; at++) if (bytes[at] === BACKSLASH || bytes[at] < SPACE) isPlain = false;
  const text = texts && isPlain ? texts.read(bytes, begin, end) : new TextDecoder().decode(bytes.subarray(begin, end));
  if (isPlain) return text;
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    return undefined;
  }
}

function isSame(known: Uint8Array, bytes: Uint8Array, begin: number, end: number): boolean {
  if (known.length !== end - begin) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[begin + i]) return false;
  return true;
}

/** Which of the words is written. */
function wordAt(bytes: Uint8Array, begin: number, end: number): typeof WORDS[number] | undefined {
  for (const word of WORDS) if (isText(word.text, bytes, begin, end)) return word;
  return undefined;
}

function isText(text: string, bytes: Uint8Array, begin: number, end: number): boolean {
  if (text.length !== end - begin) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[begin + i]) return false;
  return true;
}
