import { UserError } from "../../core/errors/user_error.ts";
import { readCells } from "../../core/tables/cells.ts";
import { inferSchema } from "../../core/tables/infer_types.ts";
import type { Table } from "../../core/tables/open_table.ts";

/** Which rows of a table are anomalies, and what was taken for one. */
export interface RowLabels {
  readonly isAnomaly: boolean[];
  readonly said: string;
}

/**
 * The labels of a table's rows, by a column and the value that stands for an anomaly, as `outcome=malignant`; without a value
 * 1 or true does.
 *
 * @throws {UserError} For a column or value that there is not, or an unknown label.
 */
export async function labelsOf(table: Table, label: string): Promise<RowLabels> {
  const at = label.lastIndexOf("="), isNamed = table.names.includes(label);
  const name = at < 0 || isNamed ? label : label.slice(0, at),
    said = at < 0 || isNamed ? undefined : label.slice(at + 1);
  if (!table.names.includes(name)) {
    throw new UserError(
      `--label names ${JSON.stringify(name)}, but ${table.path} has the columns ${table.names.join(", ")}.`,
    );
  }
  const types = new Map([[name, { kind: "class" } as const]]);
  const { schema } = await inferSchema(table, { columns: [name], types }), { cells } = await readCells(schema, table);
  const [column] = schema.columns;
  if (column?.kind !== "class") {
    throw new UserError(`The column ${name} of ${table.path} has one value alone, no labels.`);
  }
  const level = column.levels.findIndex((one) =>
    said === undefined ? /^(1|1\.0|true|yes|anomaly|outlier)$/i.test(one) : one === said
  );
  if (level < 0) {
    throw new UserError(
      `--label is ${label}, but the column ${name} has ${column.levels.join(", ")}. Say which is an anomaly, as ` +
        `${name}=${column.levels[column.levels.length - 1]}.`,
    );
  }
  const unknown = cells.findIndex(Number.isNaN);
  if (unknown >= 0) throw new UserError(`The column ${name} of ${table.path} has no label in row ${unknown} (from 0).`);
  return { isAnomaly: Array.from(cells, (cell) => cell === level), said: `${name} is ${column.levels[level]}` };
}
