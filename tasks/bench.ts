import "../core/cli/listen.ts";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main, parseCommandLine, Progress, UsageError } from "../core/cli/mod.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { BACKENDS } from "../core/engine/mod.ts";
import { BACKEND_CASES, backendTable, timeBackends } from "./bench/backends.ts";
import type { DensityResult, RunResult, TrainResult } from "./bench/cases.ts";
import { DENSITY_OPTIONS } from "./bench/density_options.ts";
import type { OwnResult } from "./bench/density_fit.ts";
import { NARROW_UNETS, narrowPeer } from "./bench/narrow_unets.ts";
import { output, requirePackages } from "./bench/output.ts";
import { type ReadResult, writeTable } from "./bench/read_case.ts";
import type { RanksResult } from "./bench/ranks.ts";
import { faster, scalingTable, stepModel } from "./bench/scaling.ts";
import { trainedTruth, TRUTHS } from "./bench/truths.ts";
import { TASK_PERMISSIONS } from "./doctor/child.ts";

/** What the PyTorch peer prints. */
interface PeerResult {
  readonly peer: string;
  readonly ms_per_step: number;
  readonly points_per_s?: number;
  readonly stderr?: number;
  readonly peak_mb: number;
}

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

/** A case that times steps: how many, in how many rounds, and the peer's script with its arguments. */
interface StepCase {
  readonly steps: number;
  /** Rounds alternate with the peer's, so that both see the same machine. */
  readonly rounds: number;
  readonly peer: readonly string[];
}

const STEP_CASES: Readonly<Record<string, StepCase>> = {
  "train-2d": { steps: 400, rounds: 3, peer: ["torch_2d.py"] },
  "unet-train": { steps: 3, rounds: 2, peer: ["torch_unet.py", "--mode", "train"] },
  "unet-eval": { steps: 3, rounds: 2, peer: ["torch_unet.py", "--mode", "eval"] },
  ...Object.fromEntries(
    Object.keys(NARROW_UNETS).flatMap((unet) =>
      (["train", "eval"] as const).map((
        mode,
      ) => [`${unet}-${mode}`, { steps: 8, rounds: 2, peer: narrowPeer(unet, mode) }])
    ),
  ),
};

/** The channels of the small U-Net. */
const UNET_SMALL = "32,64,64";

/** Training steps before a density is timed, and those that the peer's step is timed over there. */
const STEPS = 400;

/** The epochs of the run that `run-2d` times, and the grids that the seed evaluates in one. */
const RUN_EPOCHS = 160;
const STEPS_PER_EPOCH = 56;
const GRID_POINTS = 1600;

/** Samples of a step, and of the smaller one that tells what a step costs by itself. */
const RANKS_BATCH = 16;
const RANKS_SMALL_BATCH = 4;
const RANKS_STEPS = 3;
const RANKS_ROUNDS = 2;

/** How much faster than this machine the second node is that is reckoned with. */
const FAST_NODE = 32;

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

interface Options {
  readonly backend: string;
  readonly threads: number;
  readonly stderr: number;
  readonly vsTorch: boolean;
  readonly python: string;
  /** Ends the processes that it is waiting for. */
  readonly signal: AbortSignal;
}

/** Every backend's times beside the compiled engine's, and beside PyTorch's where it is asked for. */
async function compareBackends(options: Options & { readonly json: boolean }): Promise<void> {
  using progress = new Progress({ quiet: options.json });
  const rows = await timeBackends(
    async (name, backend, steps) => {
      try {
        return (await runCase<TrainResult>(name, { ...options, backend }, steps, [])).ms_per_step;
      } catch (error) {
        throw error instanceof UsageError ? new Error(error.message.replace(/^.*? failed: (error: )?/, "")) : error;
      }
    },
    (label, done, total) => progress.update({ label, done, total }),
  );
  if (options.vsTorch) {
    const step = async (steps: number, ...peer: string[]) => (await runPeer(options, steps, peer)).ms_per_step;
    rows.push({
      backend: "PyTorch",
      ms_per_step: {
        "train-2d": await step(BACKEND_CASES["train-2d"], "torch_2d.py"),
        "unet-small": await step(BACKEND_CASES["unet-small"], "torch_unet.py", "--channels", UNET_SMALL),
      },
    });
  }
  progress.finish();
  console.log(options.json ? rows.map((row) => JSON.stringify(row)).join("\n") : backendTable(rows));
}

