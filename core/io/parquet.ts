import {
  type FileMetaData,
  parquetMetadata,
  parquetScan,
  type ParquetScanOptions,
  type SchemaElement,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UserError } from "../errors/user_error.ts";
import { type JsonBounds, parseBoundedJson } from "./bounded_json.ts";
import { allocate, DataFileError, openFile, readInto } from "./data_array.ts";
import { placesOf } from "./columns.ts";
import { fitsFloat32, NUMBER_BYTES, type NumberType } from "./numbers.ts";
import { checkedPages } from "./parquet_pages.ts";
import { heldRows, type StoredRows } from "./stored_rows.ts";
import { readThrift, ThriftError } from "./thrift.ts";

/** Values may take this many bytes, or {@linkcode MAX_RATIO} times the file's, if that is more. */
const FREE_BYTES = 64 << 20;

/** Gzip packs no more than about this many bytes into one; a file that claims more is mostly not there. */
const MAX_RATIO = 1032;

/** Bytes of the description at a file's end, some hundred for each column and group of rows. */
const MAX_FOOTER_BYTES = 64 << 20;

/** What pandas writes of a table: some hundred bytes a column. */
const PANDAS_BOUNDS: JsonBounds = { bytes: 16 << 20, depth: 10, values: 1 << 20 };

const MAGIC = "PAR1";

/** A column of numbers. */
interface Column {
  readonly name: string;
  readonly index: number;
  readonly type: NumberType;
  readonly element: SchemaElement;
  /** Digits after the point, where its numbers are decimals. */
  readonly scale?: number;
}

/**
 * Reads the columns of numbers of a Parquet file as one table, `[rows, columns]`, which is held in memory: integers,
 * floats and decimals. An index column that pandas wrote is left out, and noted.
 *
 * @param missing Columns, by name or by number from 0, that may lack values: NaN, but in a table of bytes.
 * @throws {DataFileError} If the file cannot be read or is damaged, and for a column of other values, or of missing
 * ones, which is named.
 */
export function openParquet(path: string, missing: readonly string[] = []): Promise<StoredRows> {
  return openFile(path, async (file, size) => {
    using _ = file;
    try {
      return await readTable(file, size, path, missing);
    } catch (error) {
      if (error instanceof UserError) throw error;
      // What this module finds says what it is; the library's own errors may be of any kind.
      const why = error instanceof ThriftError ? error.message : "its values cannot be read";
      throw damaged(path, why, error);
    }
  });
}

async function readTable(
  file: Deno.FsFile,
  size: number,
  path: string,
  missing: readonly string[],
): Promise<StoredRows> {
  const metadata = await readMetadata(file, size, path);
  const index = indexColumns(metadata, path), all = columnsOf(metadata, index.names, path);
  const columns = all.filter(({ name }) => !index.names.has(name));
  if (columns.length === 0) throw new DataFileError(`${path} has no columns of numbers. Write a table with some.`);
  const rows = Number(metadata.num_rows), most = Math.max(FREE_BYTES, MAX_RATIO * size);
  const groups = metadata.row_groups.map(({ num_rows }) => Number(num_rows));
  if (!(rows >= 0) || groups.some((n) => !(n >= 0)) || groups.reduce((sum, n) => sum + n, 0) !== rows) {
    throw damaged(path, `it claims ${rows} rows, which are not those of its groups`);
  }
  if (rows * columns.length * 8 > most) {
    throw damaged(path, `it claims ${rows} rows of ${columns.length} columns, more than ${size} bytes can hold`);
  }
  const types = new Set(columns.map(({ type }) => type));
  const type = types.size === 1 ? columns[0].type : columns.every(({ type }) => fitsFloat32(type)) ? "f4" : "f8";
  const data = allocate(type, rows * columns.length, path);
  const lacking = placesOf(missing, columns.map(({ name }) => name), columns.length);
  for (const [at, column] of columns.entries()) {
    const target = { data, at, step: columns.length, mayLack: lacking.includes(at) && !(data instanceof Uint8Array) };
    await readColumn(file, size, metadata, column, target, path);
  }
  const notes = index.notes(all);
  return heldRows({ shape: [rows, columns.length], data }, {
    type,
    columns: columns.map(({ name }) => name),
    ...(notes.length ? { notes } : {}),
  });
}

