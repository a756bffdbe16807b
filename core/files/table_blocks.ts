import type { Samples } from "../data/samples.ts";
import { type TableCoding, tableSamples } from "../rows/table_coding.ts";
import { UnseenValues } from "../rows/unseen_values.ts";
import { cellsOf } from "../tables/cells.ts";
import type { Table } from "../tables/open_table.ts";

/** Some rows of data, one after the other. */
export interface RowBlock {
  /** The place of the first. */
  readonly first: number;
  readonly samples: Samples;
  /** Of a table their cells, `[count, columns]`. */
  readonly cells?: Float64Array;
}

/** Rows that are taken together at least, so that a run of a program is full. */
const ROWS = 1 << 14;

/** The rows of a table as a model sees them, some thousands at a time. @param notes Is given what was assumed, at the end. */
export async function* tableBlocks(
  coding: TableCoding,
  table: Table,
  notes: (notes: readonly string[]) => void,
): AsyncGenerator<RowBlock> {
  const source = cellsOf(coding.schema, table), width = coding.schema.columns.length;
  const unseen = new UnseenValues(coding, table.path);
  let parts: Float64Array[] = [], first = 0, count = 0;
  const together = (): RowBlock => {
    const cells = new Float64Array(count * width);
    let at = 0;
    for (const part of parts) {
      cells.set(part, at);
      at += part.length;
    }
    return { first, samples: tableSamples(coding, cells), cells };
  };
  for await (const block of source.blocks()) {
    unseen.add(block.cells, block.first);
    parts.push(block.cells.slice());
    count += block.count;
    if (count < ROWS) continue;
    yield together();
    [parts, first, count] = [[], first + count, 0];
  }
  if (count > 0) yield together();
  notes([...source.notes, ...unseen.notes]);
}
