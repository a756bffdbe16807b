import { CELL, type CellBlock, KIND } from "../io/cell_block.ts";
import { isMissingAnywhere } from "../io/cell_words.ts";
import { shownName } from "../io/columns.ts";
import type { LeftOutColumn, TableColumn } from "../rows/column_types.ts";
import { ColumnReader } from "./column_reader.ts";

/** Values that a note lists, and that are remembered. */
const LISTED = 3, MAX_REMEMBERED = 100;

/**
 * Reads a column that is not modelled because others say it, or because it is always the same: what it says where the column
 * that it is a copy of lacks a value is taken, and where it is not as in training, that is told.
 */
export class LeftOutReader {
  /** Of a copy: what it is a copy of, by its place among the modelled columns, and the reader of its own cells. */
  readonly #of: number;
  readonly #reader: ColumnReader | undefined;
  #room = new Float64Array();
  readonly #others = new Map<string, number>();
  #rows = 0;

  /** @param place Its place in the table. */
  constructor(
    readonly column: LeftOutColumn,
    columns: readonly TableColumn[],
    path: string,
    readonly place: number,
  ) {
    this.#of = column.reason === "duplicate" ? columns.findIndex((each) => each.name === column.of) : -1;
    if (column.reason !== "duplicate" || this.#of < 0) return;
    const of = columns[this.#of], { name, levels } = column;
    const own = of.kind === "class" && levels ? { ...of, name, levels } : { ...of, name };
    this.#reader = new ColumnReader(own, path, place);
  }

  begin(): void {
    this.#reader?.begin();
    this.#others.clear();
    this.#rows = 0;
  }

  /** @param cells Of the modelled columns, `[count, columns]`; filled in where a copy knows what they lack. */
  read(block: CellBlock, width: number, cells: Float64Array, columns: number): void {
    if (this.column.reason === "constant") this.#compare(this.column.value, block, width);
    if (!this.#reader) return;
    if (this.#room.length < block.count) this.#room = new Float64Array(block.count);
    this.#reader.read(block, width, this.#room, 0, 1);
    for (let row = 0, at = this.#of; row < block.count; row++, at += columns) {
      const own = this.#room[row];
      if (Number.isNaN(own) || own === cells[at]) continue;
      if (Number.isNaN(cells[at])) cells[at] = own;
      else this.#rows++;
    }
  }

  #compare(value: string, block: CellBlock, width: number): void {
    const { kinds, numbers, count } = block, number = value.trim() === "" ? NaN : Number(value);
    for (let row = 0, cell = this.place; row < count; row++, cell += width) {
      const kind = kinds[cell] & KIND;
      if (kind === CELL.empty || kind === CELL.null || kind === CELL.absent || kind === CELL.date) continue;
      if (kind === CELL.number && numbers[cell] === number) continue;
      const own = kind === CELL.boolean ? String(numbers[cell] === 1) : block.text(cell);
      if (own === value || kind === CELL.word && isMissingAnywhere(own)) continue;
      this.#rows++;
      if (this.#others.has(own) || this.#others.size < MAX_REMEMBERED) {
        this.#others.set(own, (this.#others.get(own) ?? 0) + 1);
      }
    }
  }

  /** What is not as in training. */
  notes(): string[] {
    const strangers = this.#reader?.notes() ?? [];
    if (this.#rows === 0) return strangers;
    const { column } = this, name = shownName(column.name), rows = `${this.#rows} ${this.#rows === 1 ? "row" : "rows"}`;
    if (column.reason === "duplicate") {
      return [
        `${name}: in ${rows} not what ${shownName(column.of)} says, as it was in training; ignored there`,
        ...strangers,
      ];
    }
    const others = [...this.#others.keys()].slice(0, LISTED).map((other) => JSON.stringify(other.slice(0, 40))).join(
      ", ",
    );
    const always = column.reason === "constant" ? JSON.stringify(column.value.slice(0, 40)) : "";
    return [
      `${name}: ${others}${this.#others.size > LISTED ? ", …" : ""} in ${rows}, in training always ${always}; ignored`,
    ];
  }
}
