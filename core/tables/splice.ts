import type { BlockSource, CellBlock } from "../io/cell_block.ts";
import { DataFileError } from "../io/data_array.ts";
import type { TableFile } from "../rows/column_types.ts";
import type { Table } from "./open_table.ts";
import { csvCell, csvMissing, jsonValue, type TextCell } from "./row_text.ts";

/** A text in the place of some bytes of a block, or between two. */
export interface Insertion {
  readonly begin: number;
  readonly end: number;
  readonly text: string;
}

/** Changes cells in the text of a table, all of whose other bytes stay. */
export class Splicer {
  readonly #isJson: boolean;
  readonly #width: number;
  /** The keys of JSON with what follows them. */
  readonly #keys: readonly string[];
  readonly #encode: (text: string) => Uint8Array;
  /** The row, of all, that was added to last. */
  #last = -1;

  /** @param added The names of columns after those that are there. */
  constructor(readonly file: TableFile, { names, encoding }: Table, readonly added: readonly string[]) {
    this.#isJson = file.kind !== "csv";
    this.#width = names.length;
    this.#keys = [...names, ...added].map((name) => `${JSON.stringify(name)}:${file.spaced ? " " : ""}`);
    const encoder = new TextEncoder();
    this.#encode = encoding === "utf-8" ? (text) => encoder.encode(text) : latin1;
  }

  /** The names of new columns, where the header is in the block. */
  header({ source }: CellBlock): Insertion[] {
    const at = source?.headerEnd, { delimiter, quotedNames } = this.file;
    if (this.#isJson || at === undefined) return [];
    const text = this.added.map((name) => delimiter + csvCell(this.file, name, quotedNames)).join("");
    return text === "" ? [] : [{ begin: at, end: at, text }];
  }

  /** A cell in the place of one, also of one that is missing. */
  cell(block: CellBlock, row: number, place: number, cell: TextCell): Insertion {
    const { begins, ends } = sourceOf(block), at = row * this.#width + place, begin = begins[at], end = ends[at];
    if (this.#isJson && begin === end) return this.#pair(block, row, place, cell);
    return { begin, end, text: this.#isJson ? this.#json(cell) : this.#csv(cell) };
  }

  /** The cells of the new columns of a row. */
  end(block: CellBlock, row: number, cells: readonly TextCell[]): Insertion[] {
    if (this.#isJson) return cells.map((cell, k) => this.#pair(block, row, this.#width + k, cell));
    const at = sourceOf(block).rowEnds[row];
    return [{ begin: at, end: at, text: cells.map((cell) => this.file.delimiter + this.#csv(cell)).join("") }];
  }

  #csv({ text, isBare }: TextCell): string {
    const { quotes } = this.file;
    if (text === undefined) return csvMissing(this.file);
    return csvCell(this.file, text, quotes === "all" || quotes === "texts" && !isBare);
  }

  #json({ text, isBare }: TextCell): string {
    return text === undefined ? "null" : jsonValue(text, isBare);
  }

  /** A key and its value after those that a record has. */
  #pair(block: CellBlock, row: number, place: number, cell: TextCell): Insertion {
    const { ends, rowBegins } = sourceOf(block), from = row * this.#width;
    let at = 0;
    for (let k = from; k < from + this.#width; k++) at = Math.max(at, ends[k]);
    const isFirst = at === 0 && this.#last !== block.first + row;
    this.#last = block.first + row;
    if (at === 0) at = rowBegins[row] + 1;
    const comma = isFirst ? "" : this.file.spaced ? ", " : ",";
    return { begin: at, end: at, text: comma + this.#keys[place] + this.#json(cell) };
  }

  /** The bytes of a block with insertions, which may come in any order; those of one place stay in theirs. */
  splice(block: CellBlock, insertions: readonly Insertion[]): Uint8Array {
    const { bytes } = sourceOf(block), sorted = [...insertions].sort((a, b) => a.begin - b.begin);
    const texts = sorted.map(({ text }) => this.#encode(text));
    const removed = sorted.reduce((sum, { begin, end }) => sum + end - begin, 0);
    const out = new Uint8Array(bytes.length - removed + texts.reduce((sum, { length }) => sum + length, 0));
    let from = 0, to = 0;
    sorted.forEach(({ begin, end }, k) => {
      out.set(bytes.subarray(from, begin), to);
      to += begin - from;
      out.set(texts[k], to);
      to += texts[k].length;
      from = end;
    });
    out.set(bytes.subarray(from), to);
    return out;
  }
}

function sourceOf({ source }: CellBlock): BlockSource {
  if (!source) throw new DataFileError("The table is no text.");
  return source;
}

/** The bytes of the characters that are one byte in what is read as Latin-1. */
const LATIN1 = new Map(
  Array.from({ length: 256 }, (_, byte) => [new TextDecoder("latin1").decode(Uint8Array.of(byte)), byte]),
);

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => LATIN1.get(letter) ?? 63);
}
