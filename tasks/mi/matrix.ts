import { printText, Progress } from "../../core/cli/mod.ts";
import { renderSvg } from "../../core/figures/render.ts";
import type { NamedDataset } from "../../core/mod.ts";
import { informationMatrix } from "../../core/mutual_information/matrix.ts";
import { informationMatrixFigure } from "../../core/mutual_information/matrix_figure.ts";
import { noteThreads } from "../../core/run/backend.ts";
import { claimFolder, RunFolder } from "../../core/run/folder.ts";
import { peakMemory } from "../../core/run/memory.ts";
import { shown } from "../../core/run/result.ts";
import type { BackendChoice } from "../../core/engine/mod.ts";

/** What the command line says of a matrix. */
export interface MatrixRequest {
  /** What the user called the data, and what its folder is called. */
  readonly data: string;
  readonly name: string;
  /** Columns; all where it is empty. */
  readonly x: string;
  readonly out: string | undefined;
  readonly seed: number;
  readonly backend: BackendChoice;
  readonly threads: number | undefined;
  readonly figures: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

const FIGURE = "matrix.svg";

/** Prints a matrix of the information of all columns with each other, and writes it with a heat map of it. */
export async function measureMatrix(dataset: NamedDataset, request: MatrixRequest): Promise<void> {
  const { data, name, x, out, seed, backend, threads, figures, quiet, json, signal } = request;
  const started = performance.now(), names = dataset.columns ?? [];
  using progress = new Progress({ quiet: quiet || json });
  let path = "";
  const matrix = await informationMatrix(dataset, {
    ...{ columns: x, names, seed, backend, signal },
    ...(threads === undefined ? {} : { threads }),
    onBegin: async () => {
      ({ path } = await claimFolder(out, `runs/${name}`, () => false));
    },
    onPair: (done, total) => progress.update({ label: "pair", done, total }),
  });
  const notes = [...matrix.notes], folder = new RunFolder(path);
  noteThreads(threads, matrix.engine, (note) => notes.push(note));
  const labels = matrix.columns.map((column) => names[column] ?? `${column}`);
  if (figures) {
    const title = `${name}: information of pairs of columns`;
    await folder.write(FIGURE, await renderSvg(informationMatrixFigure(title, labels, matrix.nats)));
  }
  // JSON has no infinity.
  const finite = (rows: readonly (readonly number[])[]) =>
    rows.map((row) => row.map((value) => Number.isFinite(value) ? value : null));
  const { reason, ...engine } = matrix.engine;
  const summary = {
    task: "mi",
    data,
    ...(dataset.description === undefined ? {} : { read: dataset.description }),
    columns: labels,
    rows: matrix.rows,
    ...(notes.length > 0 ? { notes } : {}),
    matrix_nats: finite(matrix.nats),
    matrix_stderr: finite(matrix.stderr),
    seed,
    seconds: Math.round(performance.now() - started) / 1000,
    peak_mb: peakMemory(),
    ...engine,
    ...(reason === undefined ? {} : { backend_reason: reason }),
    folder: shown(folder.path),
    files: figures ? [FIGURE] : [],
  };
  await folder.writeJson("summary.json", summary);
  progress.finish();
  if (json) return printText(JSON.stringify(summary));
  printText([
    `${data}: ${labels.length} columns, ${matrix.rows} rows, in ${summary.seconds.toFixed(1)} s`,
    ...notes.map((note) => `  ${note}`),
    "Mutual information in nats",
    ...table(labels, matrix.nats),
    `Wrote ${summary.folder}, with ${["summary.json", ...summary.files].join(", ")}`,
  ].join("\n"));
}

function table(labels: readonly string[], nats: readonly (readonly number[])[]): string[] {
  const head = Math.max(...labels.map((label) => label.length));
  const cells = nats.map((row, i) =>
    row.map((value, j) => i === j ? "·" : Number.isFinite(value) ? value.toFixed(3).replace(/^-(?=0\.000$)/, "") : "∞")
  );
  const widths = labels.map((label, j) => Math.max(label.length, ...cells.map((row) => row[j].length)));
  const line = (first: string, rest: readonly string[]) =>
    `  ${first.padEnd(head)}  ${rest.map((cell, j) => cell.padStart(widths[j])).join("  ")}`;
  return [line("", labels), ...cells.map((row, i) => line(labels[i], row))];
}
