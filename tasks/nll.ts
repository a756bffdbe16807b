import { join, resolve } from "node:path";
import { main, parseCommandLine, Progress, UsageError } from "../core/cli/mod.ts";
import { dequantise, discreteNllOfDequantised, gridOf } from "../core/diffusion/discrete.ts";
import { bitsPerDimension } from "../core/diffusion/likelihood.ts";
import { ROUNDINGS } from "../core/evaluation/discrete_errors.ts";
import type { NllSums } from "../core/evaluation/round_sums.ts";
import { UserError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { runBackendOption, startEngine, THREADS } from "../core/run/backend.ts";
import { PARTS, samplesOf } from "../core/run/evaluation_data.ts";
import { Interrupt } from "../core/run/interrupt.ts";
import { peakMemory } from "../core/run/memory.ts";
import { ESTIMATORS, openEstimate } from "../core/run/nll_estimate.ts";
import { loadSums, saveSums } from "../core/run/nll_state.ts";
import { openRun } from "../core/run/open_run.ts";
import { outputOptions } from "../core/run/options.ts";
import { requirePerSamplePath, writePerSample } from "../core/run/per_sample_file.ts";
import { shown } from "../core/run/result.ts";
import { InterruptedError } from "../core/run/train_run.ts";
import { sizeOf } from "../core/tensors.ts";

/** Rounds where neither an error nor a number of them is asked for. */
const ROUNDS = 8;

/** Progress is saved after each round that ends so long after the last save. */
const SAVE_MS = 20_000;

const options = {
  data: { optional: "string", placeholder: "data", help: "A file or data set (default: the run's own)." },
  part: { optional: "string", choices: PARTS, help: "Which samples of it (default: test, or validation without one)." },
  estimator: {
    default: "paired",
    choices: ESTIMATORS,
    help: "paired: of the density; discrete: a bound for 8-bit data; dequantised: another, by noise within a step.",
  },
  rounding: { optional: "string", choices: ROUNDINGS, help: "How discrete rounds what is denoised (default soft)." },
  ensemble: {
    optional: "string",
    placeholder: "runs",
    help: "Further runs, with commas: at each log SNR the one that is best on held-out data.",
  },
  stderr: {
    optional: "number",
    above: 0,
    help: "Take rounds until the noise's standard error in nats is no larger than this.",
  },
  rounds: { optional: "number", min: 1, max: 1e6, integer: true, help: `Log SNRs per sample (default ${ROUNDS}).` },
  budget: { optional: "number", above: 0, help: "Evaluations of the denoiser after which no round is begun." },
  adapt: { default: true, onOff: true, help: "Learn from a pilot where along the log SNRs to measure." },
  perSample: {
    optional: "string",
    placeholder: "file",
    help: "Write −log p(x) and its error for every sample: .csv, .h5.",
  },
  seed: { default: 0, min: 0, integer: true, help: "Seed of the log SNRs and the noise." },
  evalBatchSize: {
    optional: "number",
    min: 1,
    integer: true,
    help: "Samples per run of the denoiser (default: the run's).",
  },
  ...runBackendOption,
  ...outputOptions,
} as const;

await main(async () => {
  const { options: o, positional } = await parseCommandLine({
    name: "nll",
    summary: "Estimates the likelihood of data under a trained model, with its error.",
    positional: [{ name: "run", help: "The folder of a run, or of one of its checkpoints." }],
    options,
  }, Deno.args);
  if (o.perSample !== undefined) requirePerSamplePath(o.perSample);
  if (o.rounding !== undefined && o.estimator !== "discrete") {
    throw new UsageError(`--rounding is for --estimator discrete, but that is ${o.estimator}. Leave it out.`);
  }
  if (o.ensemble !== undefined && o.estimator === "discrete") {
    throw new UsageError("--ensemble is for --estimator paired or dequantised, not discrete. Leave one of them out.");
  }
  const run = await openRun(positional.run);
  const others = await Promise.all((o.ensemble?.split(",") ?? []).map((path) => openRun(path.trim())));
  const grid = o.estimator === "paired" ? undefined : gridOf(run.info);
  const chosen = await samplesOf(run, o);
  const random = Random.fromSeed(o.seed).split("nll");
  const samples = o.estimator === "dequantised" ? dequantise(chosen.samples, grid!, random) : chosen.samples;
  const d = sizeOf(run.info.shape);

  const kind = [
    ...(o.estimator === "paired" ? [] : [o.estimator]),
    ...(o.rounding ? [o.rounding] : []),
    ...(others.length > 0 ? ["ensemble"] : []),
  ];
  const stem = [chosen.name.replace(/[^\w.-]+/g, "_").slice(-80), ...kind].join("-");
  const key = JSON.stringify({
    checkpoints: [run, ...others].map(({ checkpoint }) => checkpoint),
    ...{ data: chosen.name, samples: samples.count, seed: o.seed, adapt: o.adapt, kind },
    proposal: run.proposal,
  });
  const state = join(run.folder.path, "nll", `${stem}.part`);
  using interrupt = new Interrupt();
  using progress = new Progress({ quiet: o.quiet || o.json });
  progress.update({ label: "pilot", done: 0, total: 1 });
  const started = performance.now();
  const { engine, reason } = await startEngine(o.backend ?? run.config.backend, o.threads ?? THREADS, run.info.shape);
  const from = await loadSums(state, key);
  const { running, dispose, ensemble } = await openEstimate(engine, [run, ...others], {
    ...{ chosen, samples, grid, random, estimator: o.estimator, rounding: o.rounding ?? "soft" },
    batch: Math.min(o.evalBatchSize ?? run.config.evalBatchSize, 2 * samples.count),
    ...(from ? { from } : {}),
  });

  let saved = performance.now();
  const enough = () => {
    const { rounds, evaluations } = running.sums();
    if (rounds === 0) return false;
    if (o.budget !== undefined && evaluations + 2 * samples.count > o.budget) return true;
    const { noiseStderr } = running.estimate();
    if (o.stderr !== undefined && !(noiseStderr <= o.stderr)) return o.rounds !== undefined && rounds >= o.rounds;
    return o.stderr !== undefined || rounds >= (o.rounds ?? ROUNDS);
  };
  const save = () => saveSums(state, key, running.sums());
  if (o.adapt && !from) await running.adapt();
  while (!enough() && !interrupt.requested) {
    const { rounds } = running.sums();
    const error = rounds === 0 ? [] : [`± ${shownError(running.estimate().noiseStderr)} nats from noise`];
    const total = expectedRounds(running.sums(), () => running.estimate().noiseStderr, o);
    for await (const done of running.round()) {
      progress.update({ label: "round", done: rounds + done, total, fields: error });
      if (interrupt.requested) break;
    }
    if (performance.now() - saved > SAVE_MS) {
      await save();
      saved = performance.now();
    }
  }
  const seconds = (performance.now() - started) / 1000;
  await dispose();
  engine.dispose();
  if (running.sums().rounds > 0) await save();
  if (!enough()) {
    throw new InterruptedError(
      `Stopped after ${running.sums().rounds} rounds, and saved. The same command goes on from there.`,
    );
  }
  const estimate = running.estimate();
  if (!Number.isFinite(estimate.mean)) {
    throw new UserError(
      "The likelihood came out as no finite number: the model has diverged, or the data is not its own.",
    );
  }
  const discrete = (nats: number) => o.estimator === "dequantised" ? discreteNllOfDequantised(nats, d, grid!) : nats;
  const perSample = running.perSample();
  if (o.perSample !== undefined) {
    await writePerSample(resolve(o.perSample), { ...perSample, nll: perSample.nll.map(discrete) });
  }
  const figures = await ensemble?.draw(run.folder, stem) ?? [];
  progress.finish();
  const { width } = running.sums();
  const nats = discrete(estimate.mean);
  const summary = {
    task: "nll",
    run: shown(run.folder.path),
    epoch: run.epoch,
    data: chosen.name,
    samples: samples.count,
    estimator: o.estimator,
    ...(o.estimator === "discrete" ? { rounding: o.rounding ?? "soft" } : {}),
    ...(o.estimator === "discrete" ? {} : { reference: width === undefined ? "gaussian" : "kernels" }),
    ...(ensemble ? { ensemble: ensemble.record } : {}),
    nats,
    stderr: estimate.stderr,
    noise_stderr: estimate.noiseStderr,
    bits_per_dim: bitsPerDimension(nats, d),
    ...(chosen.logScale === undefined || o.estimator !== "paired" ? {} : { log_scale: chosen.logScale }),
    rounds: estimate.rounds,
    evaluations: estimate.evaluations,
    reached: o.stderr === undefined || estimate.noiseStderr <= o.stderr,
    seconds: Math.round(seconds * 1000) / 1000,
    peak_mb: peakMemory(),
    seed: o.seed,
    backend: engine.backend,
    ...(reason === undefined ? {} : { backend_reason: reason }),
    versions: engine.versions,
    ...(o.perSample === undefined ? {} : { per_sample: shown(resolve(o.perSample)) }),
    ...(figures.length > 0 ? { figures } : {}),
  };
  await run.folder.writeJson(join("nll", `${stem}.json`), summary);
  console.log(o.json ? JSON.stringify(summary) : lines(summary, d, o.stderr).join("\n"));
});

/** What the terminal shows. */
function lines(
  s: {
    readonly run: string;
    readonly data: string;
    readonly samples: number;
    readonly estimator: string;
    readonly ensemble?: { readonly runs: readonly string[]; readonly shares: readonly number[] };
    readonly nats: number;
    readonly stderr: number;
    readonly noise_stderr: number;
    readonly bits_per_dim: number;
    readonly log_scale?: number;
    readonly rounds: number;
    readonly evaluations: number;
    readonly seconds: number;
    readonly per_sample?: string;
    readonly figures?: readonly string[];
    readonly reached: boolean;
  },
  d: number,
  wanted: number | undefined,
): string[] {
  const what = s.estimator === "paired" ? "NLL" : "−log P at most";
  const wrote = [...(s.per_sample === undefined ? [] : [s.per_sample]), ...s.figures ?? []];
  return [
    `${s.samples} samples of ${s.data} under ${s.run}`,
    ...(s.ensemble?.runs.map((run, i) =>
      `  with ${run} at ${Math.round(100 * s.ensemble!.shares[i])}% of the log SNRs`
    ) ??
      []),
    `${what}  ${s.nats.toFixed(4)} ± ${shownError(s.stderr)} nats ` +
    `(${s.bits_per_dim.toFixed(4)} ± ${shownError(bitsPerDimension(s.stderr, d))} bits/dim)`,
    `     of the error ${shownError(s.noise_stderr)} nats is noise, the rest the finite number of samples`,
    ...(s.log_scale === undefined
      ? []
      : [`     of the scaled values; add ${s.log_scale.toFixed(4)} nats for those of the file`]),
    `${s.rounds} rounds, ${s.evaluations.toLocaleString("en")} evaluations of the denoiser, ${s.seconds.toFixed(1)} s`,
    ...(s.reached ? [] : [`The budget is spent; the noise's error is not down to ${wanted} yet.`]),
    ...(wrote.length === 0 ? [] : [`Wrote ${wrote.join(", ")}`]),
  ];
}

function shownError(x: number): string {
  return Number.isFinite(x) ? String(Number(x.toPrecision(2))) : "?";
}

/** How many rounds there will be, as far as that can be told. */
function expectedRounds(
  { rounds: taken }: NllSums,
  noiseStderr: () => number,
  { stderr, rounds = ROUNDS }: { readonly stderr: number | undefined; readonly rounds: number | undefined },
): number {
  if (stderr === undefined) return rounds;
  if (taken < 2) return Math.max(taken + 1, ROUNDS);
  return Math.max(taken + 1, Math.ceil(taken * (noiseStderr() / stderr) ** 2));
}
