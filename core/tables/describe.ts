import { shownName } from "../io/columns.ts";
import type { LeftOutColumn, TableColumn } from "../rows/column_types.ts";
import { DAY } from "../rows/dates.ts";
import { dateText } from "../rows/months.ts";
import type { InferredSchema } from "./infer_types.ts";

/** Classes that are listed of a column, and characters of a line. */
const LISTED = 6, LONGEST_LEVEL = 24;

/**
 * A table's columns as a terminal shows them, a line each, in the file's order.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { describeColumns } from "./describe.ts";
 * import { inferSchema } from "./infer_types.ts";
 * import { openTable } from "./open_table.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".csv" });
 * await Deno.writeTextFile(path, "colour,mass,lab\nred,1.5,A\nblue,,A\nred,2.5,A\nred,4.1,A\n");
 * deepEqual(describeColumns(await inferSchema(await openTable(path))), [
 *   "colour  class of 2: blue 1, red 3",
 *   "mass    number in steps of 0.1, from 1.5 to 4.1, 1 unknown",
 *   'lab     left out: constant, "A"',
 * ]);
 * await Deno.remove(path);
 * ```
 */
export function describeColumns({ schema: { columns, leftOut, order }, unknown }: InferredSchema): string[] {
  const lines = new Map<string, string>();
  columns.forEach((column, k) => lines.set(column.name, describeColumn(column, unknown[k])));
  for (const column of leftOut) lines.set(column.name, `left out: ${whyLeftOut(column)}`);
  const width = Math.min(40, Math.max(...order.map((name) => shownName(name).length)));
  return order.map((name) => `${shownName(name).padEnd(width)}  ${lines.get(name) ?? ""}`.trimEnd());
}

/** A column in words. @param unknown Rows in which it is unknown. */
export function describeColumn(column: TableColumn, unknown = 0): string {
  const lacking = unknown > 0 ? `, ${unknown} unknown` : "";
  switch (column.kind) {
    case "number": {
      const { step, min, max, transform, bounds } = column;
      const asked = (transform === undefined || transform === "auto" ? "" : `, ${transform}`) +
        (bounds === undefined ? "" : `, within ${bounds[0]} and ${bounds[1]}`);
      const kind = step === undefined
        ? "number"
        : step === 1 && !column.offset
        ? "whole number"
        : `number in steps of ${short(step)}`;
      return `${kind}, from ${short(min)} to ${short(max)}${asked}${lacking}`;
    }
    case "date": {
      const write = (value: number) => dateText(column, value) ?? short(value), { months, step } = column;
      const steps = months ? (step === 1 ? "a month" : step === 12 ? "a year" : `${step} months`) : stepOfTime(step);
      return `date in steps of ${steps}, from ${write(column.min)} to ${write(column.max)}${lacking}`;
    }
    case "class": {
      const order = column.levels.map((level, k) => ({ level, count: column.counts[k] }));
      const shown = order.length <= LISTED ? order : [...order].sort((a, b) => b.count - a.count).slice(0, LISTED);
      const list = shown.map(({ level, count }) => `${shownLevel(level)} ${count}`).join(", ");
      return `class of ${order.length}: ${list}${order.length > LISTED ? ", …" : ""}${lacking}`;
    }
  }
}

function whyLeftOut(column: LeftOutColumn): string {
  switch (column.reason) {
    case "constant":
      return `constant, ${JSON.stringify(shownLevel(column.value))}`;
    case "duplicate":
      return `says the same as ${shownName(column.of)}`;
    case "text":
      return "text";
    case "id":
      return "names the rows";
    case "dropped":
      return "as said";
    case "empty":
      return "empty";
  }
}

function shownLevel(level: string): string {
  const text = level.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
  return text.length > LONGEST_LEVEL ? `${text.slice(0, LONGEST_LEVEL - 1)}…` : text;
}

function short(value: number): string {
  return String(Number(value.toPrecision(7)));
}

/** A step of time in its own unit. */
function stepOfTime(days: number): string {
  const time = Math.round(days * DAY);
  const units = [[DAY, "day"], [3_600_000, "hour"], [60_000, "minute"], [1000, "second"], [1, "millisecond"]] as const;
  const [size, unit] = units.find(([size]) => time % size === 0) ?? [1, "millisecond"];
  return time === size ? `a ${unit}`.replace("a h", "an h") : `${time / size} ${unit}s`;
}
