import "../core/cli/listen.ts";
import { SETTINGS } from "../core/model/setting_ranges.ts";
import { withDefault } from "../core/options/values.ts";
import { MEASURING } from "../core/model/use_ranges.ts";
import { resolve } from "node:path";
import { parseCommandLine, printText, Progress, takeNotes } from "../core/cli/mod.ts";
import { sizeOf } from "../core/data/tensors.ts";
import { dequantise, gridOf } from "../core/diffusion/discrete.ts";
import { ROUNDINGS } from "../core/evaluation/discrete_errors.ts";
import { ROUNDS } from "../core/evaluation/take_rounds.ts";
import { lockOutput } from "../core/io/lock.ts";
import { mainOnRanks, mpiOption } from "../core/cli/mod.ts";
import { Random } from "../core/random/random.ts";
import { noteThreads, runBackendOption } from "../core/run/backend.ts";
import { defaultThreads, startEngine } from "../core/engine/start.ts";
import { compareEstimators } from "../core/run/compare_estimators.ts";
import {
  estimatorOptions,
  requireFewRanks,
  requireHeededEstimator,
  requireHeededRounds,
  requireOfTable,
  samplesToMeasure,
} from "../core/run/estimator_options.ts";
import { givenOption, givenSamples } from "../core/run/given.ts";
import { drawnSamples } from "../core/run/drawn_samples.ts";
import { PARTS, readingOptions, samplesOf } from "../core/run/evaluation_data.ts";
import { measureNll } from "../core/run/measure_nll.ts";
import { ESTIMATORS } from "../core/run/nll_estimate.ts";
import { nllLines } from "../core/run/nll_lines.ts";
import { dimensionsOf } from "../core/run/dimensions.ts";
import { openMember } from "../core/run/open_member.ts";
import { openModel } from "../core/run/open_weights.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { requirePerSamplePath } from "../core/run/per_sample_file.ts";

const { auto: _loc, ...logsnrLoc } = SETTINGS.logsnrLoc, { auto: _scale, ...logsnrScale } = SETTINGS.logsnrScale;

const options = {
  data: {
    optional: "string",
    placeholder: "data",
    help: "A file or data set (default: the run's own). NPY, safetensors and HDF5 files may be larger than the memory.",
  },
  ...givenOption,
  part: { optional: "string", choices: PARTS, help: "Which samples of it (default: test, or validation without one)." },
  estimator: {
    default: "paired",
    choices: [...ESTIMATORS, "all"],
    help:
      "paired: of the density; discrete: a bound for 8-bit data; dequantised: another, by noise within a step; ode: of " +
      "the probability flow; elbo: the variational bound of a diffusion in steps; all: paired, ode and elbo side by side.",
  },
  rounding: { optional: "string", choices: ROUNDINGS, help: "How discrete rounds what is denoised (default soft)." },
  ensemble: {
    optional: "string",
    list: true,
    placeholder: "run",
    help: "Further runs or denoisers: at each log SNR the one that is best on held-out data.",
  },
  clamp: { default: false, help: "Use the data's Gaussian at the log SNRs at which it denoises better." },
  ...estimatorOptions,
  fit: {
    optional: "string",
    placeholder: "data",
    help: "Of weights: what their data's Gaussian is fitted to (default: a data set's training part, a file itself).",
  },
  logsnrLoc: { ...logsnrLoc, help: "Of weights: location of the log SNR proposal in nats (default 6)." },
  logsnrScale: { ...logsnrScale, help: "Of weights: its scale in nats (default 3)." },
  out: { optional: "string", placeholder: "folder", help: "Of weights: the folder of the results (default: in runs)." },
  stderr: {
    ...MEASURING.stderr,
    help: "Take rounds until the noise's standard error in nats is no larger than this.",
  },
  rounds: {
    ...MEASURING.rounds,
    help: `Log SNRs per sample (default ${ROUNDS}; of ode probes, 2, of elbo draws of all steps, 1).`,
  },
  budget: { ...MEASURING.budget, help: "Evaluations of the denoiser after which no round is begun." },
  adapt: { default: true, onOff: true, help: "Learn from a pilot where along the log SNRs to measure." },
  perSample: {
    optional: "string",
    placeholder: "file",
    help: "Write −log p(x) and its error for every sample: .csv, .h5.",
  },
  seed: withDefault(SETTINGS.seed, 0, "Seed of the log SNRs and the noise."),
  evalBatchSize: {
    ...SETTINGS.evalBatchSize,
    help: "Samples per run of the denoiser (default: the run's).",
  },
  ...readingOptions,
  ...runBackendOption,
  ...mpiOption,
  ...trustOption,
  ...outputOptions,
} as const;