/** One rank with all threads beside one rank a thread, and what that lets expect of many nodes. */
async function compareRanks(options: Options & { readonly mpirun: string; readonly json: boolean }): Promise<void> {
  using progress = new Progress({ quiet: options.json });
  const script = fileURLToPath(new URL("./bench/run_case.ts", import.meta.url));
  const command = (threads: number, batch: number) => [
    ...["run", ...TASK_PERMISSIONS, script],
    ...["ranks", options.backend, threads, RANKS_STEPS, batch].map(String),
  ];
  const alone = async (batch: number): Promise<RanksResult> =>
    JSON.parse(await output(Deno.execPath(), command(options.threads, batch), options.signal));
  const together = async (): Promise<RanksResult> =>
    JSON.parse(
      await output(
        options.mpirun,
        ["-n", `${options.threads}`, Deno.execPath(), ...command(1, RANKS_BATCH)],
        options.signal,
      ),
    );
  const [one, many]: RanksResult[][] = [[], []];
  const total = 2 * RANKS_ROUNDS + 1;
  for (let round = 0; round < RANKS_ROUNDS; round++) {
    progress.update({ label: "ranks", done: 2 * round, total });
    one.push(await alone(RANKS_BATCH));
    progress.update({ label: "ranks", done: 2 * round + 1, total });
    many.push(await together());
  }
  const small = await alone(RANKS_SMALL_BATCH);
  progress.finish();
  const [a, b] = [median(one), median(many)];
  const model = stepModel(a, small, a.parameters);
  const result = {
    ...b,
    one_rank_ms_per_step: a.ms_per_step,
    throughput_ratio: a.ms_per_step / b.ms_per_step,
    ms_per_sample: 1000 * model.secondsPerSample,
    ms_fixed: 1000 * model.fixedSeconds,
    gradient_mb: model.gradientBytes / 1e6,
  };
  if (options.json) return console.log(JSON.stringify(result));
  console.log(lines(result));
  for (const [nodes, speed] of [["as fast as this machine", 1], [`${FAST_NODE} times as fast`, FAST_NODE]] as const) {
    console.log(
      `\nEfficiency with ${RANKS_BATCH} samples on each of some nodes ${nodes}, and (the samples on each from which ` +
        `on communication takes a tenth of a step):\n${scalingTable(faster(model, speed), RANKS_BATCH)}`,
    );
  }
}

type Figures = Readonly<Record<string, number | string>>;

/** A case's figures, and with the peer beside it the peer's and their ratio. */
async function measured(
  name: string,
  options: Options,
  progress: (done: number, total: number) => void,
): Promise<Figures> {
  const steps = STEP_CASES[name];
  if (steps) return await measuredSteps(name, steps, options, progress);
  if (name === "truths") return await measuredTruths(options, progress);
  progress(0, 1);
  const peer = options.vsTorch
    ? await runPeer(options, STEPS, ["torch_2d.py", "--grid", "40", "--repeats", "20"])
    : undefined;
  if (name === "density-2d") {
    const targets = [options.stderr, ...(peer ? [peer.stderr!] : [])];
    const result = await runCase<DensityResult>(name, options, STEPS, targets);
    return { ...result, ...(peer ? comparedDensities(result, peer) : {}) };
  }
  const result = await timeRun(options);
  return { ...result, ...(peer ? comparedRuns(result, peer) : {}) };
}

