import { allocate, DataFileError, type Values } from "./data_array.ts";
import type { StoredRows } from "./stored_rows.ts";

/** Numbers of a block, about. */
const BLOCK = 1 << 20;

/** Rows of numbers whose count is not known before, as float64 in blocks: growing copies nothing. */
export class NumberBlocks {
  readonly #rowsOfBlock: number;
  readonly #blocks: Float64Array[] = [];
  #block = new Float64Array();
  #rows = 0;

  /** @param source The file's name for messages. */
  constructor(readonly width: number, readonly source: string) {
    this.#rowsOfBlock = Math.max(1, Math.floor(BLOCK / Math.max(1, width)));
  }

  /** Adds a row, which is copied. @throws {DataFileError} If there is no memory for it. */
  add(row: Float64Array): void {
    const { width } = this, at = this.#rows % this.#rowsOfBlock;
    // The first block grows with its rows, since most tables are small.
    if (at === 0) this.#begin();
    else if (at * width >= this.#block.length) this.#grow();
    this.#block.set(row, at * width);
    this.#rows++;
  }

  #begin(): void {
    const rows = this.#blocks.length === 0 ? Math.min(16, this.#rowsOfBlock) : this.#rowsOfBlock;
    this.#block = this.#allocate(rows);
    this.#blocks.push(this.#block);
  }

  #grow(): void {
    const length = this.#block.length / this.width, grown = this.#allocate(Math.min(this.#rowsOfBlock, 2 * length));
    grown.set(this.#block);
    this.#blocks[this.#blocks.length - 1] = this.#block = grown;
  }

  #allocate(rows: number): Float64Array<ArrayBuffer> {
    const block = allocate("f8", rows * this.width, this.source);
    if (block instanceof Float64Array) return block;
    throw new DataFileError(`${this.source} cannot be read.`);
  }

  /** All rows, `[rows, width]`. */
  finish(rest: Partial<Pick<StoredRows, "columns" | "notes">> = {}): StoredRows {
    const { width } = this, blocks = this.#blocks, perBlock = this.#rowsOfBlock;
    let room = new Float64Array();
    return {
      ...rest,
      shape: [this.#rows, width],
      type: "f8",
      read(begin, end): Values {
        const block = Math.floor(begin / perBlock), from = (begin - block * perBlock) * width;
        const count = (end - begin) * width;
        if (end <= (block + 1) * perBlock) return (blocks[block] ?? room).subarray(from, from + count);
        if (room.length < count) room = new Float64Array(count);
        for (let row = begin; row < end;) {
          const index = Math.floor(row / perBlock), until = Math.min(end, (index + 1) * perBlock);
          const part = blocks[index].subarray((row - index * perBlock) * width, (until - index * perBlock) * width);
          room.set(part, (row - begin) * width);
          row = until;
        }
        return room.subarray(0, count);
      },
      [Symbol.dispose]() {},
    };
  }
}
