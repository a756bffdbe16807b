import "../core/cli/listen.ts";
import { main, parseCommandLine, Progress, UsageError } from "../core/cli/mod.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { BACKENDS } from "../core/engine/mod.ts";
import { lines } from "./bench/case_figures.ts";
import { compareBackends } from "./bench/compare_backends.ts";
import { compareRanks } from "./bench/compare_ranks.ts";
import { DENSITY_OPTIONS } from "./bench/density_options.ts";
import type { OwnResult } from "./bench/density_fit.ts";
import { measured } from "./bench/measured.ts";
import { NARROW_UNETS } from "./bench/narrow_unets.ts";
import { requireTorch, runCase, runTask } from "./bench/processes.ts";
import { measuredReading } from "./bench/reading.ts";

/** Both cases of each narrow U-Net. */
const NARROW = Object.keys(NARROW_UNETS).flatMap((unet) => [`${unet}-train`, `${unet}-eval`]);

const CASES: readonly string[] = ["train-2d", "density-2d", "run-2d", "unet-train", "unet-eval", ...NARROW, "truths"];

/** The case that compares densities, which has a table of its own and is no part of all. */
const DENSITY = "density";

/** The case that reads a table, beside pandas. */
const READ = "read";
const MI = "mi";
const ANOMALIES = "anomalies";
const TABLES = "tables";

