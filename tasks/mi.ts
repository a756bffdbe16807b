import "../core/cli/listen.ts";
import { basename, resolve } from "node:path";
import { main, parseCommandLine, printText, Progress, UsageError } from "../core/cli/mod.ts";
import { parseDataFile } from "../core/data/data_file.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { loadData, mutualInformation } from "../core/mod.ts";
import { lockOutput } from "../core/io/lock.ts";
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
import { requirePerSamplePath, writeColumns } from "../core/run/per_sample_file.ts";
import { shown } from "../core/run/result.ts";
import { isRun, requireHeededOf, runOptions } from "./mi/run_options.ts";
import { informationRecord } from "./mi/summary.ts";
import { informationLines } from "./mi/text.ts";

const options = {
  x: { default: "", placeholder: "columns", help: "Columns of X: numbers from 0, ranges and names, as 0-4,height." },
  y: { default: "", placeholder: "columns", help: "Columns of Y." },
  z: { default: "", placeholder: "columns", help: "Columns that are given: I(X; Y | Z), by the mixture." },
  estimator: withDefault(
    RANGES.estimator,
    DEFAULTS.estimator,
    "By a mixture of the columns' ranks, by a network that is told y or nothing, or by both; the mixture's is told first.",
  ),
  matrix: { default: false, help: "The information of each pair of columns, all or those of --x, by the mixture." },
  shuffles: withDefault(
    RANGES.shuffles,
    DEFAULTS.shuffles,
    "Shuffle the rows of Y so many times, which tells what chance alone gives.",
  ),
  perRow: {
    optional: "string",
    placeholder: "file",
    help: "Write the information of each row, in the order of the rows, of a run with its error: .csv, .h5.",
  },
  direction: withDefault(
    RANGES.direction,
    DEFAULTS.direction,
    "Whose likelihood the network is of: p(x) and p(x|y), p(y) and p(y|x), or one of each; auto: the side of fewer columns, or without atoms.",
  ),
  heldOut: withDefault(RANGES.heldOut, DEFAULTS.heldOut, "Part of the rows that the network is measured on."),
  epochs: { ...RANGES.epochs, help: "The network's passes through the training rows (default: as train:2d)." },
  batchSize: { ...RANGES.batchSize, help: "The network's rows in a training step (default: as train:2d)." },
  learningRate: { ...RANGES.learningRate, help: "Adam's learning rate (default: as train:2d)." },
  header: readingOptions.header,
  transpose: readingOptions.transpose,
  seed: withDefault(RANGES.seed, 0, "Seed of everything that is drawn."),
  backend: withDefault(RANGES.backend, "auto", "What runs the tensors."),
  ...threadsOption,
  out: { optional: "string", placeholder: "folder", help: "Where to write (default: a new folder in runs)." },
  figures: { default: true, onOff: true, help: "Draw the figure." },
  ...runOptions,
  ...outputOptions,
} as const;

