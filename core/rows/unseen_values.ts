import { shownName } from "../io/columns.ts";
import { type TableColumn, TableError } from "./column_types.ts";
import { numberText } from "./describe_table.ts";
import { FARTHEST, type TableCoding } from "./table_coding.ts";
import { mapOf } from "./transform.ts";

/** Values that a note lists. */
const LISTED = 3;

/** Parts of a step by which a value may miss it: numbers are rounded. */
const TOLERANCE = 1e-6, ROUNDING = 1e-15;

/** Some values of a column, and how many rows have such. */
class Tally {
  rows = 0;
  readonly #some = new Set<number>();

  add(value: number): void {
    this.rows++;
    if (this.#some.size <= LISTED) this.#some.add(value);
  }

  said(text: (value: number) => string): string {
    const some = [...this.#some].slice(0, LISTED).map(text).join(", ") + (this.#some.size > LISTED ? ", …" : "");
    return `${some} in ${this.rows} ${this.rows === 1 ? "row" : "rows"}`;
  }
}

/**
 * Numbers and dates of other rows that those of the model's table cannot be: what they are taken for is said.
 */
export class UnseenValues {
  readonly #maps;
  readonly #levels;
  readonly #between;
  readonly #far;
  readonly #unknown;

  /** @param path Of the table, for messages. */
  constructor(readonly coding: TableCoding, readonly path: string) {
    const { numbers, levels } = coding;
    this.#maps = numbers.map(({ transform }) => mapOf(transform));
    this.#levels = levels.map(({ line }) => line && new Set(line.values));
    this.#between = numbers.map(() => new Tally());
    this.#far = numbers.map(() => new Tally());
    this.#unknown = levels.map(() => new Tally());
  }

  /**
   * Takes in rows.
   *
   * @param cells `[count, columns]`, NaN where unknown. @param first The place of the first row.
   * @throws {TableError} For a number that its column's transform is not defined for.
   */
  add(cells: Float64Array, first: number): void {
    const { schema, numbers, levels } = this.coding, width = schema.columns.length;
    numbers.forEach(({ column, step, offset = 0, mean, scale }, i) => {
      const { forward } = this.#maps[i];
      for (let at = column; at < cells.length; at += width) {
        const value = cells[at];
        if (Number.isNaN(value)) continue;
        const y = (forward(value) - mean) / scale;
        if (!Number.isFinite(y)) throw this.#refused(i, value, first + (at - column) / width);
        if (Math.abs(y) > FARTHEST) this.#far[i].add(value);
        if (step === undefined) continue;
        const steps = (value - offset) / step;
        if (Math.abs(steps - Math.round(steps)) > TOLERANCE + ROUNDING * Math.abs(steps)) this.#between[i].add(value);
      }
    });
    levels.forEach(({ column }, b) => {
      const known = this.#levels[b];
      for (let at = column; known && at < cells.length; at += width) {
        if (!Number.isNaN(cells[at]) && !known.has(cells[at])) this.#unknown[b].add(cells[at]);
      }
    });
  }

  #refused(number: number, value: number, row: number): TableError {
    const { schema, numbers } = this.coding, { column, transform } = numbers[number], own = schema.columns[column];
    const expected = transform.kind === "logit"
      ? `numbers between ${transform.low} and ${transform.high}`
      : "numbers above 0";
    return new TableError(
      `${this.path} has ${shownValue(own, value)} in row ${row} (from 0), column ${
        shownName(own.name)
      }, expected ${expected}: ` +
        "the model was told of no others. Leave the cell empty, or train with other bounds.",
    );
  }

  /** What was met so far, a line each. */
  get notes(): string[] {
    const { schema: { columns }, numbers, levels } = this.coding;
    const line = (column: number, tally: Tally, what: string) =>
      tally.rows === 0
        ? []
        : [`${shownName(columns[column].name)}: ${tally.said((value) => shownValue(columns[column], value))}, ${what}`];
    return [
      ...numbers.flatMap(({ column, step }, i) => [
        ...line(
          column,
          this.#between[i],
          `between the model's steps of ${step}, and taken for all within half a step of it`,
        ),
        ...line(column, this.#far[i], "farther out than a float32 can tell: −log p there is larger than is said"),
      ]),
      ...levels.flatMap(({ column }, b) =>
        line(column, this.#unknown[b], "which the model does not know, taken for unknown")
      ),
    ];
  }
}

/** With all digits. */
function shownValue(column: TableColumn, value: number): string {
  return column.kind === "date" ? numberText(column, value) : String(value);
}
