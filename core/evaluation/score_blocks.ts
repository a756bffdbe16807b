import { type Samples, selectRows } from "../data/samples.ts";
import { InterruptedError } from "../errors/interrupted_error.ts";
import type { RowBlock } from "../files/table_blocks.ts";
import type { Random } from "../random/random.ts";
import { type ReferenceRows, RowComparison } from "./row_comparison.ts";
import { RowExcess } from "./row_excess.ts";
import { type RowScores, type Scorer, scoreRows } from "./row_scores.ts";

/** A row among the most anomalous. */
export interface TopRow {
  readonly row: number;
  readonly nll: number;
  readonly stderr: number;
  readonly p: number;
  /** By how many nats each value is above usual given the others, not a number where it is unknown. */
  readonly excess: Float64Array;
  readonly cells?: Float64Array;
}

/** The scores of all rows. */
export interface BlockScores {
  readonly nll: Float64Array;
  readonly stderr: Float64Array;
  readonly p: Float64Array;
  /** The most anomalous rows, the most anomalous first. */
  readonly top: readonly TopRow[];
}

/** How rows are scored. */
export interface BlockScoring {
  readonly scorer: Scorer;
  readonly reference: ReferenceRows;
  readonly random: Random;
  readonly rounds: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (rows: number) => void;
}

/** The most anomalous rows that are told of. */
const TOP = 10;

/** Rows without columns of their own that are scored together. */
const BLOCK = 1 << 16;

/** Samples in blocks. */
export function* sampleBlocks(samples: Samples): Generator<RowBlock> {
  for (let first = 0; first < samples.count; first += BLOCK) {
    const rows = Uint32Array.from({ length: Math.min(BLOCK, samples.count - first) }, (_, i) => first + i);
    yield { first, samples: selectRows(samples, rows) };
  }
}

/** Scores rows block by block; memory is that of a block, and of the scores. @throws {InterruptedError} */
export async function scoreBlocks(
  blocks: AsyncIterable<RowBlock> | Iterable<RowBlock>,
  { scorer, reference, random, rounds, signal, onProgress }: BlockScoring,
): Promise<BlockScores> {
  const comparison = new RowComparison(scorer, reference), excesses = new RowExcess(scorer, reference);
  const parts: { readonly scores: RowScores; readonly p: Float64Array }[] = [];
  let top: TopRow[] = [], count = 0;
  for await (const { first, samples, cells } of blocks) {
    const scores = await scoreRows(scorer, samples, random.split("block").split(first), {
      ...{ rounds, signal },
      onProgress: (done) => onProgress?.(first + done * samples.count),
    });
    if (!scores) throw new InterruptedError("Stopped before all rows were scored; nothing is written.");
    const p = comparison.pValues(samples, scores.nll), { nll, stderr } = scores;
    parts.push({ scores: { nll, stderr }, p });
    const highest = mostAnomalous(p, nll), own = selectRows(samples, Uint32Array.from(highest));
    const excess = excesses.of(own), values = excess.length / highest.length;
    const width = (cells?.length ?? 0) / samples.count;
    const rows = highest.map((row, i): TopRow => ({
      ...{ row: first + row, nll: nll[row], stderr: stderr[row], p: p[row] },
      excess: excess.slice(i * values, (i + 1) * values),
      ...(cells ? { cells: cells.slice(row * width, (row + 1) * width) } : {}),
    }));
    top = [...top, ...rows].sort((a, b) => a.p - b.p || b.nll - a.nll).slice(0, TOP);
    count += samples.count;
    onProgress?.(count);
  }
  const whole = (of: (part: typeof parts[number]) => Float64Array) => {
    const out = new Float64Array(count);
    let at = 0;
    for (const part of parts) {
      out.set(of(part), at);
      at += of(part).length;
    }
    return out;
  };
  return {
    nll: whole(({ scores }) => scores.nll),
    stderr: whole(({ scores }) => scores.stderr),
    p: whole(({ p }) => p),
    top,
  };
}

/** The places of the most anomalous rows: those of the smallest p-values, and among these of the highest scores. */
function mostAnomalous(p: Float64Array, nll: Float64Array): number[] {
  let places: number[] = [], last = Infinity;
  for (let row = 0; row < p.length; row++) {
    if (p[row] > last) continue;
    places.push(row);
    if (places.length < 8 * TOP) continue;
    places = places.sort((a, b) => p[a] - p[b] || nll[b] - nll[a]).slice(0, TOP);
    last = p[places[TOP - 1]];
  }
  return places.sort((a, b) => p[a] - p[b] || nll[b] - nll[a]).slice(0, TOP);
}
