import { cellsOf } from "../../core/tables/cells.ts";
import type { Table } from "../../core/tables/open_table.ts";
import { type TableCoding, tableSamples } from "../../core/rows/table_coding.ts";
import type { ScoredBlock } from "./score_file.ts";

/** Rows that are scored together at least, so that a run of the program is full. */
const ROWS = 1 << 14;

/** The rows of a table as a model sees them, some thousands at a time. @param notes Is given what was assumed, at the end. */
export async function* tableBlocks(
  coding: TableCoding,
  table: Table,
  notes: (notes: readonly string[]) => void,
): AsyncGenerator<ScoredBlock> {
  const source = cellsOf(coding.schema, table), width = coding.schema.columns.length;
  let parts: Float64Array[] = [], first = 0, count = 0;
  const together = (): ScoredBlock => {
    const cells = new Float64Array(count * width);
    let at = 0;
    for (const part of parts) {
      cells.set(part, at);
      at += part.length;
    }
    return { first, samples: tableSamples(coding, cells), cells };
  };
  for await (const block of source.blocks()) {
    parts.push(block.cells.slice());
    count += block.count;
    if (count < ROWS) continue;
    yield together();
    [parts, first, count] = [[], first + count, 0];
  }
  if (count > 0) yield together();
  notes(source.notes);
}
