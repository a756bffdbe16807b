import {
  type FileMetaData,
  parquetMetadata,
  parquetScan,
  type ParquetScanOptions,
  type SchemaElement,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UserError } from "../errors/user_error.ts";
import { DataFileError, openFile, readInto } from "./data_array.ts";
import { checkedPages } from "./parquet_pages.ts";
import { readThrift, ThriftError } from "./thrift.ts";

/** Values may take this many bytes, or {@linkcode MAX_RATIO} times the file's, if that is more. */
const FREE_BYTES = 64 << 20;

/** Gzip packs no more than about this many bytes into one; a file that claims more is mostly not there. */
const MAX_RATIO = 1032;

/** Bytes of the description at a file's end, some hundred for each column and group of rows. */
const MAX_FOOTER_BYTES = 64 << 20;

const MAGIC = "PAR1";

/** An open file of Parquet, and its description. */
export interface ParquetFile {
  readonly file: Deno.FsFile;
  /** Its bytes. */
  readonly size: number;
  readonly path: string;
  readonly metadata: FileMetaData;
}

/** A column of a table. */
export interface ParquetColumn {
  readonly name: string;
  /** Its place among the columns that have values. */
  readonly index: number;
  readonly element: SchemaElement;
}

/** A group of rows. */
export type RowGroup = FileMetaData["row_groups"][number];

/**
 * Opens a file, gives it to `read`, and closes it.
 *
 * @throws {DataFileError} If it cannot be read or is damaged.
 */
export function withParquet<T>(path: string, read: (parquet: ParquetFile) => Promise<T>): Promise<T> {
  return openFile(path, async (file, size) => {
    using _ = file;
    try {
      return await read({ file, size, path, metadata: await readMetadata(file, size, path) });
    } catch (error) {
      throw parquetError(path, error);
    }
  });
}

/** What reading a file of Parquet threw, as a user is told of it. */
export function parquetError(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  // What this module finds says what it is; the library's own errors may be of any kind.
  return damaged(path, error instanceof ThriftError ? error.message : "its values cannot be read", error);
}

/** Reads the description at the file's end, whose counts are checked before the library makes room for them. */
export async function readMetadata(file: Deno.FsFile, size: number, path: string): Promise<FileMetaData> {
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

/** The columns of a table, also those of lists and records, whose parts are columns of the file. @throws {DataFileError} */
export function parquetColumns({ metadata: { schema }, path }: ParquetFile): ParquetColumn[] {
  const [root, ...elements] = schema, names = new Set<string>(), columns: ParquetColumn[] = [];
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
    columns.push({ name, index, element });
  }
  if (columns.length !== root?.num_children) throw damaged(path, "its columns are not as many as it claims");
  return columns;
}

/**
 * The rows of a table, whose groups have as many as it claims.
 *
 * @param columns Of eight bytes that are read.
 * @throws {DataFileError} If the file cannot hold so many.
 */
export function rowsOfTable({ metadata, size, path }: ParquetFile, columns: number): number {
  const rows = Number(metadata.num_rows), most = Math.max(FREE_BYTES, MAX_RATIO * size);
  const groups = metadata.row_groups.map(({ num_rows }) => Number(num_rows));
  if (!(rows >= 0) || groups.some((n) => !(n >= 0)) || groups.reduce((sum, n) => sum + n, 0) !== rows) {
    throw damaged(path, `it claims ${rows} rows, which are not those of its groups`);
  }
  if (rows * columns * 8 > most) {
    throw damaged(path, `it claims ${rows} rows of ${columns} columns, more than ${size} bytes can hold`);
  }
  return rows;
}

/**
 * The values of a column in a group of rows, null where there is none: numbers and dates as they are stored.
 *
 * @throws {DataFileError} For a compression that is not read, and damage that is found.
 * @throws {ThriftError} For damaged pages; and the library's errors.
 */
export async function readChunk(
  { file, size, path, metadata }: ParquetFile,
  { name, index, element }: ParquetColumn,
  group: RowGroup,
  utf8: boolean,
): Promise<ArrayLike<unknown>> {
  const rows = Number(group.num_rows), chunk = group.columns[index]?.meta_data, width = widthOf(element);
  if (!(width > 0 && width <= 64)) throw damaged(path, `the values of ${quote(name)} have ${width} bytes`);
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
    utf8,
    geoparquet: false,
    compressors: codec === "UNCOMPRESSED" ? {} : { [codec]: (packed: Uint8Array) => pages.get(packed.byteOffset)! },
  };
  const values = await parquetScan(options)
    .then((scan) => scan.readColumn({ column: name, rowStart: 0, rowEnd: rows }))
    .catch((error) => Promise.reject(failure ?? error));
  if (failure !== undefined) throw failure;
  if (values.length !== rows) throw damaged(path, `${quote(name)} has ${values.length} values of ${rows}`);
  return values;
}

/** Bytes that a value takes at least. */
function widthOf({ type, type_length: length }: SchemaElement): number {
  switch (type) {
    case "FIXED_LEN_BYTE_ARRAY":
      return length ?? 0;
    case "BOOLEAN":
      return 1 / 8;
    case "INT32":
    case "FLOAT":
    case "BYTE_ARRAY":
      return 4;
    default:
      return type === "INT96" ? 12 : 8;
  }
}

/** A schema by which the library gives decimals and times as they are stored, since it rounds them. */
function rawSchema(schema: readonly SchemaElement[]): SchemaElement[] {
  return schema.map((element) => {
    const { converted_type: converted = "", logical_type: logical } = element;
    if (!/^(DECIMAL|DATE|TIME)/.test(converted) && !/^(DECIMAL|DATE|TIME)/.test(logical?.type ?? "")) return element;
    const { converted_type: _, logical_type: __, ...rest } = element;
    return rest;
  });
}

/** The nearest double of an integer that is divided by a power of ten. */
export function decimal(value: unknown, scale: number): number {
  let integer = 0n;
  if (value instanceof Uint8Array) {
    for (const byte of value) integer = integer << 8n | BigInt(byte);
    integer = BigInt.asIntN(8 * value.length, integer);
  } else integer = BigInt(value as number | bigint);
  return Number(`${integer}e${-scale}`);
}

export async function readPart(
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

export function quote(name: string): string {
  return JSON.stringify(String(name).slice(0, 80));
}

export function damaged(path: string, what: string, cause?: unknown): DataFileError {
  return new DataFileError(
    `${path}: ${what}. The file is damaged or no Parquet file; write or download it again.`,
    { cause },
  );
}
