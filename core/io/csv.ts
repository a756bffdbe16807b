import { CsvError, parse } from "csv-parse";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type DataArray, DataFileError, withFile } from "./data_array.ts";

/** Characters of one record; a quote that is never closed would otherwise take in the whole file. */
const MAX_RECORD = 1 << 24;

/** Bytes in which the delimiter is looked for. */
const SNIFFED_BYTES = 1 << 16;

/** Numbers that are made room for at first. */
const FIRST_ROOM = 1 << 12;

/**
 * Reads a table of numbers, `[rows, columns]`, from a CSV file. The delimiter is a tab, a semicolon or a comma, whichever
 * of them, in this order, the first line has. The first line is a header if it holds no number.
 *
 * @throws {DataFileError} That names the line and column of what is no finite number, or the line of a row of another
 * length than the first.
 */
export function readCsv(path: string): Promise<DataArray> {
  return withFile(path, async (file) => {
    const start = new Uint8Array(SNIFFED_BYTES);
    const first = new TextDecoder().decode(start.subarray(0, await file.read(start) ?? 0)).split(/\r?\n|\r/)[0];
    const delimiter = ["\t", ";"].find((each) => first.includes(each)) ?? ",";
    await file.seek(0, Deno.SeekMode.Start);
    const table = new Table(path);
    const parser = parse({
      bom: true,
      delimiter,
      max_record_size: MAX_RECORD,
      // Rows are taken here and not handed on, since a stream of many small objects is slow.
      on_record: (record: string[], { lines }) => {
        table.add(record, lines);
        return null;
      },
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    });
    try {
      await pipeline(Readable.from(file.readable), parser.resume());
    } catch (error) {
      if (!(error instanceof CsvError)) throw error;
      throw new DataFileError(`${path} is no CSV file: ${error.message.split("\n")[0]}. Save it again as CSV.`, {
        cause: error,
      });
    }
    return table.finish();
  });
}

/** The numbers of the rows so far. */
class Table {
  #values = new Float32Array(FIRST_ROOM);
  #count = 0;
  #names: readonly string[] | undefined;
  #width: number | undefined;

  constructor(readonly path: string) {}

  add(record: readonly string[], line: number): void {
    if (this.#width === undefined) {
      this.#width = record.length;
      if (record.every(isName)) {
        this.#names = record;
        return;
      }
    }
    if (record.length !== this.#width) {
      throw new DataFileError(
        `${this.path}: line ${line} has ${record.length} columns, expected ${this.#width} as in the first line. ` +
          "Complete or remove the row.",
      );
    }
    this.#makeRoom(this.#count + record.length);
    record.forEach((text, column) => {
      const value = Math.fround(NUMBER.test(text) ? Number(text) : NaN);
      if (!Number.isFinite(value)) throw this.#noNumber(text, line, column);
      this.#values[this.#count++] = value;
    });
  }

  finish(): DataArray {
    if (this.#width === undefined || this.#count === 0) {
      throw new DataFileError(`${this.path} has no rows of numbers. Give a file of one row per sample.`);
    }
    const data = new Float32Array(this.#values.buffer.transfer(4 * this.#count));
    return { shape: [this.#count / this.#width, this.#width], data };
  }

  #makeRoom(count: number): void {
    if (count <= this.#values.length) return;
    const length = Math.max(count, 2 * this.#values.length);
    this.#values = new Float32Array(this.#values.buffer.transfer(4 * length));
  }

  #noNumber(text: string, line: number, column: number): DataFileError {
    const name = this.#names ? ` (${this.#names[column].slice(0, 40)})` : "";
    const got = text === "" ? "nothing" : JSON.stringify(text.slice(0, 40));
    const hint = /^[+-]?\d+,\d+$/.test(text) ? "Write decimals with a point" : "Clean the data, or remove the column";
    return new DataFileError(
      `${this.path} has ${got} in line ${line}, column ${column + 1}${name}, expected a finite number. ${hint}.`,
    );
  }
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Whether a cell of the first line may be a column's name: no number, and nothing that stands for a missing one. */
function isName(text: string): boolean {
  return text !== "" && !NUMBER.test(text) && !/^[+-]?(nan|na|null|inf|infinity)$/i.test(text);
}
