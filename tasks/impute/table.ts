import { basename, dirname, extname, join, resolve } from "node:path";
import type { Progress } from "../../core/cli/mod.ts";
import { parseDataFile } from "../../core/data/data_file.ts";
import type { BackendChoice } from "../../core/engine/mod.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { tableBlocks } from "../../core/files/table_blocks.ts";
import { writeFileAtomic } from "../../core/io/atomic.ts";
import { lockOutput } from "../../core/io/lock.ts";
import { internalsOf } from "../../core/model/internals.ts";
import { scorerOf } from "../../core/model/scorer.ts";
import { Random } from "../../core/random/random.ts";
import { startModel } from "../../core/run/load_model.ts";
import { peakMemory } from "../../core/run/memory.ts";
import type { UsableModel } from "../../core/run/open_usable.ts";
import { shown } from "../../core/run/result.ts";
import { RunFolder } from "../../core/run/folder.ts";
import { sampleFolder } from "../../core/run/sample_files.ts";
import { imputeBlocks } from "../../core/sampling/impute_blocks.ts";
import type { ImputedCell } from "../../core/sampling/impute_rows.ts";
import { tableForm } from "../../core/sampling/row_form.ts";
import { isTableFile, openTable, tableKind } from "../../core/tables/open_table.ts";
import { numberText } from "../../core/rows/describe_table.ts";
import type { TableCoding } from "../../core/rows/table_coding.ts";
import { fillTable } from "../../core/tables/write_table.ts";

/** What the command line says of a table. */
export interface TableValues {
  readonly draws: number;
  readonly mean: boolean;
  readonly seed: number;
  readonly out: string | undefined;
  readonly backend: BackendChoice | undefined;
  readonly threads: number | undefined;
}

/** Fills the unknown cells of a table: once with means, several times with draws; and says how sure each is. */
export async function imputeTable(
  { opened, file, options: o, progress, onNote, stop }: {
    readonly opened: UsableModel;
    readonly file: string;
    readonly options: TableValues;
    readonly progress: Progress;
    readonly onNote: (note: string) => void;
    readonly stop: AbortSignal;
  },
): Promise<{ readonly summary: Record<string, unknown>; readonly lines: readonly string[] }> {
  const coding = opened.info.table!, path = parseDataFile(file)?.path ?? file, name = basename(path);
  const table = await openTable(path), isFile = o.out !== undefined && isTableFile(o.out);
  if (isFile) {
    if (resolve(o.out!) === resolve(path)) {
      throw new UserError(`--out is ${o.out}, which is the table itself. Name another, so that nothing is lost.`);
    }
    await lockOutput(resolve(o.out!), ", or name another file");
  }
  const target = isFile ? resolve(o.out!) : "", own = endingOf(isFile ? target : name);
  const isParquet = tableKind(path) === "parquet";
  if (isFile && tableKind(target) === "parquet") {
    throw new UserError(
      `--out is ${o.out}, but Parquet is read and not written. Name a file of .csv, .json or .jsonl.`,
    );
  }
  if (isParquet && !isFile) onNote("Parquet is read and not written: the table comes back as CSV");
  const ending = isParquet && !isFile ? ".csv" : own;
  const stem = basename(isFile ? target : name).slice(0, -own.length);
  const draws = o.mean ? 0 : o.draws, sure = `${stem}.unknown.csv`;
  const files = [`${stem}${ending}`, ...Array.from({ length: draws }, (_, k) => `${stem}-${k + 1}${ending}`)];
  using claimed = isFile ? undefined : await sampleFolder(o.out, join(opened.folder.path, "impute"), [...files, sure]);
  const folder = claimed?.path ?? dirname(target);
  await using model = await startModel(opened, o);
  await using scorer = await scorerOf(model, "auto", { signal: stop });
  const random = Random.fromSeed(o.seed).split("impute"), started = performance.now();
  const cells: ImputedCell[] = [], drawn: number[][] = Array.from({ length: draws }, () => []);
  let rows = 0;
  const blocks = tableBlocks(coding, table, (notes) => notes.forEach(onNote)), width = coding.schema.columns.length;
  for await (const filled of imputeBlocks(tableForm(coding), scorer, blocks, random, { draws, signal: stop })) {
    for (const cell of filled.cells) {
      cells.push({ ...cell, row: filled.first + cell.row });
      filled.draws.forEach((own, k) => drawn[k].push(own[cell.row * width + cell.column]));
    }
    rows += filled.count;
    progress.update({ label: "rows", done: rows, total: rows });
  }
  if (cells.length === 0) throw new UserError(`${name} has no unknown cell of the columns that the model knows.`);
  const seconds = (performance.now() - started) / 1000;
  const means = cells.map((cell) => fillOf(coding, cell));
  for (const [k, written] of files.entries()) {
    await fillTable(join(folder, written), coding.schema, table, filler(cells, k === 0 ? means : drawn[k - 1], coding));
  }
  await writeFileAtomic(join(folder, sure), `${unknownLines(coding, cells).join("\n")}\n`);
  progress.finish();
  const byColumn = new Map<number, number>();
  for (const { column } of cells) byColumn.set(column, (byColumn.get(column) ?? 0) + 1);
  const summary = {
    task: "impute",
    run: shown(opened.folder.path),
    epoch: opened.epoch,
    data: name,
    ...{ rows, cells: cells.length, draws },
    columns: Object.fromEntries([...byColumn].map(([column, n]) => [coding.schema.columns[column].name, n])),
    by: scorer.meter ? "the model" : "the reference, which the network does not change",
    seconds: Math.round(seconds * 1000) / 1000,
    peak_mb: peakMemory(),
    seed: o.seed,
    backend: internalsOf(model).engine.backend,
    folder: shown(folder),
    files: [...files, sure],
  };
  if (claimed) await new RunFolder(folder).writeJson("summary.json", summary);
  return {
    summary,
    lines: [
      `${cells.length.toLocaleString("en")} unknown cells of ${
        rows.toLocaleString("en")
      } rows of ${name}, by ${summary.by}: ` +
      Object.entries(summary.columns).map(([column, n]) => `${column} ${n}`).join(", "),
      `${files[0]} has means and the likeliest classes${
        draws > 0
          ? `, ${draws === 1 ? files[1] : `${files[1]} to ${files[draws]}`} draws of all that a row lacks, together`
          : ""
      }; ${sure} says how sure each is`,
      `${seconds.toFixed(1)} s. Wrote ${summary.folder}, with ${summary.files.join(", ")}`,
    ],
  };
}

