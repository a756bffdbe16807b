import "../core/cli/listen.ts";
import { SETTINGS } from "../core/model/setting_ranges.ts";
import { withDefault } from "../core/options/values.ts";
import { MEASURING } from "../core/model/use_ranges.ts";
import { join, resolve } from "node:path";
import { parseCommandLine, printText, Progress, takeNotes, UsageError } from "../core/cli/mod.ts";
import { dequantise, discreteNllOfDequantised, gridOf } from "../core/diffusion/discrete.ts";
import { bitsPerDimension } from "../core/diffusion/likelihood.ts";
import { ROUNDINGS } from "../core/evaluation/discrete_errors.ts";
import { type OutlyingComponent, outlyingComponents } from "../core/evaluation/outlying_components.ts";
import { ROUNDS, takeRounds } from "../core/evaluation/take_rounds.ts";
import { UserError } from "../core/errors/user_error.ts";
import { lockOutput } from "../core/io/lock.ts";
import { requireWithin } from "../core/io/within.ts";
import { requireSameSettings } from "../core/mpi/agree.ts";
import { ranksRecord } from "../core/mpi/mod.ts";
import { mainOnRanks, mpiOption } from "../core/cli/mod.ts";
import { referenceOf } from "../core/plugins/contracts.ts";
import { Random } from "../core/random/random.ts";
import { mixtureName } from "../core/reference/mixture.ts";
import { noteThreads, runBackendOption } from "../core/run/backend.ts";
import { defaultThreads, startEngine } from "../core/engine/start.ts";
import { givenOption, givenSamples } from "../core/run/given.ts";
import { PARTS, readingOptions, samplesOf } from "../core/run/evaluation_data.ts";
import { peakMemory } from "../core/run/memory.ts";
import { ESTIMATORS, openEstimate } from "../core/run/nll_estimate.ts";
import { loadSums, saveSums } from "../core/run/nll_state.ts";
import { openMember } from "../core/run/open_member.ts";
import { openModel } from "../core/run/open_weights.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { requirePerSamplePath, writePerSample } from "../core/run/per_sample_file.ts";
import { shown } from "../core/run/result.ts";
import { InterruptedError } from "../core/errors/interrupted_error.ts";
import { sizeOf } from "../core/data/tensors.ts";

