import { join, resolve } from "node:path";
import type { Progress } from "../cli/mod.ts";
import { sizeOf } from "../data/tensors.ts";
import { discreteNllOfDequantised, type Grid } from "../diffusion/discrete.ts";
import { bitsPerDimension } from "../diffusion/likelihood.ts";
import { dimensionsOf } from "./dimensions.ts";
import { STEPS, type StepVariance } from "../diffusion/variational_bound.ts";
import { MAX_EXACT_DIMENSION } from "../evaluation/flow_meter.ts";
import type { Engine } from "../engine/mod.ts";
import { InterruptedError } from "../errors/interrupted_error.ts";
import { UserError } from "../errors/user_error.ts";
import type { Rounding } from "../evaluation/discrete_errors.ts";
import { outlyingComponents } from "../evaluation/outlying_components.ts";
import type { NllSums, PerSampleNll } from "../evaluation/round_sums.ts";
import { takeRounds } from "../evaluation/take_rounds.ts";
import { lockOutput } from "../io/lock.ts";
import { requireWithin } from "../io/within.ts";
import { requireSameSettings } from "../mpi/agree.ts";
import { ranksRecord } from "../mpi/mod.ts";
import type { Ranks } from "../mpi/ranks.ts";
import { referenceOf } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { mixtureName } from "../reference/mixture.ts";
import type { Samples } from "../data/samples.ts";
import type { ChosenSamples } from "./evaluation_data.ts";
import type { GivenSamples } from "./given.ts";
import { peakMemory } from "./memory.ts";
import { type EstimateFacts, type Estimator, openEstimate } from "./nll_estimate.ts";
import { loadSums, saveSums } from "./nll_state.ts";
import { type NllSummary, shownError } from "./nll_lines.ts";
import type { OpenModel } from "./open_weights.ts";
import { writePerSample } from "./per_sample_file.ts";
import { shown } from "./result.ts";

/** Progress is saved after each round that ends so long after the last save, and within one where its parts count. */
const SAVE_MS = 20_000;

/** The options of `nll` that an estimate goes by. */
export interface EstimateOptions {
  readonly rounding: Rounding | undefined;
  readonly clamp: boolean;
  readonly adapt: boolean;
  readonly dequantise: boolean;
  readonly tolerance: number | undefined;
  readonly steps: number | undefined;
  readonly variance: StepVariance | undefined;
  readonly stderr: number | undefined;
  readonly rounds: number | undefined;
  readonly budget: number | undefined;
  readonly seed: number;
  readonly evalBatchSize: number | undefined;
  readonly perSample: string | undefined;
  readonly out: string | undefined;
}

/** What is measured, and by what. */
export interface NllRequest {
  readonly estimator: Estimator;
  /** The model and, for an ensemble, the others. */
  readonly runs: readonly OpenModel[];
  readonly chosen: ChosenSamples;
  /** The chosen samples with what is given of them, or some of them. */
  readonly told: GivenSamples;
  /** What is measured: these, or these dequantised. */
  readonly samples: Samples;
  /** The places among the chosen ones of some that were drawn; all, where it is left out. */
  readonly rows?: Uint32Array;
  /** Of discrete data. */
  readonly grid: Grid | undefined;
  readonly random: Random;
  readonly options: EstimateOptions;
}

/** What an estimate is made with. */
export interface NllContext {
  readonly engine: Engine;
  /** Why it is this engine, where that was left open. */
  readonly reason: string | undefined;
  readonly ranks: Ranks;
  readonly progress: Progress;
  /** What was assumed so far. */
  readonly notes: readonly string[];
}

/** A finished estimate. */
export interface MeasuredNll {
  readonly summary: NllSummary;
  readonly facts: EstimateFacts | undefined;
  /** −log p(x) of each sample and its error, as the estimator has them. */
  readonly perSample: PerSampleNll;
  /** The names of its files within the run's folder begin with it. */
  readonly stem: string;
  /** The result within the run's folder. */
  readonly file: string;
}