/** Reads the description at the file's end, whose counts are checked before the library makes room for them. */
async function readMetadata(file: Deno.FsFile, size: number, path: string): Promise<FileMetaData> {
  if (size < 12) throw damaged(path, `it has only ${size} bytes`);
  const ends = [await readPart(file, 0, 4, path), await readPart(file, size - 8, size, path)];
  const [start, end] = ends.map((bytes) => String.fromCharCode(...bytes.subarray(-4)));
  if (start !== MAGIC || end !== MAGIC) {
    if (end === "PARE") throw new DataFileError(`${path} is encrypted. Write it without encryption.`);
    throw damaged(path, `it does not ${start === MAGIC ? "end" : "start"} as a Parquet file does`);
  }
  const length = new DataView(ends[1].buffer).getUint32(0, true);
  if (length > Math.min(size - 12, MAX_FOOTER_BYTES)) {
    throw damaged(path, `its description claims ${length} bytes, of at most ${Math.min(size - 12, MAX_FOOTER_BYTES)}`);
  }
  const footer = await readPart(file, size - 8 - length, size, path);
  readThrift(footer, 0);
  try {
    return parquetMetadata(footer, { geoparquet: false });
  } catch (error) {
    throw damaged(path, "the description at its end lacks what it has to have", error);
  }
}

/** The columns, each of numbers but those that are left out. */
function columnsOf({ schema }: FileMetaData, leftOut: ReadonlySet<string>, path: string): Column[] {
  const [root, ...elements] = schema, names = new Set<string>(), columns: Column[] = [];
  let skipped = 0, leaves = 0;
  for (const element of elements) {
    const index = leaves;
    if (!element.num_children) leaves++;
    if (skipped > 0) {
      skipped += (element.num_children ?? 0) - 1;
      continue;
    }
    const { name } = element;
    if (typeof name !== "string" || names.has(name)) throw damaged(path, `it has two columns ${quote(name)}`);
    names.add(name);
    skipped = element.num_children ?? 0;
    if (leftOut.has(name)) columns.push({ name, index, type: "f8", element });
    else columns.push({ name, index, element, ...numberOf(element, path) });
  }
  if (columns.length !== root?.num_children) throw damaged(path, "its columns are not as many as it claims");
  return columns;
}

/** What kind of numbers a column holds. */
function numberOf(element: SchemaElement, path: string): Pick<Column, "type" | "scale"> {
  const { name, type, converted_type: converted, logical_type: logical, repetition_type: repetition } = element;
  const refused = (what: string, hint: string) =>
    new DataFileError(`${path}: column ${quote(name)} holds ${what}, expected numbers. ${hint}`);
  const DROP = "Leave the column out.";
  if (element.num_children) throw refused("lists or records", DROP);
  if (repetition === "REPEATED") throw refused("lists", DROP);
  if (type === "BOOLEAN") throw refused("true or false", 'Convert it with astype("int8"), or leave it out.');
  if (logical?.type === "DECIMAL" || converted === "DECIMAL") {
    const scale = element.scale ?? (logical?.type === "DECIMAL" ? logical.scale : undefined) ?? 0;
    if (!Number.isInteger(scale) || Math.abs(scale) > 400) throw damaged(path, `${quote(name)} has the scale ${scale}`);
    if (type === "BYTE_ARRAY") throw refused("decimals of varying length", 'Convert it with astype("float64").');
    return { type: "f8", scale };
  }
  if (logical?.type === "FLOAT16" && type === "FIXED_LEN_BYTE_ARRAY" && element.type_length === 2) {
    return { type: "f2" };
  }
  const kind = logical === undefined || logical.type === "INTEGER" ? logical : null;
  const isInteger = converted === undefined || /^U?INT_/.test(converted);
  if (kind !== null && isInteger) {
    if (type === "FLOAT") return { type: "f4" };
    if (type === "DOUBLE") return { type: "f8" };
    if (type === "INT32" || type === "INT64") {
      const [, sign, bits] = /^(U?)INT_(\d+)$/.exec(converted ?? "") ?? [];
      const width = kind?.bitWidth ?? (bits === undefined ? (type === "INT32" ? 32 : 64) : Number(bits));
      const number = `${(kind ? !kind.isSigned : sign === "U") ? "u" : "i"}${width / 8}`;
      if (Object.hasOwn(NUMBER_BYTES, number) && width <= (type === "INT32" ? 32 : 64)) {
        return { type: number as NumberType };
      }
    }
  }
  const what = converted ?? (logical as { type?: string } | undefined)?.type ?? String(type);
  const kinds: readonly [RegExp, string, string][] = [
    [/TIMESTAMP|INT96/, "timestamps", 'Convert it with astype("int64"), or leave it out.'],
    [/^DATE|^TIME|INTERVAL/, "dates or times", "Convert it to numbers, or leave it out."],
    [/UTF8|STRING|ENUM|JSON|BYTE_ARRAY/, "text or bytes", "Convert it to numbers, or leave it out."],
  ];
  const known = kinds.find(([pattern]) => pattern.test(what));
  throw known ? refused(known[1], known[2]) : refused(`the type ${what.slice(0, 40)}`, DROP);
}