/** Progress is saved after each round that ends so long after the last save. */
const SAVE_MS = 20_000;

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
    choices: ESTIMATORS,
    help: "paired: of the density; discrete: a bound for 8-bit data; dequantised: another, by noise within a step.",
  },
  rounding: { optional: "string", choices: ROUNDINGS, help: "How discrete rounds what is denoised (default soft)." },
  ensemble: {
    optional: "string",
    list: true,
    placeholder: "run",
    help: "Further runs or denoisers: at each log SNR the one that is best on held-out data.",
  },
  clamp: { default: false, help: "Use the data's Gaussian at the log SNRs at which it denoises better." },
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
  rounds: { ...MEASURING.rounds, help: `Log SNRs per sample (default ${ROUNDS}).` },
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
  const { options: o, positional } = await parseCommandLine({
    name: "nll",
    summary: "Estimates the likelihood of data under a trained model, with its error.",
    positional: [{
      name: "run",
      help: "The folder of a run or of one of its checkpoints; or weights: a diffusers folder, or a model on the hub.",
    }],
    options,
  }, Deno.args);
  if (o.perSample !== undefined) requirePerSamplePath(o.perSample);
  if (o.rounding !== undefined && o.estimator !== "discrete") {
    throw new UsageError(`--rounding is for --estimator discrete, but that is ${o.estimator}. Leave it out.`);
  }
  if (o.ensemble !== undefined && o.estimator === "discrete") {
    throw new UsageError("--ensemble is for --estimator paired or dequantised, not discrete. Leave one of them out.");
  }
  if (o.clamp && o.estimator === "discrete") {
    throw new UsageError(
      "--clamp is for --estimator paired or dequantised; discrete compares with no Gaussian. Leave it out.",
    );
  }
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
  const others = await Promise.all((o.ensemble?.split(",") ?? []).map((member) => openMember(member.trim(), run)));
  using chosen = await samplesOf(run, o);
  const { delta: _, ...info } = run.info, { delta } = chosen;
  const grid = o.estimator === "paired" ? undefined : gridOf({ ...info, ...(delta === undefined ? {} : { delta }) });
  const random = Random.fromSeed(o.seed).split("nll");
  const told = givenSamples(chosen.samples, o.given, run.info.condition, chosen.name), { given } = told;
  const samples = o.estimator === "dequantised" ? dequantise(told.samples, grid!, random) : told.samples;
  const d = sizeOf(run.info.shape);

  const kind = [
    ...(o.estimator === "paired" ? [] : [o.estimator]),
    ...(o.rounding ? [o.rounding] : []),
    ...(others.length > 0 ? ["ensemble"] : []),
    ...(o.clamp ? ["clamped"] : []),
    ...(given === undefined ? [] : ["given", given.replace(/, /g, "-").replaceAll(" ", "-")]),
  ];
  const stem = [
    chosen.name.replace(/[^\w.-]+/g, "_").slice(-80),
    ...kind.map((part) => part.replace(/[^\w.=-]+/g, "_")),
  ]
    .join("-").slice(0, 200);
  const key = JSON.stringify({
    checkpoints: [run, ...others].map(({ checkpoint }) => checkpoint),
    ...{ data: chosen.name, version: chosen.version, samples: samples.count, seed: o.seed, adapt: o.adapt, kind },
    ...{ proposal: run.proposal, fit: run.weights?.fit },
    ...(run.weights ? { reading: run.config.datasetOptions } : {}),
  });
  const state = join("nll", `${stem}.part`);
  if (isFirst) {
    // Until the process ends: what two wrote by turns would be neither's.
    await requireWithin(run.folder.path, run.folder.file(state));
    const other = ", or name another with --out";
    await lockOutput(run.folder.file(state), run.weights ? other : "");
    if (o.perSample !== undefined) await lockOutput(resolve(o.perSample), ", or name another file");
  }
  progress.update({ label: "pilot", done: 0, total: 1 });
  const started = performance.now();
  const { engine, reason } = await startEngine(
    o.backend ?? run.config.backend,
    o.threads ?? defaultThreads(),
    run.info.shape,
  );
  noteThreads(o.threads, engine, onNote);
  const from = await loadSums(run.folder.file(state), key);
  await requireSameSettings(ranks, { key, rounds: from?.rounds ?? 0 });
  const { running, dispose, choice } = await openEstimate(engine, [run, ...others], {
    ...{ chosen, given: told, samples, grid, random, estimator: o.estimator, rounding: o.rounding ?? "soft" },
    ...{ clamp: o.clamp, ranks },
    batch: Math.min(o.evalBatchSize ?? run.config.evalBatchSize, 2 * samples.count),
    ...(from ? { from } : {}),
  });

  let saved = performance.now();
  const save = async () => {
    if (isFirst) await saveSums(run.folder, state, key, running.sums());
  };
  const limits = { stderr: o.stderr, rounds: o.rounds, budget: o.budget };
  if (o.adapt && !from) await running.adapt();
  const isDone = await takeRounds(running, samples.count, limits, {
    signal: ranks.stop,
    onProgress(done, total, noiseStderr) {
      const fields = noiseStderr === undefined ? [] : [`± ${shownError(noiseStderr)} nats from noise`];
      progress.update({ label: "round", done, total, fields });
    },
    async onRound() {
      if (performance.now() - saved <= SAVE_MS) return;
      await save();
      saved = performance.now();
    },
  });
  const seconds = (performance.now() - started) / 1000;
  await dispose();
  engine.dispose();
  if (running.sums().rounds > 0) await save();
  if (!isDone) {
    const again = run.weights && o.out === undefined
      ? `The same with --out ${shown(run.folder.path)}`
      : "The same command";
    const { rounds } = running.sums();
    throw new InterruptedError(
      rounds === 0
        ? `Stopped before the first round was finished, so that nothing is saved. ${again} begins anew.`
        : `Stopped after ${rounds} rounds, and saved. ${again} goes on from there.`,
    );
  }
  const estimate = running.estimate();
  if (!Number.isFinite(estimate.mean)) {
    throw new UserError(
      "The likelihood came out as no finite number: the model has diverged, or the data is not its own.",
    );
  }
  if (!isFirst) return;
  const discrete = (nats: number) => o.estimator === "dequantised" ? discreteNllOfDequantised(nats, d, grid!) : nats;
  const perSample = running.perSample();
  if (o.perSample !== undefined) {
    await writePerSample(resolve(o.perSample), { ...perSample, nll: perSample.nll.map(discrete) });
  }
  const figures = await choice?.draw(run.folder, stem) ?? [];
  const outlying = o.estimator === "paired" ? outlyingComponents(samples, run.info.gaussian) : [];
  progress.finish();
  const nats = discrete(estimate.mean);
  const summary = {
    task: "nll",
    run: shown(run.folder.path),
    ...(run.weights ? { weights: run.weights.name, gaussian_of: run.weights.fit } : { epoch: run.epoch }),
    data: chosen.name,
    ...(chosen.description === undefined ? {} : { read: chosen.description }),
    samples: samples.count,
    ...(given === undefined ? {} : { given }),
    estimator: o.estimator,
    ...(o.estimator === "discrete" ? { rounding: o.rounding ?? "soft" } : {}),
    ...(o.estimator === "discrete" ? {} : { reference: mixtureName(referenceOf(run.info)) }),
    ...(choice && others.length > 0 ? { ensemble: { runs: choice.runs, shares: choice.shares } } : {}),
    ...(choice && o.clamp ? { clamped: true, reference_share: choice.referenceShare, chosen_on: choice.chosenOn } : {}),
    ...(outlying.length > 0 ? { outlying_components: outlying } : {}),
    nats,
    // Of one sample nothing is known of how samples scatter.
    stderr: samples.count === 1 ? estimate.noiseStderr : estimate.stderr,
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
    ...ranksRecord(ranks),
    versions: engine.versions,
    ...(o.perSample === undefined ? {} : { per_sample: shown(resolve(o.perSample)) }),
    ...(figures.length > 0 ? { figures } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
  const file = join("nll", `${stem}.json`);
  await run.folder.writeJson(file, summary);
  printText(o.json ? JSON.stringify(summary) : lines(summary, d, o.stderr, file).join("\n"));
});

