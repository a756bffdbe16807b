import { load } from "../../core/files/load_file.ts";
import { Random } from "../../core/random/random.ts";
import { peakMemory } from "../../core/run/memory.ts";

/** Columns of the table that is read. */
const COLUMNS = 4;

/** Rows that are text at once. */
const BLOCK = 10_000;

/** What reading and scaling a table takes. */
export interface ReadResult {
  readonly case: "read";
  readonly rows: number;
  readonly mb: number;
  readonly seconds: number;
  readonly mb_per_s: number;
  readonly peak_mb: number;
}

/** Writes a table of standard normal numbers with all their digits, as pandas writes it. */
export async function writeTable(path: string, rows: number, signal: AbortSignal): Promise<void> {
  using file = await Deno.create(path);
  const random = Random.fromSeed(0), encoder = new TextEncoder();
  await file.write(encoder.encode("a,b,c,d\n"));
  for (let begin = 0; begin < rows; begin += BLOCK) {
    signal.throwIfAborted();
    const count = Math.min(BLOCK, rows - begin), values = random.fillNormal(new Float64Array(COLUMNS * count));
    const lines = Array.from(
      { length: count },
      (_, i) => values.subarray(COLUMNS * i, COLUMNS * (i + 1)).join() + "\n",
    );
    const bytes = encoder.encode(lines.join(""));
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
  }
}

/** Reads a table from its file to standardised float32, as training on it does. */
export async function readTable(path: string): Promise<ReadResult> {
  const begun = performance.now();
  const { train, validation } = await load(Random.fromSeed(0), { path });
  const seconds = (performance.now() - begun) / 1000, mb = Deno.statSync(path).size / 1e6;
  const rows = train.count + validation.count;
  return { case: "read", rows, mb, seconds, mb_per_s: mb / seconds, peak_mb: peakMemory() };
}