/** What pandas says of its index, and of columns that are numbers only to Parquet. */
function indexColumns(
  { key_value_metadata: pairs = [] }: FileMetaData,
  path: string,
): { readonly names: ReadonlySet<string>; notes(columns: readonly Column[]): string[] } {
  const text = pairs.find(({ key }) => key === "pandas")?.value;
  const names = new Set<string>();
  if (text !== undefined) {
    const pandas = parseBoundedJson(new TextEncoder().encode(text), PANDAS_BOUNDS, `what pandas wrote in ${path}`);
    const { index_columns: index, columns } = Object(pandas) as { index_columns?: unknown; columns?: unknown };
    for (const name of Array.isArray(index) ? index : []) if (typeof name === "string") names.add(name);
    for (const column of Array.isArray(columns) ? columns : []) {
      const { field_name: name, numpy_type: type } = Object(column) as { field_name?: unknown; numpy_type?: unknown };
      if (typeof name !== "string" || names.has(name) || !/^(timedelta|datetime)/.test(String(type))) continue;
      throw new DataFileError(
        `${path}: column ${quote(name)} holds times, expected numbers. Convert it to numbers, or leave it out.`,
      );
    }
  }
  return {
    names,
    notes: (columns) =>
      columns.filter(({ name }) => names.has(name)).map(({ name }) => `pandas' index column ${quote(name)} left out`),
  };
}

