import { sizeOf } from "../data/tensors.ts";
import type { DataFacts } from "../plugins/contracts.ts";

/** What bits per dimension are divided by: the values of a sample, or the columns of a table. */
export function dimensionsOf({ table, shape }: Pick<DataFacts, "table" | "shape">): number {
  return table?.schema.columns.length ?? sizeOf(shape);
}
