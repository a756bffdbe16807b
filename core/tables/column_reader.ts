import { CELL, type CellBlock, KIND } from "../io/cell_block.ts";
import { isMissingAnywhere } from "../io/cell_words.ts";
import { shownName } from "../io/columns.ts";
import { OTHER, type TableColumn, TableError } from "../rows/column_types.ts";
import { DATE_FORMATS, type DateFormat } from "../rows/dates.ts";
import { dateValue } from "../rows/months.ts";

/** Classes that a note lists of those that are not known, and that are remembered. */
const LISTED = 5, MAX_REMEMBERED = 1000;

/** Reads the cells of a column. */
export class ColumnReader {
  readonly #levels: ReadonlyMap<string, number>;
  readonly #values: ReadonlyMap<number, number>;
  readonly #truths: ReadonlyMap<string, number>;
  readonly #other: number;
  readonly #format: DateFormat | undefined;
  /** Texts that are no levels, and how often they were met. */
  readonly #strangers = new Map<string, number>();
  #strange = 0;

  /** @param place Its place in the table, −1 where it is not there. */
  constructor(readonly column: TableColumn, readonly path: string, readonly place: number) {
    const levels = column.kind === "class" ? column.levels : [];
    this.#levels = new Map(levels.map((level, k) => [level, k]));
    // What is written in another way, as 1.0 for 1, is the same level.
    this.#values = new Map(levels.flatMap((level, k) => isNumber(level) ? [[Number(level), k] as const] : []));
    // JSON's true is the True of pandas' CSV and the TRUE of R's.
    this.#truths = new Map(
      levels.flatMap((level, k) => /^(true|false)$/i.test(level) ? [[level.toLowerCase(), k]] : []),
    );
    this.#other = levels.indexOf(OTHER);
    this.#format = column.kind === "date" ? DATE_FORMATS.get(column.format) : undefined;
  }

  begin(): void {
    this.#strangers.clear();
    this.#strange = 0;
  }

  /** Fills in column `k` of as many cells as the block has rows. */
  read(block: CellBlock, width: number, cells: Float64Array, k: number, columns: number): void {
    const { place, column: { kind } } = this, { kinds, numbers, count } = block;
    for (let row = 0, cell = place, at = k; row < count; row++, cell += width, at += columns) {
      if (place < 0) {
        cells[at] = NaN;
        continue;
      }
      const found = kinds[cell] & KIND;
      if (found === CELL.number && kind === "number") cells[at] = numbers[cell];
      else if (found === CELL.empty || found === CELL.null || found === CELL.absent) cells[at] = NaN;
      else if (kind === "class") cells[at] = this.#level(block, cell, found);
      else if (found === CELL.word) cells[at] = NaN;
      else if (this.column.kind === "date" && found === CELL.date) cells[at] = dateValue(this.column, numbers[cell]);
      else {
        const days = kind === "date" && found === CELL.text ? this.#format?.read(block.text(cell)) ?? NaN : NaN;
        if (this.column.kind !== "date" || Number.isNaN(days)) throw this.#refused(block, cell, row);
        cells[at] = dateValue(this.column, days);
      }
    }
  }

  #level(block: CellBlock, cell: number, kind: number): number {
    const text = kind === CELL.boolean ? String(block.numbers[cell] === 1) : block.text(cell);
    const level = this.#levels.get(text) ?? this.#truths.get(text.toLowerCase());
    if (level !== undefined) return level;
    if (kind === CELL.word && isMissingAnywhere(text)) return NaN;
    if (kind === CELL.number) {
      const known = this.#values.get(block.numbers[cell]);
      if (known !== undefined) return known;
    }
    if (this.#other >= 0) return this.#other;
    this.#strange++;
    if (this.#strangers.has(text) || this.#strangers.size < MAX_REMEMBERED) {
      this.#strangers.set(text, (this.#strangers.get(text) ?? 0) + 1);
    }
    return NaN;
  }

  /** What became of texts that are no levels. */
  notes(): string[] {
    if (this.#strange === 0) return [];
    const { name } = this.column, texts = [...this.#strangers].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    const some = texts.slice(0, LISTED).map(([text]) => JSON.stringify(text.slice(0, 40))).join(", ");
    const more = texts.length > LISTED ? ` and ${texts.length - LISTED} more` : "";
    const rows = `${this.#strange} ${this.#strange === 1 ? "row" : "rows"}`;
    return [`${shownName(name)}: ${some}${more} in ${rows}, which the model does not know, taken for unknown`];
  }

  #refused(block: CellBlock, cell: number, row: number): TableError {
    const { name, kind } = this.column, text = JSON.stringify(block.text(cell).slice(0, 40));
    const expected = this.column.kind === "date" ? `a date as ${this.column.format}` : "a number";
    return new TableError(
      `${this.path} has ${text} in ${block.place(row)}, column ${shownName(name)}, expected ${expected}. ` +
        `Clean the data, or leave the cell empty: the model has the column as a ${kind}.`,
    );
  }
}

function isNumber(level: string): boolean {
  return level.trim() !== "" && Number.isFinite(Number(level));
}
