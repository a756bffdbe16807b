import { join } from "node:path";
import { readCells } from "../../../core/tables/cells.ts";
import { describeColumns } from "../../../core/tables/describe.ts";
import { type InferOptions, inferSchema } from "../../../core/tables/infer_types.ts";
import { openTable, type TableOptions } from "../../../core/tables/open_table.ts";
import { inFolder } from "../../folders.ts";

/** What a file of some bytes or a text is taken for. */
export async function tableOf(
  text: string | Uint8Array,
  { ending = "csv", header, ...options }: InferOptions & TableOptions & { readonly ending?: string } = {},
) {
  let result: Awaited<ReturnType<typeof read>> | undefined;
  await inFolder(async (folder) => {
    const path = join(folder, `x.${ending}`);
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    result = await read(path, options, header);
  });
  return result!;
}

async function read(path: string, options: InferOptions, header: TableOptions["header"]) {
  const table = await openTable(path, header === undefined ? {} : { header });
  const inferred = await inferSchema(table, options), { schema } = inferred, width = schema.columns.length;
  const { cells, count, notes } = await readCells(schema, table);
  return {
    ...inferred,
    ...{ tableNotes: table.notes, names: table.names, cellNotes: notes },
    /** The cells of each row. */
    cells: Array.from({ length: count }, (_, i) => [...cells.subarray(i * width, (i + 1) * width)]),
    lines: describeColumns(inferred),
  };
}

/** A column of a table of one, as it is described: of values that are each a line. */
export async function columnOf(values: readonly (string | number)[], options: InferOptions = {}): Promise<string> {
  // Beside it is a column of numbers that no rule is about.
  const rows = values.map((value, i) => `${value},${((i * 0.7548776662) % 1).toFixed(10)}`);
  const { lines, notes } = await tableOf(["x,beside", ...rows].join("\n"), options);
  return [lines[0].replace(/^x +/, ""), ...notes.filter((note) => note.startsWith("x:"))].join(" | ");
}

/** A text in UTF-16 with a byte order mark. */
export function utf16(text: string, littleEndian: boolean): Uint8Array<ArrayBuffer> {
  const codes = [...`\ufeff${text}`].map((letter) => letter.charCodeAt(0)), bytes = new Uint8Array(2 * codes.length);
  codes.forEach((code, i) => new DataView(bytes.buffer).setUint16(2 * i, code, littleEndian));
  return bytes;
}

/** Bytes packed as gzip does. */
export async function gzipped(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = ReadableStream.from([new TextEncoder().encode(text)]).pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
