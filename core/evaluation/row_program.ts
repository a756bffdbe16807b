import type { CompiledProgram } from "../engine/program.ts";
import { oneRank, ownRows, type Ranks, type Rows } from "../mpi/ranks.ts";

/** How a measurement is ended, and who takes part in it. */
export interface MeterOptions {
  /** Ends a measurement between two runs of the program, with its reason as the error. */
  readonly signal?: AbortSignal;
  /** Each computes a part of the rows of a measurement; all get all results. */
  readonly ranks?: Ranks;
}

/** Rows that a rank runs at a time at least, where a run is to take as many: fewer take no less time. */
const MIN_ROWS = 4;

/** The rows of a run of one rank, where all ranks together run `chunk`. */
export function rowsOfRun(chunk: number, { size }: Pick<Ranks, "size"> = oneRank()): number {
  return Math.max(Math.min(chunk, MIN_ROWS), Math.ceil(chunk / size));
}

/** Results of rows, one number each. */
type Results = Float32Array | Float64Array;

/** A program that is run on any number of rows, some at a time, by all ranks together. */
export interface RowProgram {
  /** Which of `count` rows this rank computes; of the others it need be given nothing. */
  ownRows(count: number): Rows[];
  /**
   * @param rows The rows of each input, one after another.
   * @param results Arrays of one value per row, zero everywhere, which are filled.
   * @param visit Is told what a run gave, and puts the results of the rows from `begin` up to `end` in their places.
   * Row `begin` is the first of `inputs` and `outputs`, which are valid until it returns.
   */
  run(
    rows: Readonly<Record<string, Float32Array>>,
    results: readonly Results[],
    visit: (
      outputs: Readonly<Record<string, Float32Array>>,
      rows: Rows,
      inputs: Readonly<Record<string, Float32Array>>,
    ) => void,
  ): Promise<void>;
}

/**
 * @param program Compiled for `size` rows.
 * @param widths The number of values in a row of each input.
 * @param size As {@linkcode rowsOfRun} gives it.
 */
export function rowProgram(
  program: CompiledProgram,
  widths: Readonly<Record<string, number>>,
  size: number,
  { signal, ranks = oneRank() }: MeterOptions = {},
): RowProgram {
  const names = Object.keys(widths);
  const inputs = Object.fromEntries(names.map((name) => [name, new Float32Array(size * widths[name])]));
  const together = size * ranks.size;
  /** What all ranks compute at a time, and which of that this one does. */
  function* pieces(n: number): Generator<{ first: number; count: number; own: Rows }> {
    for (let first = 0; first < n; first += together) {
      const count = Math.min(together, n - first);
      const { begin, end } = ownRows(ranks, count);
      yield { first, count, own: { begin: first + begin, end: first + end } };
    }
  }
  return {
    ownRows: (count) => [...pieces(count)].map(({ own }) => own),
    async run(rows, results, visit) {
      for (const { first, count, own: { begin, end } } of pieces(results[0].length)) {
        signal?.throwIfAborted();
        if (begin < end) {
          // The rest of a run keeps the rows before, whose results are not used.
          for (const name of names) inputs[name].set(rows[name].subarray(begin * widths[name], end * widths[name]));
          visit(await program.run(inputs), { begin, end }, inputs);
        }
        if (ranks.size > 1) await gather(ranks, results.map((all) => all.subarray(first, first + count)));
      }
    },
  };
}

/** Gives all ranks what each has put in places of its own. */
async function gather(ranks: Ranks, results: readonly Results[]): Promise<void> {
  const n = results[0].length;
  const all = new (results[0] instanceof Float32Array ? Float32Array : Float64Array)(n * results.length);
  results.forEach((part, i) => all.set(part, i * n));
  await ranks.sum(all);
  results.forEach((part, i) => part.set(all.subarray(i * n, (i + 1) * n)));
}