/** What the name of a result begins with, in the folder `nll`. @param kind What the data was asked besides. */
export function nllStem(name: string, kind: readonly string[]): string {
  const parts = [name.replace(/[^\w.-]+/g, "_").slice(-80), ...kind.map((part) => part.replace(/[^\w.=-]+/g, "_"))];
  return parts.join("-").slice(0, 200);
}

/** What is given, as a part of a result's name. */
export function givenKind(given: string | undefined): string[] {
  return given === undefined ? [] : ["given", given.replace(/, /g, "-").replaceAll(" ", "-")];
}

/**
 * Estimates a likelihood: goes on with what there is of it in the run's folder, keeps its rounds there, and writes the
 * result beside them.
 *
 * @returns Nothing of a rank that is not the first.
 * @throws {InterruptedError} When it is stopped; what was measured is kept.
 */
export async function measureNll(
  { estimator, runs, chosen, told, samples, rows, grid, random, options: o }: NllRequest,
  { engine, reason, ranks, progress, notes }: NllContext,
): Promise<MeasuredNll | undefined> {
  const [run, ...others] = runs, { given } = told, isFirst = ranks.rank === 0, d = sizeOf(run.info.shape);
  const isDequantised = estimator === "dequantised" || o.dequantise;
  const kind = [
    ...(estimator === "paired" ? [] : [estimator]),
    ...(o.rounding ? [o.rounding] : []),
    ...(o.dequantise ? ["dequantised"] : []),
    ...(others.length > 0 ? ["ensemble"] : []),
    ...(o.clamp ? ["clamped"] : []),
    ...(rows ? [`${rows.length} samples`] : []),
    ...givenKind(given),
  ];
  const stem = nllStem(chosen.name, kind), { tolerance, steps, variance } = o;
  const key = JSON.stringify({
    checkpoints: runs.map(({ checkpoint }) => checkpoint),
    ...{ data: chosen.name, version: chosen.version, samples: samples.count, seed: o.seed, adapt: o.adapt, kind },
    ...{ proposal: run.proposal, fit: run.weights?.fit },
    ...(run.weights ? { reading: run.config.datasetOptions } : {}),
    ...(estimator === "ode" ? { tolerance } : estimator === "elbo" ? { steps, variance } : {}),
  });
  const state = join("nll", `${stem}.part`);
  if (isFirst) {
    // Until the process ends: what two wrote by turns would be neither's.
    await requireWithin(run.folder.path, run.folder.file(state));
    await lockOutput(run.folder.file(state), run.weights ? ", or name another with --out" : "");
  }
  progress.update({ label: "pilot", done: 0, total: 1 });
  const started = performance.now();
  const from = await loadSums(run.folder.file(state), key);
  await requireSameSettings(ranks, { key, rounds: from?.rounds ?? 0 });
  const opened = await openEstimate(engine, runs, {
    ...{ chosen, given: told, samples, grid, random, estimator, rounding: o.rounding ?? "soft" },
    ...{ clamp: o.clamp, tolerance, steps, variance, ranks },
    // A sample of the flow and of the bound is many rows.
    batch: Math.min(
      o.evalBatchSize ?? run.config.evalBatchSize,
      2 * samples.count * (estimator === "elbo" ? STEPS : estimator === "ode" && d <= MAX_EXACT_DIMENSION ? d : 1),
    ),
    ...(from ? { from } : {}),
  });
  const { running, choice } = opened;

  let saved = performance.now();
  const save = async () => {
    if (isFirst) await saveSums(run.folder, state, key, running.sums());
    saved = performance.now();
  };
  const usual = o.stderr === undefined ? opened.rounds : undefined;
  const limits = { stderr: o.stderr, rounds: opened.isExact ? 1 : o.rounds ?? usual, budget: o.budget };
  if (o.adapt && !from) await running.adapt();
  const isDone = await takeRounds(running, samples.count, limits, {
    signal: ranks.stop,
    onProgress(done, total, noiseStderr) {
      const fields = noiseStderr === undefined ? [] : [`± ${shownError(noiseStderr)} nats from noise`];
      progress.update({ label: opened.rounds === undefined ? "round" : `${estimator}, round`, done, total, fields });
    },
    async onPart() {
      if (running.sums().unfinished && performance.now() - saved > SAVE_MS) await save();
    },
    async onRound() {
      if (performance.now() - saved > SAVE_MS) await save();
    },
  });
  const seconds = (performance.now() - started) / 1000;
  const facts = isDone ? opened.facts?.() : undefined;
  await opened.dispose();
  const sums = running.sums(), part = partOf(sums);
  if (sums.rounds > 0 || part > 0) await save();
  if (!isDone) throw stopped(sums.rounds, part, run, o.out);
  const estimate = running.estimate();
  if (!Number.isFinite(estimate.mean)) {
    throw new UserError(
      "The likelihood came out as no finite number: the model has diverged, or the data is not its own.",
    );
  }
  if (!isFirst) return;
  const discrete = (nats: number) => isDequantised ? discreteNllOfDequantised(nats, d, grid!) : nats;
  const perSample = running.perSample(), nll = perSample.nll.map(discrete);
  if (o.perSample !== undefined) await writePerSample(resolve(o.perSample), { ...perSample, nll }, rows);
  const figures = await choice?.draw(run.folder, stem) ?? [];
  const outlying = estimator === "paired" ? outlyingComponents(samples, run.info.gaussian) : [];
  const nats = discrete(estimate.mean),
    isDensity = !isDequantised && estimator !== "discrete" && !(estimator === "elbo" && grid);
  const summary: NllSummary = {
    task: "nll",
    run: shown(run.folder.path),
    ...(run.weights ? { weights: run.weights.name, gaussian_of: run.weights.fit } : { epoch: run.epoch }),
    data: chosen.name,
    ...(chosen.description === undefined ? {} : { read: chosen.description }),
    samples: samples.count,
    ...(rows ? { drawn_from: chosen.samples.count } : {}),
    ...(given === undefined ? {} : { given }),
    estimator,
    ...(estimator === "discrete" ? { rounding: o.rounding ?? "soft" } : {}),
    ...(o.dequantise ? { dequantised: true } : {}),
    ...(estimator === "discrete" || estimator === "elbo" ? {} : { reference: mixtureName(referenceOf(run.info)) }),
    ...(choice && others.length > 0 ? { ensemble: { runs: choice.runs, shares: choice.shares } } : {}),
    ...(choice && o.clamp ? { clamped: true, reference_share: choice.referenceShare, chosen_on: choice.chosenOn } : {}),
    ...(outlying.length > 0 ? { outlying_components: outlying } : {}),
    nats,
    // Of one sample nothing is known of how samples scatter.
    stderr: samples.count === 1 ? estimate.noiseStderr : estimate.stderr,
    noise_stderr: estimate.noiseStderr,
    bits_per_dim: bitsPerDimension(nats, dimensionsOf(run.info)),
    ...(run.info.table
      ? { of: "rows of a table: probabilities of classes and rounded numbers, densities of others" }
      : {}),
    ...facts?.record,
    ...(chosen.logScale === undefined || !isDensity ? {} : { log_scale: chosen.logScale }),
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
  return { summary, facts, perSample: { ...perSample, nll }, stem, file };
}

/** How many samples a round that is under way has measured, where they count. */
function partOf({ unfinished }: NllSums): number {
  return unfinished?.values?.reduce((count, value) => count + (Number.isNaN(value) ? 0 : 1), 0) ?? 0;
}

function stopped(rounds: number, part: number, run: OpenModel, out: string | undefined): InterruptedError {
  const again = run.weights && out === undefined ? `The same with --out ${shown(run.folder.path)}` : "The same command";
  const some = `${part} ${part === 1 ? "sample" : "samples"}${rounds === 0 ? "" : " of the next"}`;
  const after = rounds === 0 ? some : `${rounds} rounds${part > 0 ? ` and ${some}` : ""}`;
  return new InterruptedError(
    rounds === 0 && part === 0
      ? `Stopped before the first round was finished, so that nothing is saved. ${again} begins anew.`
      : `Stopped after ${after}, and saved. ${again} goes on from there.`,
  );
}
