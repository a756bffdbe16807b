import { CELL, type CellBlock, GROUPED, KIND, QUOTED } from "../io/cell_block.ts";
import { isMissingAnywhere } from "../io/cell_words.ts";
import { DateFinder, DateSteps, DAY } from "../rows/dates.ts";
import { Extremes, type Recurring } from "./extremes.ts";
import { NumberSteps } from "./number_steps.ts";

/** A value of a column that was met, and how often. */
export interface Level {
  /** As it was written first. */
  readonly text: string;
  /** NaN of a text. */
  readonly value: number;
  /** Its place in the order in which values were met. */
  readonly place: number;
  /** Whether it is a word that stands for a missing value among numbers. */
  readonly isWord: boolean;
  count: number;
}

/** A cell that is an example of others. */
export interface Example {
  readonly text: string;
  readonly place: string;
}

/** Characters of the longest text that may be a class. */
const LONGEST_LEVEL = 200;

/** What stood for missing cells: an empty one, JSON's null, and a key that is left out. */
export const EMPTY = "", NULL = "null", ABSENT = "(absent)";

const BITS = new Float64Array(1), WORDS = new Uint32Array(BITS.buffer);

/** What one pass over the cells of a column finds out, in memory that does not grow with the rows. */
export class ColumnSummary {
  rows = 0;
  /** Cells of each kind; a word among texts is a text. */
  numbers = 0;
  texts = 0;
  booleans = 0;
  dates = 0;
  /** Cells that are missing whatever the column is, by what stood for them. */
  readonly missing = new Map<string, number>();
  /** Words that stand for missing values among numbers. */
  words = 0;
  /** Numbers that are texts in JSON. */
  quoted = 0;
  /** Numbers whose digits are in groups of three. */
  grouped = 0;
  /** Numbers written as codes are: `007`. */
  codes = 0;
  /** The first text. */
  firstText: Example | undefined;
  firstNumber: Example | undefined;
  /** Values that were met, up to the limit. */
  #levels: Map<string | number, Level> | undefined = new Map();
  /** The rows with a value when there were too many, and how many there were then. */
  #rowsAtLimit = 0;
  /** Of values that recurred before there were too many, how often each was met. */
  readonly #recurring = new Map<string | number, number>();
  readonly steps = new NumberSteps();
  readonly extremes = new Extremes();
  readonly dateFinder = new DateFinder();
  readonly dateSteps = new DateSteps();
  /** Whether each number is the one before and 1, from 0 or 1 on. */
  isCounting = true;
  isAscending = true;
  #last = NaN;
  // Of the order of levels, and of what they are.
  #pattern = [0x811c9dc5, 0x1b873593];
  #content = [0x811c9dc5, 0x1b873593];

  /** @param limit Values that are kept at most. */
  constructor(readonly limit: number) {}

