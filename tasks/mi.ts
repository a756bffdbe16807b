import "../core/cli/listen.ts";
import { basename } from "node:path";
import { main, parseCommandLine, printText, Progress, UsageError } from "../core/cli/mod.ts";
import { parseDataFile } from "../core/data/data_file.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { loadData, mutualInformation } from "../core/mod.ts";
import { describeColumn } from "../core/mutual_information/columns.ts";
import {
  INFORMATION_DEFAULTS as DEFAULTS,
  INFORMATION_RANGES as RANGES,
} from "../core/mutual_information/information_options.ts";
import { requireHeededReading } from "../core/files/unheeded.ts";
import { optionName } from "../core/options/names.ts";
import { withDefault } from "../core/options/values.ts";
import { noteThreads, threadsOption } from "../core/run/backend.ts";
import { readingOptions } from "../core/run/evaluation_data.ts";
import { claimFolder, RunFolder } from "../core/run/folder.ts";
import { peakMemory } from "../core/run/memory.ts";
import { outputOptions } from "../core/run/options.ts";
import { writeColumns } from "../core/run/per_sample_file.ts";
import { shown } from "../core/run/result.ts";
import { informationRecord } from "./mi/summary.ts";
import { informationLines } from "./mi/text.ts";

/** The file of the information of each row. */
const PER_ROW = "per-row.csv";

const options = {
  x: { default: "", placeholder: "columns", help: "Columns of X: numbers from 0, ranges and names, as 0-4,height." },
  y: { default: "", placeholder: "columns", help: "Columns of Y." },
  z: { default: "", placeholder: "columns", help: "Columns that are given: I(X; Y | Z), by the mixture." },
  estimator: withDefault(
    RANGES.estimator,
    DEFAULTS.estimator,
    "By a mixture of the columns' ranks, by two networks, or by whichever finds held-out rows likelier.",
  ),
  matrix: { default: false, help: "The information of each pair of columns, all or those of --x, by the mixture." },
  shuffles: withDefault(
    RANGES.shuffles,
    DEFAULTS.shuffles,
    "Shuffle the rows of Y so many times, which tells what chance alone gives.",
  ),
  perRow: { default: false, help: "Write the information of each row, by the mixture, in the order of the rows." },
  direction: withDefault(
    RANGES.direction,
    DEFAULTS.direction,
    "Whose likelihood is taken: p(x) and p(x|y), p(y) and p(y|x), or the mean of both; auto: x, or the side without atoms.",
  ),
  heldOut: withDefault(RANGES.heldOut, DEFAULTS.heldOut, "Part of the rows that the information is measured on."),
  epochs: withDefault(RANGES.epochs, DEFAULTS.epochs, "Passes through the training rows; the best is kept."),
  batchSize: withDefault(RANGES.batchSize, DEFAULTS.batchSize, "Rows in a training step."),
  learningRate: withDefault(RANGES.learningRate, DEFAULTS.learningRate, "Adam's learning rate."),
  levels: withDefault(RANGES.levels, DEFAULTS.levels, "Log SNRs per row in the measurement."),
  validationLevels: withDefault(
    RANGES.validationLevels,
    DEFAULTS.validationLevels,
    "Log SNRs per row in a validation.",
  ),
  header: readingOptions.header,
  transpose: readingOptions.transpose,
  hiddenSize: RANGES.hiddenSize,
  hiddenLayers: RANGES.hiddenLayers,
  embedding: { default: false, onOff: true, help: "Sinusoidal embeddings of the columns and of log SNR." },
  embeddingSize: RANGES.embeddingSize,
  seed: withDefault(RANGES.seed, 0, "Seed of everything that is drawn."),
  backend: withDefault(RANGES.backend, "auto", "What runs the tensors."),
  ...threadsOption,
  out: { optional: "string", placeholder: "folder", help: "Where to write (default: a new folder in runs)." },
  figures: { default: true, onOff: true, help: "Draw the figure." },
  ...outputOptions,
} as const;

/** Options that a matrix heeds. */
const OF_MATRIX = [
  "x",
  "matrix",
  "header",
  "transpose",
  "seed",
  "backend",
  "threads",
  "out",
  "figures",
  "quiet",
  "json",
];