/** What the terminal shows. */
function lines(
  s: {
    readonly run: string;
    readonly data: string;
    readonly read?: string;
    readonly samples: number;
    readonly given?: string;
    readonly estimator: string;
    readonly weights?: string;
    readonly gaussian_of?: string;
    readonly ensemble?: { readonly runs: readonly string[]; readonly shares: readonly number[] };
    readonly reference?: string;
    readonly reference_share?: number;
    readonly chosen_on?: string;
    readonly outlying_components?: readonly OutlyingComponent[];
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
  file: string,
): string[] {
  const what = s.estimator === "paired" ? "NLL" : "−log P at most", p = s.estimator === "paired" ? "p" : "P";
  const added = [...(s.weights === undefined ? [] : [file]), ...s.figures ?? []].map((name) => join(s.run, name));
  const wrote = [...(s.per_sample === undefined ? [] : [s.per_sample]), ...added];
  return [
    `${s.samples} ${s.samples === 1 ? "sample" : "samples"} of ${s.data} under ${s.weights ?? s.run}`,
    ...(s.read === undefined ? [] : [`  read ${s.read}`]),
    ...(s.given === undefined ? [] : [`  −log ${p}(${s.given === "nothing" ? "x)" : `x | c)`}, given ${s.given}`]),
    ...(s.gaussian_of === undefined ? [] : [`  compared with the Gaussian of ${s.gaussian_of}`]),
    ...(s.ensemble?.runs.map((run, i) =>
      `  with ${Math.round(100 * s.ensemble!.shares[i])}% of ${run}, on average over the log SNRs`
    ) ??
      []),
    ...(s.reference_share === undefined ? [] : [
      `  with ${
        Math.round(100 * s.reference_share)
      }% of the reference, ${s.reference}, on average over the log SNRs, by ${
        s.chosen_on === "validation" ? "the validation data" : s.chosen_on
      }`,
    ]),
    `${what}  ${s.nats.toFixed(4)} ± ${shownError(s.stderr)} nats ` +
    `(${s.bits_per_dim.toFixed(4)} ± ${shownError(bitsPerDimension(s.stderr, d))} bits/dim)`,
    s.samples === 1
      ? "     the error is that of the noise alone"
      : `     of the error ${shownError(s.noise_stderr)} nats is noise, the rest the finite number of samples`,
    ...(s.log_scale === undefined
      ? []
      : [`     of the scaled values; add ${s.log_scale.toFixed(4)} nats for those of the file`]),
    `${s.rounds} ${s.rounds === 1 ? "round" : "rounds"}, ${
      s.evaluations.toLocaleString("en")
    } evaluations of the denoiser, ${s.seconds.toFixed(1)} s`,
    ...(s.outlying_components ? [warning(s.outlying_components, s.data, d)] : []),
    ...(s.reached ? [] : [`The budget is spent; the noise's error is not down to ${wanted} yet.`]),
    ...(wrote.length === 0 ? [] : [`Wrote ${wrote.join(", ")}`]),
  ];
}

/** Says why a likelihood is out of all proportion. */
function warning(outlying: readonly OutlyingComponent[], data: string, d: number): string {
  const most = outlying.reduce((a, b) => b.deviations > a.deviations ? b : a);
  const names = outlying.slice(0, 10).map(({ index }) => index).join(", ") + (outlying.length > 10 ? ", …" : "");
  return `Warning: ${outlying.length} of ${d} components (${names}) hardly vary in what the model was trained on, but ` +
    `are up to ${
      Number(most.deviations.toPrecision(2)).toLocaleString("en")
    } standard deviations off in ${data}. The NLL is mostly of these, and only ` +
    "says that the model has seen nothing like it.";
}

function shownError(x: number): string {
  return Number.isFinite(x) ? String(Number(x.toPrecision(2))) : "?";
}