async function measuredSteps(
  name: string,
  { steps, rounds, peer }: StepCase,
  options: Options,
  progress: (done: number, total: number) => void,
): Promise<Figures> {
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    if (name === "unet-eval") await (await import("./bench/unet_cases.ts")).writeRandomUnet(folder);
    const ours: TrainResult[] = [];
    const peers: PeerResult[] = [];
    for (let round = 0; round < rounds; round++) {
      progress(round, rounds);
      ours.push(await runCase(name, options, steps, [folder]));
      if (options.vsTorch) peers.push(await runPeer(options, steps, peer));
    }
    const result = median(ours);
    return { ...result, ...(options.vsTorch ? comparedSteps(result, median(peers)) : {}) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runCase<T>(
  name: string,
  { backend, threads, signal }: Options,
  steps: number,
  more: readonly (number | string)[],
): Promise<T> {
  const script = fileURLToPath(new URL("./bench/run_case.ts", import.meta.url));
  const args = [name, backend, threads, steps, ...more].map(String);
  return JSON.parse(await output(Deno.execPath(), ["run", ...TASK_PERMISSIONS, script, ...args], signal));
}

/** What reading and standardising a table takes, and beside it what it takes with pandas. */
async function measuredReading(
  options: Options & { readonly rows: number; readonly vsPython: boolean },
): Promise<Figures> {
  const { python, signal, rows, vsPython } = options;
  if (vsPython) await requirePackages(python, [{ module: "pandas", install: "pandas" }], "--vs-python", signal);
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    const path = join(folder, "table.csv");
    await writeTable(path, rows, signal);
    const ours = await runCase<ReadResult>(READ, options, 0, [path]);
    if (!vsPython) return { ...ours };
    const script = fileURLToPath(new URL("./bench/read_peer.py", import.meta.url));
    const peer = JSON.parse(await output(python, [script, path], signal));
    return {
      ...ours,
      peer: peer.peer,
      peer_seconds: peer.seconds,
      peer_seconds_not_exact: peer.seconds_not_exact,
      peer_peak_mb: peer.peak_mb,
      time_ratio: ours.seconds / peer.seconds,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The whole of `deno task train:2d moons`, figures included, as a user starts it. */
async function timeRun(options: Options): Promise<RunResult> {
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    const begun = performance.now();
    const { ms_per_step, peak_mb, backend } = await runTask<RunResult>(
      "train_2d.ts",
      ["moons", "--out", `${folder}/run`],
      options,
    );
    const seconds = (performance.now() - begun) / 1000;
    return { case: "run-2d", seconds, ms_per_step, peak_mb, backend, threads: options.threads };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a model that is trained for a short while lacks of the truth, for each distribution whose entropy is known. */
async function measuredTruths(options: Options, progress: (done: number, total: number) => void): Promise<Figures> {
  const names = Object.keys(TRUTHS) as (keyof typeof TRUTHS)[];
  const figures: Record<string, number | string> = { case: "truths" };
  for (const [i, name] of names.entries()) {
    progress(i, names.length);
    const folder = await Deno.makeTempDir({ prefix: "bench-" });
    try {
      const truth = await trainedTruth(name, folder, (script, args) => runTask(script, args, options));
      for (const [key, value] of Object.entries(truth)) figures[`${name}_${key}`] = value;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  return { ...figures, backend: options.backend, threads: options.threads };
}

/** The summary of a task that is run as a user starts it. */
async function runTask<T>(script: string, args: readonly string[], { backend, threads, signal }: Options): Promise<T> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const machine = ["--backend", backend, "--threads", `${threads}`, "--json"];
  return JSON.parse(await output(Deno.execPath(), ["run", ...TASK_PERMISSIONS, path, ...args, ...machine], signal));
}

async function runPeer(
  { python, threads, signal }: Options,
  steps: number,
  [script, ...more]: readonly string[],
): Promise<PeerResult> {
  const path = join(fileURLToPath(new URL("./bench/", import.meta.url)), script);
  return JSON.parse(await output(python, [path, "--threads", `${threads}`, "--steps", `${steps}`, ...more], signal));
}

/** Checks that Python has the peers' packages. @throws {UsageError} Naming the first that it lacks. */
async function requireTorch({ python, signal }: Options, unet: boolean): Promise<void> {
  const packages = ["torch", ...(unet ? ["diffusers"] : [])].map((name) => ({ module: name, install: name }));
  await requirePackages(python, packages, "--vs-torch", signal);
}

function comparedSteps(ours: TrainResult, peer: PeerResult): Figures {
  return { ...about(peer), peer_ms_per_step: peer.ms_per_step, time_ratio: ours.ms_per_step / peer.ms_per_step };
}

/** Our speed over the peer's at no larger error than the peer's. */
function comparedDensities(ours: DensityResult, peer: PeerResult): Figures {
  return {
    ...about(peer),
    peer_points_per_s: peer.points_per_s!,
    peer_stderr: peer.stderr!,
    speed_ratio: ours.points_per_s_at_peer_stderr! / peer.points_per_s!,
  };
}

/** The seed draws one grid an epoch. Nobody waits for that here: a step and a grid are timed, and multiplied. */
function comparedRuns(ours: RunResult, peer: PeerResult): Figures {
  const seconds = RUN_EPOCHS * (STEPS_PER_EPOCH * peer.ms_per_step / 1000 + GRID_POINTS / peer.points_per_s!);
  return { ...about(peer), peer_seconds_extrapolated: seconds, time_ratio: ours.seconds / seconds };
}

function about({ peer, peak_mb }: PeerResult): Figures {
  return { peer, peer_peak_mb: Math.round(peak_mb) };
}

function median<T extends { readonly ms_per_step: number }>(values: readonly T[]): T {
  return [...values].sort((a, b) => a.ms_per_step - b.ms_per_step)[(values.length - 1) >> 1];
}

function lines(result: Figures): string {
  const { case: name, ...rest } = result;
  const shown = Object.entries(rest).map(([key, value]) => {
    const text = typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
    return `  ${key.replaceAll("_", " ").padEnd(26)} ${text}`;
  });
  return [name, ...shown].join("\n");
}
