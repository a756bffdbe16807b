import { dateText } from "../rows/months.ts";
import type { LeftOutColumn, NumberColumn, TableColumn, TableFile } from "../rows/column_types.ts";

/** Decimals from which the shortest form of a number is as good as any. */
const MANY_DECIMALS = 15;

/** A number of JSON. */
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** How the cells of a column are written. */
export interface CellWriter {
  readonly name: string;
  /** The modelled column that its cells are made from; none of a constant. */
  readonly from: number;
  /** What is written for a value of that column; nothing for an unknown one. */
  text(value: number): string | undefined;
  /** Whether a text is a number, true or false in JSON, and not quoted where only texts are. */
  isBare(text: string): boolean;
}

/** A number as a column has it, rounded to its step. */
export function numberText(column: NumberColumn, value: number, point: "." | "," = "."): string {
  const { step, offset = 0, decimals } = column;
  const rounded = step === undefined ? value : offset + step * Math.round((value - offset) / step);
  let text: string;
  if (decimals > MANY_DECIMALS) text = String(rounded === 0 ? 0 : rounded);
  else {
    text = rounded.toFixed(decimals);
    if (!column.padded && text.includes(".")) text = text.replace(/\.?0+$/, "");
    if (/^-0(\.0*)?$/.test(text)) text = text.slice(1);
  }
  if (column.grouped && !text.includes("e")) text = text.replace(/^-?\d+/, (whole) => grouped(whole, point));
  return point === "." ? text : text.replace(/\.(?=\d*(e|$))/, ",");
}

function grouped(whole: string, point: "." | ","): string {
  const separator = point === "." ? "," : ".";
  return whole.replace(/\B(?=(\d{3})+$)/g, separator);
}

/** How the cells of a modelled column are written. */
export function cellWriter(
  column: TableColumn,
  from: number,
  { point, kind }: TableFile,
  name = column.name,
): CellWriter {
  const isCsv = kind === "csv";
  switch (column.kind) {
    case "number":
      return {
        ...{ name, from },
        text: (value) => Number.isFinite(value) ? numberText(column, value, point) : undefined,
        isBare: (text) => isCsv || !column.quoted && JSON_NUMBER.test(text),
      };
    case "date": {
      const { months, step, offset = 0 } = column;
      const rounded = (value: number) => months ? offset + step * Math.round((value - offset) / step) : value;
      return {
        ...{ name, from },
        text: (value) => Number.isFinite(value) ? dateText(column, rounded(value)) : undefined,
        isBare: () => false,
      };
    }
    case "class":
      return {
        ...{ name, from },
        text: (value) => column.levels[value],
        isBare: (text) => (isCsv || column.bare === true) && isBareWord(text),
      };
  }
}

/** How the cells of a column are written that is not modelled, but said by others; nothing for any other. */
export function leftOutWriter(
  column: LeftOutColumn,
  columns: readonly TableColumn[],
  file: TableFile,
): CellWriter | undefined {
  const { name } = column, isCsv = file.kind === "csv";
  if (column.reason === "constant") {
    const { value, bare } = column;
    return { name, from: -1, text: () => value, isBare: (text) => (isCsv || bare === true) && isBareWord(text) };
  }
  if (column.reason !== "duplicate") return undefined;
  const from = columns.findIndex((each) => each.name === column.of), { levels, bare } = column;
  if (from < 0) return undefined;
  if (!levels) return cellWriter(columns[from], from, file, name);
  return {
    ...{ name, from },
    text: (value) => levels[value],
    isBare: (text) => (isCsv || bare === true) && isBareWord(text),
  };
}

function isBareWord(text: string): boolean {
  return JSON_NUMBER.test(text) || text === "true" || text === "false";
}
