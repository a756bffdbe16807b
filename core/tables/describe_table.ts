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