/** Reads a column into a table, a group of rows after the other. */
async function readColumn(
  file: Deno.FsFile,
  size: number,
  metadata: FileMetaData,
  { name, index, element, scale }: Column,
  { data, at, step, mayLack }: {
    readonly data: ReturnType<typeof allocate>;
    readonly at: number;
    readonly step: number;
    /** Whether what is missing becomes NaN. */
    readonly mayLack: boolean;
  },
  path: string,
): Promise<void> {
  const width = element.type === "FIXED_LEN_BYTE_ARRAY"
    ? element.type_length ?? 0
    : element.type === "INT32" || element.type === "FLOAT"
    ? 4
    : 8;
  if (!(width > 0 && width <= 64)) throw damaged(path, `the values of ${quote(name)} have ${width} bytes`);
  let first = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows), chunk = group.columns[index]?.meta_data;
    if (rows === 0) continue;
    if (chunk?.path_in_schema.join() !== name || chunk.type !== element.type || Number(chunk.num_values) !== rows) {
      throw damaged(path, `it lacks values of ${quote(name)}`);
    }
    const { codec } = chunk, unpack = compressors[codec];
    if (codec !== "UNCOMPRESSED" && !unpack) {
      throw new DataFileError(
        `${path} is packed with ${codec}, which is not read. Write it with snappy, gzip or zstd.`,
      );
    }
    const facts = {
      rows,
      width,
      nullable: element.repetition_type !== "REQUIRED",
      maxPageBytes: Math.max(FREE_BYTES, MAX_RATIO * size),
      ...(codec === "UNCOMPRESSED" ? {} : { unpack }),
    };
    let pages = new Map<number, Uint8Array>();
    let failure: unknown;
    // The library may drop a promise that it asked for, so that none of them may fail.
    const slice = async (begin: number, end = size) => {
      try {
        const bytes = await readPart(file, begin, end, path);
        pages = checkedPages(bytes, facts);
        return bytes.buffer;
      } catch (error) {
        failure = error;
        return new ArrayBuffer(0);
      }
    };
    const options: ParquetScanOptions = {
      file: { byteLength: size, slice },
      metadata: {
        ...metadata,
        // A damaged file may have the column twice.
        row_groups: [{ ...group, columns: [group.columns[index]] }],
        num_rows: group.num_rows,
        schema: rawSchema(metadata.schema),
      },
      columns: [name],
      useOffsetIndex: false,
      utf8: false,
      geoparquet: false,
      compressors: codec === "UNCOMPRESSED" ? {} : { [codec]: (packed: Uint8Array) => pages.get(packed.byteOffset)! },
    };
    const values = await parquetScan(options)
      .then((scan) => scan.readColumn({ column: name, rowStart: 0, rowEnd: rows }))
      .catch((error) => Promise.reject(failure ?? error));
    if (failure !== undefined) throw failure;
    if (values.length !== rows) throw damaged(path, `${quote(name)} has ${values.length} values of ${rows}`);
    const number = scale === undefined ? Number : (value: unknown) => decimal(value, scale);
    for (let i = 0; i < rows; i++) {
      const value: unknown = values[i];
      if (value === null || value === undefined) {
        if (mayLack) {
          data[(first + i) * step + at] = NaN;
          continue;
        }
        throw new DataFileError(
          `${path} has nothing in column ${quote(name)}, row ${first + i} (from 0), expected a number. ` +
            "Fill in missing values, or drop their rows.",
        );
      }
      const x = number(value);
      // Bytes are stored as wider integers, which a damaged file may have beyond them.
      if (data instanceof Uint8Array && !(x >= 0 && x <= 255)) throw damaged(path, `${quote(name)} has the byte ${x}`);
      data[(first + i) * step + at] = x;
    }
    first += rows;
  }
}

/** A schema by which the library gives decimals as they are stored, since it rounds them twice. */
function rawSchema(schema: readonly SchemaElement[]): SchemaElement[] {
  return schema.map((element) => {
    if (element.converted_type !== "DECIMAL" && element.logical_type?.type !== "DECIMAL") return element;
    const { converted_type: _, logical_type: __, ...rest } = element;
    return rest;
  });
}

/** The nearest double of an integer that is divided by a power of ten. */
function decimal(value: unknown, scale: number): number {
  let integer = 0n;
  if (value instanceof Uint8Array) {
    for (const byte of value) integer = integer << 8n | BigInt(byte);
    integer = BigInt.asIntN(8 * value.length, integer);
  } else integer = BigInt(value as number | bigint);
  return Number(`${integer}e${-scale}`);
}

async function readPart(
  file: Deno.FsFile,
  begin: number,
  end: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const { size } = await file.stat();
  if (!(begin >= 0 && begin <= end && end <= size)) throw damaged(path, "it refers to bytes out of the file");
  const bytes = new Uint8Array(end - begin);
  await file.seek(begin, Deno.SeekMode.Start);
  await readInto(file, bytes, path);
  return bytes;
}

function quote(name: string): string {
  return JSON.stringify(String(name).slice(0, 80));
}

function damaged(path: string, what: string, cause?: unknown): DataFileError {
  return new DataFileError(
    `${path}: ${what}. The file is damaged or no Parquet file; write or download it again.`,
    { cause },
  );
}