await main((stop) =>
  orStopped("Stopped before the measurement; wrote nothing.", async () => {
    const started = performance.now();
    const { options: o, positional, given } = await parseCommandLine({
      name: "mi",
      summary: "Estimates the mutual information of columns from a denoiser of x and one of x given y.",
      positional: [{ name: "data", help: "A file of data, as points.csv or pairs.h5:z, or a data set's name." }],
      options,
    }, Deno.args);
    if (o.matrix) requireHeededMatrix(given);
    else if (o.x === "" || o.y === "") {
      throw new UsageError(`--${o.x === "" ? "x" : "y"} is missing. Name its columns, as --x 0 --y 1-3.`);
    }
    if (given.has("embeddingSize") && !o.embedding) {
      throw new UsageError("--embedding-size is for --embedding on, but that is off. Leave it out, or add the other.");
    }
    if (o.perRow && o.estimator === "networks") {
      throw new UsageError("--per-row is for the mixture, but --estimator is networks. Leave one of them out.");
    }
    const { header, transpose } = o;
    requireHeededReading(positional.data, { header, transpose });
    const reading = { ...(header ? { header } : {}), ...(transpose ? { transpose } : {}) };
    const data = await loadData(positional.data, { seed: o.seed, options: reading });
    const file = parseDataFile(positional.data);
    const names = data.columns ?? [];
    const name = `${(file ? basename(file.path) : data.name).replace(/\.[a-z0-9]+$/i, "")}-mi`;
    if (o.matrix) {
      const { measureMatrix } = await import("./mi/matrix.ts");
      return await measureMatrix(data, { ...o, data: positional.data, name, signal: stop });
    }
    let path = "";

    using progress = new Progress({ quiet: o.quiet || o.json });
    let done = 0;
    const { figures, json: _, quiet: __, matrix: ___, perRow: ____, out, threads, ...chosen } = o;
    const information = await mutualInformation({ ...data, name: positional.data }, {
      ...chosen,
      ...{ names, signal: stop, curvePoints: figures ? 65 : 0 },
      ...(threads === undefined ? {} : { threads }),
      onBegin: async () => {
        // Until the process ends: of two the one's figures would stand beside the other's numbers.
        ({ path } = await claimFolder(out, `runs/${name}`, () => false));
      },
      onEpoch: ({ direction, which, excess }, total) => {
        const condition = which === "marginal" ? "" : direction === "x" ? " | y" : " | x";
        const field = `p(${direction}${condition}) ${excess.toFixed(3)} nats against its Gaussian`;
        progress.update({ label: "epoch", done: ++done, total, fields: [field] });
      },
      onMeasure: () => progress.update({ label: "measurement and figures", done: 0, total: 1 }),
    });
    const { settings, engine, directions, z, perRow } = information, notes = [...information.notes];
    noteThreads(threads, engine, (note) => notes.push(note));
    const folder = new RunFolder(path);
    const drawn = figures ? await (await import("./mi/curves.ts")).drawCurves(folder, name, directions) : [];
    if (o.perRow) await writeColumns(folder.file(PER_ROW), { pmi: perRow! });
    const files = [...drawn, ...(o.perRow ? [PER_ROW] : [])];
    const { epochs, batchSize, learningRate, levels } = settings;
    const { hiddenSize, hiddenLayers, embedding, embeddingSize } = o;
    const network = { hiddenSize, hiddenLayers, embedding, embeddingSize, skip: true };
    const summary = {
      task: "mi",
      data: positional.data,
      ...(data.description === undefined ? {} : { read: data.description }),
      ...(notes.length > 0 ? { notes } : {}),
      ...informationRecord(information, names),
      ...(o.perRow
        ? { per_row: { file: PER_ROW, mean_nats: (information.mixture ?? information.table)!.heldOut } }
        : {}),
      ...{ epochs, batch_size: batchSize, learning_rate: learningRate, levels, ...snakeCase(network) },
      seed: o.seed,
      seconds: Math.round(performance.now() - started) / 1000,
      peak_mb: peakMemory(),
      backend: engine.backend,
      ...(engine.reason === undefined ? {} : { backend_reason: engine.reason }),
      threads: engine.threads,
      versions: engine.versions,
      folder: shown(folder.path),
      files,
    };
    await folder.writeJson("summary.json", summary);
    progress.finish();
    if (o.json) return printText(JSON.stringify(summary));
    const list = (columns: readonly number[]) => columns.map((column) => describeColumn(column, names)).join(", ");
    const all = `${list(information.x)} and ${list(information.y)}${z.length > 0 ? ` given ${list(z)}` : ""}`;
    printText(
      [
        `${positional.data}: columns ${all}, ${summary.rows} rows, in ${
          summary.seconds.toFixed(1)
        } s on ${engine.backend}`,
        ...(summary.read === undefined ? [] : [`  read ${summary.read}`]),
        ...notes.map((note) => `  ${note}`),
        ...informationLines(information, names, { shuffles: o.shuffles, perRow: o.perRow ? PER_ROW : undefined }),
        `Wrote ${summary.folder}, with ${["summary.json", ...files].join(", ")}`,
      ].join("\n"),
    );
  })
);

/** @throws {UsageError} For an option that a matrix would not heed. */
function requireHeededMatrix(given: ReadonlySet<string>): void {
  const other = [...given].find((key) => key !== "data" && !OF_MATRIX.includes(key));
  if (other === undefined) return;
  throw new UsageError(`${optionName(other)} is not for --matrix. Leave one of them out.`);
}

function snakeCase(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value]),
  );
}