/** Options that only a network heeds. */
const OF_NETWORK = ["direction", "heldOut", "epochs", "batchSize", "learningRate", "rounds"];

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
      summary: "Estimates the mutual information of columns, or of a run's samples and their condition.",
      positional: [{
        name: "data",
        help:
          "A file of data, as points.csv or pairs.h5:z, a data set's name, or the folder of a run with a condition.",
      }],
      options,
    }, Deno.args);
    const kind = isRun(positional.data) ? "run" : "columns";
    requireHeededOf(kind, positional.data, given, o.data);
    if (kind === "run") {
      const { measureRun } = await import("./mi/run.ts");
      return await measureRun(positional.data, { ...o, isBackendGiven: given.has("backend"), signal: stop });
    }
    if (o.matrix) requireHeededMatrix(given);
    else if (o.x === "" || o.y === "") {
      throw new UsageError(`--${o.x === "" ? "x" : "y"} is missing. Name its columns, as --x 0 --y 1-3.`);
    }
    if (!o.matrix) requireHeededBy(o.estimator, given);
    if (o.perRow !== undefined) requirePerSamplePath(o.perRow, "--per-row");
    if (o.perRow !== undefined && o.estimator === "network") {
      throw new UsageError("--per-row is for the mixture, but --estimator is network. Leave one of them out.");
    }
    const { header, transpose } = o;
    requireHeededReading(positional.data, { header, transpose });
    const file = parseDataFile(positional.data);
    const reading = {
      // Columns are numbers, whose ranks alone count.
      ...(file ? { types: "off" } : {}),
      ...(header ? { header } : {}),
      ...(transpose ? { transpose } : {}),
    };
    const data = await loadData(positional.data, { seed: o.seed, options: reading });
    const names = data.columns ?? [];
    const name = `${(file ? basename(file.path) : data.name).replace(/\.[a-z0-9]+$/i, "")}-mi`;
    if (o.matrix) {
      const { measureMatrix } = await import("./mi/matrix.ts");
      return await measureMatrix(data, { ...o, data: positional.data, name, signal: stop });
    }
    let path = "";
    const rowsPath = o.perRow === undefined ? undefined : resolve(o.perRow);
    using progress = new Progress({ quiet: o.quiet || o.json });
    const { x, y, z, seed, backend, estimator, shuffles, direction, heldOut } = o;
    const { epochs, batchSize, learningRate, rounds, threads } = o;
    const information = await mutualInformation({ ...data, name: positional.data }, {
      ...{ x, y, z, names, seed, backend, estimator, shuffles, direction, heldOut, signal: stop },
      ...givenOf({ epochs, batchSize, learningRate, rounds, threads }),
      onBegin: async () => {
        // Until the process ends: of two the one's figures would stand beside the other's numbers.
        ({ path } = await claimFolder(o.out, `runs/${name}`, () => false));
        if (rowsPath !== undefined) await lockOutput(rowsPath, ", or name another file");
      },
      onEpoch: ({ direction, epoch, nll }) =>
        progress.update({
          ...{ label: `epoch ${epoch} of the network of ${direction}`, done: 0, total: 1 },
          fields: [`${nll.toFixed(3)} nats given ${direction === "x" ? "y" : "x"}`],
        }),
      onMeasure: () => progress.update({ label: "measurement and figures", done: 0, total: 1 }),
    });
    const { engine, directions, perRow } = information, notes = [...information.notes];
    noteThreads(threads, engine, (note) => notes.push(note));
    const folder = new RunFolder(path);
    const drawn = o.figures ? await (await import("./mi/curves.ts")).drawCurves(folder, name, directions) : [];
    if (rowsPath !== undefined) await writeColumns(rowsPath, { information: perRow! });
    const summary = {
      task: "mi",
      data: positional.data,
      ...(data.description === undefined ? {} : { read: data.description }),
      ...(notes.length > 0 ? { notes } : {}),
      ...informationRecord(information, names),
      ...(rowsPath === undefined
        ? {}
        : { per_row: shown(rowsPath), per_row_mean_nats: (information.mixture ?? information.table)!.heldOut }),
      seed: o.seed,
      seconds: Math.round(performance.now() - started) / 1000,
      peak_mb: peakMemory(),
      backend: engine.backend,
      ...(engine.reason === undefined ? {} : { backend_reason: engine.reason }),
      threads: engine.threads,
      versions: engine.versions,
      folder: shown(folder.path),
      files: drawn,
    };
    await folder.writeJson("summary.json", summary);
    progress.finish();
    if (o.json) return printText(JSON.stringify(summary));
    const list = (columns: readonly number[]) => columns.map((column) => describeColumn(column, names)).join(", ");
    const all = `${list(information.x)} and ${list(information.y)}${z === "" ? "" : ` given ${list(information.z)}`}`;
    printText(
      [
        `${positional.data}: columns ${all}, ${summary.rows} rows, in ${
          summary.seconds.toFixed(1)
        } s on ${engine.backend}`,
        ...(summary.read === undefined ? [] : [`  read ${summary.read}`]),
        ...notes.map((note) => `  ${note}`),
        ...informationLines(information, names, { shuffles: o.shuffles, perRow: summary.per_row }),
        `Wrote ${summary.folder}, with ${["summary.json", ...drawn].join(", ")}`,
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

/** @throws {UsageError} For an option that only a network heeds, where there is none. */
function requireHeededBy(estimator: string, given: ReadonlySet<string>): void {
  const other = estimator === "mixture" ? [...given].find((key) => OF_NETWORK.includes(key)) : undefined;
  if (other === undefined) return;
  throw new UsageError(`${optionName(other)} is for a network. Add --estimator network or both, or leave it out.`);
}

/** What is not left out. */
function givenOf<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