  /** Takes in the cells of a column, the one of the given number of `width`. */
  take(block: CellBlock, column: number, width: number): void {
    const { kinds, numbers, count } = block;
    for (let row = 0, cell = column; row < count; row++, cell += width) {
      const kind = kinds[cell] & KIND;
      if (kind === CELL.number) this.#number(block, cell, row, numbers[cell]);
      else if (kind === CELL.text) this.#text(block, cell, row);
      else if (kind === CELL.empty) this.#miss(EMPTY);
      else if (kind === CELL.null) this.#miss(NULL);
      else if (kind === CELL.absent) this.#miss(ABSENT);
      else if (kind === CELL.word) {
        const word = block.text(cell);
        if (isMissingAnywhere(word)) this.#miss(word);
        else {
          this.words++;
          this.#level(word, NaN, word, true);
        }
      } else if (kind === CELL.boolean) {
        this.booleans++;
        const text = numbers[cell] === 1 ? "true" : "false";
        this.#level(text, NaN, text, false);
      } else {
        this.dates++;
        this.dateSteps.add(Math.round(numbers[cell] * DAY));
        // A date is no number that is equal.
        mix(this.#content, CELL.date);
        this.#level(numbers[cell], numbers[cell], undefined, false, block, cell);
      }
    }
    this.rows += count;
  }

  #number(block: CellBlock, cell: number, row: number, value: number): void {
    this.numbers++;
    if ((block.kinds[cell] & QUOTED) !== 0) this.quoted++;
    if ((block.kinds[cell] & GROUPED) !== 0) this.grouped++;
    if (block.isCode(cell)) this.codes++;
    this.steps.add(value, block.decimals(cell));
    this.extremes.add(value);
    if (this.isAscending) {
      if (this.isCounting && !(this.numbers === 1 ? value === 0 || value === 1 : value === this.#last + 1)) {
        this.isCounting = false;
      }
      if (value <= this.#last) this.isAscending = false;
      this.#last = value;
    }
    this.firstNumber ??= { text: block.text(cell), place: block.place(row) };
    this.#level(value, value, undefined, false, block, cell);
  }

  #text(block: CellBlock, cell: number, row: number): void {
    const text = block.text(cell);
    this.texts++;
    this.firstText ??= { text, place: block.place(row) };
    if (!this.dateFinder.isOver) this.dateFinder.add(text);
    this.#level(text, NaN, text, false);
  }

  #miss(marker: string): void {
    this.missing.set(marker, (this.missing.get(marker) ?? 0) + 1);
    mix(this.#pattern, 0xffffffff);
  }

  /**
   * Counts a value.
   *
   * @param text What is written; that of a cell, if left out.
   */
  #level(key: string | number, value: number, text: string | undefined, isWord: boolean, block?: CellBlock, cell = 0) {
    const levels = this.#levels, known = levels?.get(key);
    if (known) {
      known.count++;
      mix(this.#pattern, known.place);
      return;
    }
    if (levels) {
      const isTooLong = text !== undefined && text.length > LONGEST_LEVEL;
      if (levels.size >= this.limit || isTooLong) {
        this.#rowsAtLimit = this.numbers + this.texts + this.booleans + this.dates;
        this.#valuesAtLimit = levels.size;
        for (const [key, { count }] of levels) if (count > 1) this.#recurring.set(key, count);
        this.#levels = undefined;
      } else {
        const place = levels.size;
        levels.set(key, { text: text ?? block!.text(cell), value, place, isWord, count: 1 });
        mix(this.#pattern, place);
      }
    }
    const recurred = this.#recurring.get(key);
    if (recurred !== undefined) this.#recurring.set(key, recurred + 1);
    mixValue(this.#content, key);
    if (!this.#levels) mixValue(this.#pattern, key);
  }

  #valuesAtLimit = 0;

  /** The values in the order in which they were met; nothing where there are too many. */
  get levels(): readonly Level[] | undefined {
    return this.#levels && [...this.#levels.values()];
  }

  /** The numbers that recur, the most frequent first; of many values those that did so early. */
  get recurring(): Recurring[] {
    const counts = this.#levels ? [...this.#levels].map(([key, { count }]) => [key, count] as const) : this.#recurring;
    return [...counts].flatMap(([value, count]) => typeof value === "number" && count > 1 ? [{ value, count }] : [])
      .sort((a, b) => b.count - a.count);
  }

  /** Values for each row that has one, about. */
  get distinctShare(): number {
    if (this.#levels) return this.#levels.size / Math.max(1, this.known + this.words);
    return this.#valuesAtLimit / Math.max(1, this.#rowsAtLimit);
  }

  /** Cells that have a value, whatever the column is. */
  get known(): number {
    return this.numbers + this.texts + this.booleans + this.dates;
  }

  /** Equal for columns whose cells are equal in the same rows. */
  get pattern(): string {
    return this.#pattern.join();
  }

  /** Equal for columns of the same pattern whose cells are the same. */
  get content(): string {
    return this.#content.join();
  }
}

/** Mixes a number of 32 bits into a hash of 64. */
function mix(hash: number[], word: number): void {
  hash[0] = Math.imul(hash[0] ^ word, 0x01000193);
  hash[0] ^= hash[0] >>> 15;
  hash[1] = Math.imul(hash[1] ^ word, 0x85ebca6b);
  hash[1] ^= hash[1] >>> 13;
}

function mixValue(hash: number[], value: string | number): void {
  if (typeof value === "number") {
    BITS[0] = value;
    mix(hash, WORDS[0]);
    mix(hash, WORDS[1]);
    return;
  }
  for (let i = 0; i < value.length; i++) mix(hash, value.charCodeAt(i));
  mix(hash, value.length);
}