function endingOf(name: string): string {
  const packed = /\.[^.]+\.gz$/i.exec(name);
  return packed ? packed[0] : extname(name);
}

/** What stands for an unknown cell in a table that is whole: the mean, or the likeliest level. */
function fillOf({ levels }: TableCoding, { column, mean, levels: probabilities }: ImputedCell): number {
  if (!probabilities) return mean;
  const { line } = levels.find((each) => each.column === column)!;
  const likeliest = probabilities.indexOf(Math.max(...probabilities));
  // A number that takes few values takes one of them.
  return line ? line.values[likeliest] : likeliest;
}

/** Fills unknown cells in the order of the rows. */
function filler(cells: readonly ImputedCell[], values: readonly number[], { schema }: TableCoding) {
  const width = schema.columns.length;
  let at = 0;
  return (
    { first, count, cells: block }: { readonly first: number; readonly count: number; readonly cells: Float64Array },
  ) => {
    const out = block.slice();
    for (; at < cells.length && cells[at].row < first + count; at++) {
      out[(cells[at].row - first) * width + cells[at].column] = values[at];
    }
    return out;
  };
}

/** A line for each unknown cell. */
function unknownLines({ schema, levels }: TableCoding, cells: readonly ImputedCell[]): string[] {
  const quoted = (text: string) => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = ["row,column,mean,stddev,low_5,high_95,probabilities"];
  for (const { row, column, mean, deviation, low, high, levels: probabilities } of cells) {
    const own = schema.columns[column], line = levels.find((each) => each.column === column)?.line;
    const names = own.kind === "class" ? own.levels : line?.values.map(String) ?? [];
    const told = probabilities
      ? [...probabilities].map((p, k) => `${names[k]}=${Number(p.toPrecision(4))}`).join("; ")
      : "";
    const numbers = [mean, deviation, low, high].map((value, k) =>
      Number.isNaN(value) ? "" : numberText(own, value, k === 1)
    );
    lines.push([String(row), quoted(own.name), ...numbers, quoted(told)].join());
  }
  return lines;
}