await mainOnRanks(async (ranks) => {
  const { options: o, positional, given: said } = await parseCommandLine({
    name: "nll",
    summary: "Estimates the likelihood of data under a trained model, with its error.",
    positional: [{
      name: "run",
      help: "The folder of a run or of one of its checkpoints; or weights: a diffusers folder, or a model on the hub.",
    }],
    options,
  }, Deno.args);
  if (o.perSample !== undefined) requirePerSamplePath(o.perSample);
  requireHeededEstimator(o.estimator, said);
  requireFewRanks(o.estimator, ranks.size);
  const isFirst = ranks.rank === 0;
  using progress = new Progress({ quiet: o.quiet || o.json || !isFirst });
  const { notes, onNote } = takeNotes(progress);
  const run = await openModel(positional.run, { ...o, trust: trustOf(o.trust, o.data, o.fit) }, {
    signal: ranks.stop,
    onNote,
    onProgress({ label, done, total }) {
      if (total !== undefined) progress.update({ label: `${label}, MB`, done: done / 1e6, total: total / 1e6 });
    },
  });
  const d = sizeOf(run.info.shape);
  requireHeededRounds(o.estimator, d, said);
  requireOfTable(run.info, o.estimator, said);
  const others = await Promise.all((o.ensemble?.split(",") ?? []).map((member) => openMember(member.trim(), run)));
  using chosen = await samplesOf(run, o);
  const { delta: _, ...info } = run.info, { delta } = chosen;
  const needsGrid = o.estimator === "discrete" || o.estimator === "dequantised" || o.dequantise;
  const takesGrid = (o.estimator === "elbo" || o.estimator === "all") && info.range !== undefined &&
    delta !== undefined;
  const grid = needsGrid || takesGrid ? gridOf({ ...info, ...(delta === undefined ? {} : { delta }) }) : undefined;
  const random = Random.fromSeed(o.seed).split("nll");
  const all = givenSamples(chosen.samples, o.given, run.info.condition, chosen.name);
  const count = samplesToMeasure(o.estimator, all.samples.count, run.info.shape, o.samples);
  const { rows, ...drawn } = drawnSamples(all.samples, count, random), told = { ...all, ...drawn };
  const samples = o.estimator === "dequantised" || o.dequantise
    ? dequantise(told.samples, grid!, random)
    : told.samples;
  if (isFirst && o.perSample !== undefined) await lockOutput(resolve(o.perSample), ", or name another file");
  const { engine, reason } = await startEngine(
    o.backend ?? run.config.backend,
    o.threads ?? defaultThreads(),
    run.info.shape,
  );
  noteThreads(o.threads, engine, onNote);
  const asked = { runs: [run, ...others], chosen, told, samples, ...(rows ? { rows } : {}), grid, random, options: o };
  const context = { engine, reason, ranks, progress, notes };
  let shown: { readonly summary: unknown; readonly lines: readonly string[] } | undefined;
  try {
    if (o.estimator === "all") shown = await compareEstimators(asked, context);
    else {
      const measured = await measureNll({ ...asked, estimator: o.estimator }, context);
      shown = measured && {
        summary: measured.summary,
        lines: nllLines(measured.summary, dimensionsOf(run.info), o.stderr, measured.file, measured.facts?.lines),
      };
    }
  } finally {
    engine.dispose();
  }
  progress.finish();
  if (shown) printText(o.json ? JSON.stringify(shown.summary) : shown.lines.join("\n"));
});
