import { UsageError } from "../../core/errors/usage_error.ts";
import type { ReferenceRows } from "../../core/evaluation/row_comparison.ts";
import { RowExcess } from "../../core/evaluation/row_excess.ts";
import { type Scorer, tellsSurprises } from "../../core/evaluation/row_scores.ts";
import type { BlockScores } from "../../core/evaluation/score_blocks.ts";
import { writeFileAtomic } from "../../core/io/atomic.ts";
import { writeColumns } from "../../core/run/per_sample_file.ts";
import type { Table } from "../../core/tables/open_table.ts";
import { type TableCoding, tableSamples } from "../../core/rows/table_coding.ts";
import { appendColumns } from "../../core/tables/write_table.ts";

/** Checks the name of a file that scores go to. @throws {UsageError} */
export function requireScorePath(path: string, isTable: boolean): void {
  const known = isTable ? /\.((csv|tsv|jsonl|ndjson|json)(\.gz)?|h5|hdf5)$/i : /\.(csv|jsonl|h5|hdf5)$/i;
  if (known.test(path)) return;
  throw new UsageError(`--out is ${path}; it must end in .csv, .jsonl, .h5 or .hdf5.`);
}

/** What scores are of. */
interface ScoredData {
  readonly table: Table | undefined;
  readonly coding: TableCoding | undefined;
  readonly scorer: Scorer;
  readonly reference: ReferenceRows;
}

/**
 * Writes the scores of rows in their order: a table's rows with `nll`, `nll_stderr`, `rank` and `p` after them, and by how many
 * nats each value is above usual given the others; otherwise these alone.
 */
export async function writeScores(
  path: string,
  { nll, stderr, p, ranks, threshold }: BlockScores & {
    readonly ranks: Uint32Array;
    readonly threshold: number | undefined;
  },
  names: readonly string[],
  { table, coding, scorer, reference }: ScoredData,
): Promise<void> {
  const own: Record<string, Float64Array> = {
    ...{ nll, nll_stderr: stderr, rank: Float64Array.from(ranks), p },
    ...(threshold === undefined ? {} : { anomaly: p.map((value) => Number(value <= threshold)) }),
  };
  if (!table || !coding || /\.(h5|hdf5)$/i.test(path)) {
    if (/\.jsonl$/i.test(path)) await writeFileAtomic(path, [...jsonLines(own)]);
    else await writeColumns(path, own);
    return;
  }
  const { reference: mixture } = scorer, told = tellsSurprises(mixture) ? names.map((name) => `excess of ${name}`) : [];
  const excesses = new RowExcess(scorer, reference), known = Object.values(own), width = known.length + told.length;
  await appendColumns(path, coding.schema, table, [...Object.keys(own), ...told], ({ first, count, cells }) => {
    const excess = told.length > 0 ? excesses.of(tableSamples(coding, cells)) : new Float64Array();
    const out = new Float64Array(count * width);
    for (let row = 0; row < count; row++) {
      known.forEach((values, k) => out[row * width + k] = values[first + row]);
      out.set(excess.subarray(row * told.length, (row + 1) * told.length), row * width + known.length);
    }
    return out;
  });
}

/** Rows of text at the same time. */
const LINES = 1 << 14;

function* jsonLines(columns: Readonly<Record<string, Float64Array>>): Generator<Uint8Array> {
  const encoder = new TextEncoder(), names = Object.keys(columns), [{ length }] = Object.values(columns);
  for (let begin = 0; begin < length; begin += LINES) {
    const lines = Array.from(
      { length: Math.min(LINES, length - begin) },
      (_, i) =>
        JSON.stringify({
          row: begin + i,
          ...Object.fromEntries(names.map((name) => [name, columns[name][begin + i]])),
        }),
    );
    yield encoder.encode(`${lines.join("\n")}\n`);
  }
}
