import { partsOf } from "./byte_parts.ts";
import { CELL, KIND } from "./cell_block.ts";
import { placesOf, shownName } from "./columns.ts";
import { DataFileError } from "./data_array.ts";
import { JsonCells, JsonKeys } from "./json_cells.ts";
import { NumberBlocks } from "./number_blocks.ts";
import type { StoredRows } from "./stored_rows.ts";

/**
 * Opens records of JSON whose values are numbers, `[rows, columns]`: a list of them, or a record a line; also gzipped.
 *
 * @param missing Columns, by name or by number from 0, that may lack values: NaN.
 * @throws {DataFileError} That names the record and key of what is no number.
 */
export async function openJson(path: string, missing: readonly string[] = []): Promise<StoredRows> {
  const keys = new JsonKeys(), scan = new JsonCells(path, keys, true);
  for await (const _ of partsOf(path, ({ bytes, isLast }) => scan.take(bytes, isLast)));
  const columns = keys.names, width = columns.length;
  if (scan.count === 0 || width === 0) {
    throw new DataFileError(`${path} has no records. Give a list of flat records of numbers, or one a line.`);
  }
  const rows = new NumberBlocks(width, path), cells = new JsonCells(path, keys, false, scan.isArray);
  const mayLack = new Set(placesOf(missing, columns, width));
  for await (const block of partsOf(path, ({ bytes, isLast }) => cells.take(bytes, isLast))) {
    for (let row = 0; row < block.count; row++) {
      for (let k = 0; k < width; k++) {
        const cell = row * width + k, kind = block.kinds[cell] & KIND;
        if (kind === CELL.number || mayLack.has(k) && kind !== CELL.text && kind !== CELL.boolean) continue;
        const got = kind === CELL.absent ? "nothing" : JSON.stringify(block.text(cell).slice(0, 40));
        throw new DataFileError(
          `${path} has ${got} in ${block.place(row)}, key ${shownName(columns[k])}, expected a number. ` +
            "Clean the data, or leave the key out.",
        );
      }
      rows.add(block.numbers.subarray(row * width, (row + 1) * width));
    }
  }
  return rows.finish({ columns, notes: [scan.isArray ? "records" : "a record a line"] });
}