await main((stop) =>
  orStopped("Stopped; what was finished is printed above.", async () => {
    const { options: values, positional, given } = await parseCommandLine({
      name: "bench",
      summary:
        "Measures speed and memory, by themselves or beside PyTorch on the same machine, and likelihoods beside the " +
        "truth and other densities.",
      positional: [{
        name: "case",
        help:
          `${
            CASES.join(", ")
          }, or all of these; or ${READ}, ${MI}, ${ANOMALIES}, ${TABLES} or ${DENSITY}. run-2d, truths and the unet cases take minutes, ` +
          `${ANOMALIES} and ${TABLES} a quarter of an hour, ${DENSITY} up to hours`,
        default: "all",
      }],
      options: {
        backend: { default: "onnx-cpu", choices: BACKENDS, help: "What runs the tensors." },
        backends: {
          default: false,
          help: "Time a training step of the 2-D network and of a small U-Net on every backend that is there.",
        },
        ranks: {
          default: false,
          help:
            "Time a training step of the U-Net on one rank with all threads and on as many ranks with one thread each.",
        },
        mpirun: { default: "mpirun", placeholder: "command", help: "What starts the ranks of --ranks." },
        threads: { default: 2, min: 1, max: 1024, integer: true, help: "Threads, here and of the peer." },
        stderr: {
          default: 0.25,
          above: 0,
          help: "The error in nats that density-2d is timed at, where log p is above -6.",
        },
        json: { default: false, help: "Print one line of JSON per case, and nothing else." },
        vsTorch: {
          default: false,
          help: "Run the PyTorch peer beside each case; needs Python with torch, and diffusers for unet.",
        },
        rows: {
          default: 1_000_000,
          min: 1,
          max: 1e8,
          integer: true,
          help: "read: rows of the table, of 4 columns, 80 bytes a row.",
        },
        tasks: {
          optional: "string",
          placeholder: "folder",
          help: "mi: a safetensors file a task, with x's columns before y's in xy, and truth.json.",
        },
        tables: {
          optional: "string",
          placeholder: "folder",
          help: "tables: penguins.json, cars.json and movies.json, as the npm package vega-datasets has them in data.",
        },
        splits: {
          default: 1,
          min: 1,
          max: 1000,
          integer: true,
          help: "tables: how often a fifth of the rows is drawn and held out, with a training each.",
        },
        ...DENSITY_OPTIONS,
        python: { default: "python3", placeholder: "command", help: "The Python that has the peers' packages." },
      },
    }, Deno.args);
    const options = { ...values, signal: stop };
    const isForeign = (key: string) =>
      given.has(key) && !(key === "vsPython" && positional.case === READ) && !(key === "out" && positional.case === MI);
    const foreign = Object.keys(DENSITY_OPTIONS).find(isForeign);
    if (foreign !== undefined && positional.case !== DENSITY) {
      const option = `--${foreign.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      throw new UsageError(`${option} is of the case ${DENSITY} alone. Leave it out, or name that case.`);
    }
    requireHeeded(given, positional.case, values);
    if (options.backends) {
      if (positional.case !== "all") {
        throw new UsageError(`--backends has its own cases; leave ${positional.case} out.`);
      }
      if (options.vsTorch) await requireTorch(options, true);
      return await compareBackends(options);
    }
    if (options.ranks) {
      if (positional.case !== "all") throw new UsageError(`--ranks has its own case; leave ${positional.case} out.`);
      return await compareRanks(options);
    }
    if (positional.case === DENSITY) {
      if (options.vsTorch) {
        throw new UsageError(`${DENSITY} has other peers than --vs-torch. Give --vs-python instead.`);
      }
      const { measureDensities } = await import("./bench/density_case.ts");
      return await measureDensities(
        options,
        (file, folder) => runCase<OwnResult>(DENSITY, options, 0, [file, folder]),
      );
    }
    if (positional.case === MI) {
      const { measureInformation } = await import("./bench/mi_case.ts");
      return await measureInformation(options);
    }
    if (positional.case === TABLES) {
      if (options.tables === undefined) {
        throw new UsageError(
          `${TABLES} needs --tables, the folder with penguins.json, cars.json and movies.json of vega-datasets.`,
        );
      }
      const { measureTables } = await import("./bench/table_case.ts");
      return await measureTables(options.tables, options, (script, args) => runTask(script, args, options));
    }
    if (positional.case === ANOMALIES) {
      const { measureAnomalies } = await import("./bench/anomaly_case.ts");
      return await measureAnomalies(options, (script, args) => runTask(script, args, options));
    }
    if (positional.case === READ) {
      const result = await measuredReading(options);
      return console.log(options.json ? JSON.stringify(result) : lines(result));
    }
    const wanted = CASES.filter((name) => positional.case === "all" || positional.case === name);
    if (wanted.length === 0) {
      throw new UsageError(
        `There is no case ${positional.case}; the cases are ${
          [...CASES, READ, MI, DENSITY, ANOMALIES, TABLES].join(", ")
        }.`,
      );
    }
    // Said before minutes are spent.
    if (options.vsTorch) await requireTorch(options, wanted.some((name) => name.startsWith("unet")));
    for (const name of wanted) {
      using progress = new Progress({ quiet: options.json });
      const result = await measured(name, options, (done, total) => {
        progress.update({ label: name, done, total });
      });
      progress.finish();
      console.log(options.json ? JSON.stringify(result) : lines(result));
    }
  })
);

/** Options of one case or mode alone. @throws {UsageError} Where one is given that nothing would heed. */
function requireHeeded(
  given: ReadonlySet<string>,
  name: string,
  { ranks, backends }: { readonly ranks: boolean; readonly backends: boolean },
): void {
  const isStepped = !ranks && !backends;
  const heeded = {
    rows: [name === READ, `the case ${READ}`],
    tasks: [name === MI, `the case ${MI}`],
    tables: [name === TABLES, `the case ${TABLES}`],
    splits: [name === TABLES, `the case ${TABLES}`],
    mpirun: [ranks, "--ranks"],
    stderr: [isStepped && (name === "all" || name === "density-2d"), "the case density-2d"],
    backend: [!backends, "the cases, not for --backends, which takes all"],
  } as const;
  for (const [key, [isHeeded, what]] of Object.entries(heeded)) {
    if (given.has(key) && !isHeeded) throw new UsageError(`--${key} is for ${what}. Leave it out.`);
  }
}
