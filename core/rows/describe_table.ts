import type { TableColumn } from "./column_types.ts";
import { dateText } from "./months.ts";
import type { TableCoding } from "./table_coding.ts";

/** How a table's columns are modelled, a line each. */
export function describeTable({ schema, numbers, levels }: TableCoding): string[] {
  return schema.columns.map((column, k) => {
    const number = numbers.find((each) => each.column === k), level = levels.find((each) => each.column === k);
    if (level) {
      return level.line
        ? `${column.name}: one of ${level.line.values.length} values, ${level.line.values.join(", ")}`
        : `${column.name}: one of ${level.block.size + 1} classes`;
    }
    const { kind } = number!.transform, step = number!.step;
    const what = column.kind === "date" ? "date" : step === undefined ? "number" : `number in steps of ${step}`;
    return `${column.name}: ${what}${kind === "none" ? "" : `, by its ${TRANSFORMED[kind]}`}`;
  });
}

const TRANSFORMED = { log: "logarithm", logit: "logit", asinh: "asinh", normal: "normal scores" } as const;

/**
 * The names of the values of a row, the numbers first and then those of few levels.
 *
 * @param columns Those of points of numbers alone, x1, x2, … if left out.
 */
export function valueNames(
  coding: TableCoding | undefined,
  columns: readonly string[] | undefined,
  d: number,
): string[] {
  if (coding) return [...coding.numbers, ...coding.levels].map(({ column }) => coding.schema.columns[column].name);
  return columns ? [...columns] : Array.from({ length: d }, (_, k) => `x${k + 1}`);
}

/** A value of a row as its table writes it. @param value Its place among those of {@linkcode valueNames}. */
export function shownCell({ schema, numbers, levels }: TableCoding, cells: ArrayLike<number>, value: number): string {
  const { column } = value < numbers.length ? numbers[value] : levels[value - numbers.length];
  const own = schema.columns[column], cell = cells[column];
  if (own.kind === "class") return own.levels[cell] ?? "";
  if (own.kind === "date") return dateText(own, cell) ?? String(cell);
  return String(Number(cell.toFixed(Math.min(100, own.decimals))));
}

/** A number of a column in digits that matter beyond those it is written with; a date as one. @param isSpan Whether it is a difference. */
export function numberText(column: TableColumn, value: number, isSpan = false): string {
  if (column.kind === "date" && !isSpan) return dateText(column, value) ?? String(value);
  const decimals = column.kind === "number" ? column.decimals : 0;
  return String(Number(value.toFixed(Math.min(100, decimals + 2))));
}
