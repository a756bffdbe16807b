import { bitsPerDimension } from "../diffusion/likelihood.ts";
import { type Proposal, sigmoid } from "../diffusion/logsnr.ts";
import type { Engine } from "../engine/mod.ts";
import { InterruptedError } from "../errors/interrupted_error.ts";
import { UsageError } from "../errors/usage_error.ts";
import { UserError } from "../errors/user_error.ts";
import { density } from "../evaluation/density.ts";
import { createErrorMeter } from "../evaluation/errors.ts";
import type { RunningEstimate } from "../evaluation/round_sums.ts";
import { createFlowMeter } from "../evaluation/flow_meter.ts";
import { PROBES, RunningFlowNll } from "../evaluation/flow_nll.ts";
import { RunningNll } from "../evaluation/running_nll.ts";
import { type RoundLimits, takeRounds } from "../evaluation/take_rounds.ts";
import { mostRows, oneRank } from "../mpi/ranks.ts";
import { type Denoiser, referenceOf, type SavedDataInfo } from "../plugins/contracts.ts";
import { Random } from "../random/random.ts";
import { type SamplingOptions, samplingPlan } from "../sampling/plan.ts";
import { type BatchRecord, createSampler, type EvaluationRecord, type Sampler } from "../sampling/sampler.ts";
import { conditionOf, type Samples, toFloat32 } from "../data/samples.ts";
import { guidedDenoiser } from "../sampling/guidance.ts";
import { type HostTensors, sizeOf } from "../data/tensors.ts";
import { requireAllowed } from "../options/given.ts";
import { type AnomalyOptions, type AnomalyScores, anomalyScores } from "./anomaly_scores.ts";
import { type Given, toldSamples } from "./given.ts";
import { type ImputationOptions, impute, type ImputedRows } from "./impute.ts";
import { INTERNALS, type ModelInternals, type OwnRows } from "./internals.ts";
import { isSamples, type Rows, scaledRows, tableRows } from "./rows.ts";
import { tableCells, tableSamples } from "../rows/table_coding.ts";
import { DRAWING, MEASURING, requireCount } from "./use_ranges.ts";

/** log p at rows, and the standard error of each from the noise of its estimate. In nats. */
export interface LogDensity {
  /** One value per row. */
  readonly logDensity: Float64Array;
  /** One value per row. */
  readonly stderr: Float64Array;
}

/** E[−log p(x)] over samples. */
export interface Likelihood {
  /** In nats, of the data in its own units. */
  readonly nats: number;
  /** Its standard error: of the finite number of samples, and of the noise. */
  readonly stderr: number;
  /** The part of it that more rounds lower. */
  readonly noiseStderr: number;
  /** The same in bits per dimension. */
  readonly bitsPerDim: number;
  /** How many there were. */
  readonly samples: number;
  /** Log SNRs that were drawn for each sample, and evaluations of the denoiser in all. */
  readonly rounds: number;
  /** Of the denoiser, in all. */
  readonly evaluations: number;
}

/** What most of a model's functions take. */
export interface CommonOptions {
  /** Decides all that is drawn, 0 if left out. */
  readonly seed?: number;
  /** Ends it soon after, with its reason as the error. */
  readonly signal?: AbortSignal;
}

/** What a density, a score or a denoised row is conditioned on. */
export interface GivenOptions {
  /** Where it is left out, what a data set's samples have with them; otherwise nothing. */
  readonly given?: Given;
}

/** How E[−log p(x)] is estimated. */
export interface NllOptions {
  /**
   * `paired`, if left out, by the denoiser's errors beside its reference's; or `ode`, by the probability flow (arXiv
   * 2011.13456), whose divergence is exact up to 16 dimensions, and beyond takes a round for each probe, 2 if left out.
   */
  readonly estimator?: "paired" | "ode";
  /** Of `paired`: whether a pilot says where along the log SNRs to measure, as it does if left out. */
  readonly adapt?: boolean;
  /** Of `ode`: the solver's error in a step, of z and of log p per dimension; 1e-6, beyond 16 dimensions 1e-4. */
  readonly tolerance?: number;
}

/** How samples are drawn. */
export interface DrawOptions extends SamplingOptions, CommonOptions, GivenOptions {
  /**
   * How strongly what is given guides the samples, 1 if left out, which draws from p(x | c): 0 is as without it, and above
   * 1 samples are more typical of it.
   */
  readonly guidance?: number;
  /** Samples per run of the denoiser, 64 if left out. */
  readonly batchSize?: number;
}

/**
 * A trained density. Rows and samples are in the data's own units: where the data set standardised its axes, rows are
 * brought to what the model sees and results back, with the log determinant in every density. `Samples` of a data set are
 * what the model sees already. Rows of a table are its cells, `[n, columns]` in the order of `info.table`: numbers, dates as days
 * since 1970-01-01, of a class the place of its level, and NaN for what is unknown.
 */
export interface Model extends AsyncDisposable {
  /** Of one sample. */
  readonly shape: readonly number[];
  /** The training data's Gaussian, its range, step, axes and entropy, as far as they are known. */
  readonly info: SavedDataInfo;
  /** The log SNRs that it was trained on, and is measured on. */
  readonly proposal: Proposal;
  /** The weights, under PyTorch's parameter names. */
  readonly params: HostTensors;
  /**
   * log p of each row, or log p(x | c) where something is given, in nats, with its standard error (arXiv 2302.03792, equation 8, by the paired estimator).
   *
   * @param levels Log SNRs per row, 128 if left out; each costs two evaluations of the denoiser.
   */
  logDensity(
    rows: Rows | Samples,
    options?: CommonOptions & GivenOptions & { readonly levels?: number },
  ): Promise<LogDensity>;
  /**
   * E[−log p(x)] over samples, with its standard error.
   *
   * @param options When it is good enough.
   */
  nll(
    rows: Rows | Samples,
    options?: CommonOptions & GivenOptions & RoundLimits & NllOptions,
  ): Promise<Likelihood>;
  /** Draws samples, `[count, ...shape]` row by row; of a table its cells, `[count, columns]`. */
  sample(count: number, options?: DrawOptions): Promise<Float32Array>;
  /** The same batch by batch, in the values that the model sees. Sample i has noise of its own, whatever the batch. */
  draw(count: number, options?: DrawOptions): AsyncGenerator<EvaluationRecord | BatchRecord, void>;
  /**
   * ∇ log p of each row, row by row, of the data blurred by noise of that log SNR: −e^(α/2)·ε̂(√σ(α)·x, α) in the values that
   * the model sees, whose scales divide it.
   *
   * @param logsnr α in nats, the location of the proposal and two scales if left out. The higher, the less blur, and the more
   * a denoiser's own error weighs.
   */
  score(
    rows: Rows | Samples,
    options?: CommonOptions & GivenOptions & { readonly logsnr?: number },
  ): Promise<Float64Array>;
  /**
   * E[x | y] of noisy rows y = x + e^(−α/2)·s·ε, row by row, where s is 1, or the scale of each axis that was standardised.
   *
   * @param logsnr α in nats.
   */
  denoise(rows: Rows | Samples, logsnr: number, options?: CommonOptions & GivenOptions): Promise<Float64Array>;
  /**
   * Fills in what is unknown of rows, NaN in them, by what is known: means, standard deviations and draws of
   * p(unknown | known), as `deno task impute` does. Of tables and points from the reference's conditional, in closed form, by
   * candidates that the model weighs where its network changes anything; by sampling of images, of points of which something
   * is given, and of those beyond 256 dimensions or whose reference is along some axes alone, which is not exact.
   *
   * @throws {UserError} For rows that do not fit, and options that are not for them.
   *
   * @example
   * ```ts
   * import { ok } from "assert";
   * import { fit } from "./fit.ts";
   * import { Random } from "../random/random.ts";
   *
   * const random = Random.fromSeed(0), rows = Array.from({ length: 500 }, () => {
   *   const x = random.normal();
   *   return [x, 100 + 10 * x + random.normal()];
   * });
   * await using model = await fit(rows, { denoiser: "gaussian", epochs: 1 });
   * const { means, deviations, draws } = await model.impute([[2, NaN], [NaN, 100]], { draws: 3, by: "reference" });
   * ok(Math.abs(means[1] - 120) < 1 && Math.abs(deviations[1] - 1) < 0.2 && means[0] === 2 && deviations[0] === 0);
   * ok(draws.length === 3 && draws[0][3] === 100);
   * ```
   */
  impute(rows: Rows | Samples, options?: ImputationOptions): Promise<ImputedRows>;
  /**
   * How unlikely each row is, its rank and p-value among other rows, and which of its values carry that, as `deno task score`
   * says it. ({@linkcode Model.score} is the gradient that is called so.)
   *
   * @throws {UserError} For rows that do not fit, and where there are none to compare them with.
   *
   * @example
   * ```ts
   * import { ok } from "assert";
   * import { fit } from "./fit.ts";
   * import { Random } from "../random/random.ts";
   *
   * const random = Random.fromSeed(0), rows = Array.from({ length: 500 }, () => {
   *   const x = random.normal();
   *   return [x, x + 0.1 * random.normal(), random.normal()];
   * });
   * await using model = await fit(rows, { denoiser: "gaussian", epochs: 1 });
   * const { p, ranks, excess } = await model.anomalyScores([[1, 1, 0], [1, -1, 0]]);
   * ok(p[0] > 0.1 && p[1] < 0.01 && ranks[1] === 1);
   * // The first two contradict each other.
   * ok(excess[3] > 100 && excess[4] > 100 && excess[5] < 20);
   * ```
   */
  anomalyScores(rows: Rows | Samples, options?: AnomalyOptions): Promise<AnomalyScores>;
}

/** What a model is made of. */
export interface ModelParts {
  readonly engine: Engine;
  readonly denoiser: Denoiser;
  readonly params: HostTensors;
  readonly info: SavedDataInfo;
  readonly proposal: Proposal;
  /** Samples per run of the denoiser in evaluations. */
  readonly evalBatchSize: number;
  /** The data that it was trained on; left out where it is not known. */
  readonly ownRows?: OwnRows | undefined;
}

const LEVELS = 128;
const BATCH = 64;

/** A model of its parts. The engine is disposed of with it. */
export function createModel(
  { engine, denoiser, params, info, proposal, evalBatchSize, ownRows }: ModelParts,
): Model & { readonly [INTERNALS]: ModelInternals } {
  const { shape, axes, table } = info;
  const d = sizeOf(shape);
  const state = engine.createState(params);
  /** What a log density of the values that the model sees lacks of one in the data's own units. */
  const logScale = axes ? info.logScale ?? 0 : 0;
  const samplesOf = (rows: Rows | Samples, given?: Given): Samples => {
    if (!isSamples(rows) && table) return tableSamples(table, tableRows(rows, table));
    if (!isSamples(rows)) return toldSamples(scaledRows(rows, d, axes), given, info.condition);
    if (rows.dimension === d) return toldSamples(rows, given, info.condition);
    throw new UserError(`Got samples of ${rows.dimension} values, but the model is of samples of ${d}.`);
  };
  const meter: ModelInternals["meter"] = async (options = {}) => {
    const { batch = evalBatchSize, wrap = (own: Denoiser) => own, reference = referenceOf(info), ...rest } = options;
    const data = { ...info, reference };
    const made = await createErrorMeter(engine, state, (s) => s, wrap(denoiser), data, batch, rest);
    return { ...made, [Symbol.asyncDispose]: async () => await made.dispose() };
  };
  let predictor: Promise<Sampler> | undefined;
  /** ε̂ and x̂ of noisy values at one log SNR. */
  const predict = async (samples: Samples, scale: number, logsnr: number, signal: AbortSignal | undefined) => {
    const z = toFloat32(samples).map((x) => scale * x);
    predictor ??= createSampler(engine, state, (s) => s, denoiser, info, evalBatchSize);
    const sampler = await predictor;
    const [epsHat, xHat] = [new Float32Array(z.length), new Float32Array(z.length)];
    for (let begin = 0; begin < z.length; begin += evalBatchSize * d) {
      signal?.throwIfAborted();
      const start = z.subarray(begin, begin + evalBatchSize * d);
      const known = conditionOf(samples, begin / d, (begin + start.length) / d);
      const plan = { logsnr: Float64Array.of(logsnr), steps: [] };
      for await (const level of sampler.follow(start, plan, () => {}, known)) {
        epsHat.set(level.epsHat, begin);
        xHat.set(level.xHat, begin);
      }
    }
    return { epsHat, xHat };
  };
  const draw: ModelInternals["draw"] = async function* (
    count,
    { batchSize = BATCH, seed = 0, signal, ranks = oneRank(), given, guidance, ...options } = {},
  ) {
    requireAllowed(DRAWING, { ...options, count, batchSize, seed, guidance });
    if (guidance !== undefined && (given === undefined || given === "none")) {
      throw new UsageError("--guidance is by what is given, but nothing is. Name it by --given, or leave it out.");
    }
    const asked = toldSamples({ count, dimension: d, copy() {} }, given, info.condition).condition;
    // Not guided at all, samples are those that are told nothing, to the bit.
    const told = guidance === 0 ? undefined : asked;
    requireCount(count, d);
    const plan = samplingPlan(options, proposal, info);
    const batch = Math.min(batchSize, mostRows(ranks, count));
    // A sample is whole.
    const { condition: _, gaps: __, ...untold } = info;
    const guided = guidedDenoiser(denoiser, guidance ?? 1);
    const sampler = await createSampler(engine, state, (s) => s, guided, told ? info : untold, batch, ranks);
    try {
      for await (const record of sampler.draw(count, plan, Random.fromSeed(seed), told)) {
        signal?.throwIfAborted();
        yield record;
      }
    } finally {
      await sampler.dispose();
    }
  };
  const withSignal = (signal: AbortSignal | undefined) => signal ? { signal } : {};

  const model: Model & { readonly [INTERNALS]: ModelInternals } = {
    ...{ shape, info, proposal, params },
    [INTERNALS]: { engine, state, denoiser, evalBatchSize, ownRows, samplesOf, meter, draw },
    async logDensity(rows, { levels = LEVELS, seed = 0, signal, given } = {}) {
      requireAllowed(MEASURING, { levels, seed });
      const samples = samplesOf(rows, given);
      const random = Random.fromSeed(seed).split("log density");
      await using own = await meter(withSignal(signal));
      const { logDensity, stderr } = await density(own, samples, proposal, random, levels);
      return {
        logDensity: Float64Array.from(logDensity, (value, row) => value - logScale - (samples.change?.(row) ?? 0)),
        stderr: Float64Array.from(stderr),
      };
    },
    async nll(rows, { seed = 0, signal, estimator = "paired", adapt = true, tolerance, given, ...limits } = {}) {
      requireAllowed(MEASURING, { ...limits, seed, tolerance });
      const samples = samplesOf(rows, given);
      const random = Random.fromSeed(seed).split("nll");
      if (estimator === "ode") {
        if (table) {
          throw new UsageError(
            "The estimator is ode, but the model is of a table, whose levels and unknown values the paired estimator alone " +
              "takes. Leave it out.",
          );
        }
        using flow = await createFlowMeter(engine, state, (s) => s, denoiser, info, evalBatchSize);
        const told = {
          proposal,
          reference: referenceOf(info),
          random,
          ...(tolerance === undefined ? {} : { tolerance }),
        };
        const running = new RunningFlowNll(flow, samples, told),
          { stderr, rounds = stderr ? undefined : PROBES } = limits;
        const most = { ...limits, rounds: flow.exact ? 1 : rounds };
        if (!await takeRounds(running, samples.count, most, withSignal(signal))) throw new InterruptedError();
        return likelihoodOf(running.estimate(), samples.count, d, logScale);
      }
      await using own = await meter({ batch: Math.min(evalBatchSize, 2 * samples.count), ...withSignal(signal) });
      const running = new RunningNll(own, samples, proposal, random);
      if (adapt) await running.adapt(signal);
      if (!await takeRounds(running, samples.count, limits, withSignal(signal))) throw new InterruptedError();
      return likelihoodOf(running.estimate(), samples.count, d, logScale);
    },
    async sample(count, options = {}) {
      requireAllowed(DRAWING, { count });
      requireCount(count, d);
      const all = new Float32Array(count * d);
      for await (const record of draw(count, options)) {
        if (record.kind === "batch") all.set(record.samples, record.first * d);
      }
      if (table) return Float32Array.from(tableCells(table, all));
      if (axes) { for (let i = 0; i < all.length; i++) all[i] = all[i] * axes.scale[i % d] + axes.mean[i % d]; }
      return all;
    },
    draw,
    async score(rows, { logsnr = proposal.loc + 2 * proposal.scale, signal, given } = {}) {
      const signalScale = Math.sqrt(sigmoid(requireLogsnr(logsnr)));
      const { epsHat } = await predict(samplesOf(rows, given), signalScale, logsnr, signal);
      const factor = -Math.exp(logsnr / 2);
      return Float64Array.from(epsHat, (eps, i) => factor * eps / (axes?.scale[i % d] ?? 1));
    },
    async denoise(rows, logsnr, { signal, given } = {}) {
      const signalScale = Math.sqrt(sigmoid(requireLogsnr(logsnr)));
      const { xHat } = await predict(samplesOf(rows, given), signalScale, logsnr, signal);
      return Float64Array.from(xHat, (x, i) => axes ? x * axes.scale[i % d] + axes.mean[i % d] : x);
    },
    impute: (rows, options = {}) => impute(model, rows, options),
    anomalyScores: (rows, options = {}) => anomalyScores(model, rows, options, logScale),
    async [Symbol.asyncDispose]() {
      await (await predictor)?.dispose();
      state.dispose();
      await engine.dispose();
    },
  };
  return model;
}

/** A likelihood in the words that users know. */
function likelihoodOf(estimate: RunningEstimate, samples: number, d: number, logScale: number): Likelihood {
  const { mean, stderr, noiseStderr, rounds, evaluations } = estimate;
  if (!Number.isFinite(mean)) {
    throw new UserError(
      "The likelihood came out as no finite number: the model has diverged, or the data is not its own.",
    );
  }
  const nats = mean + logScale;
  return { nats, stderr, noiseStderr, bitsPerDim: bitsPerDimension(nats, d), samples, rounds, evaluations };
}

function requireLogsnr(logsnr: number): number {
  if (Number.isFinite(logsnr)) return logsnr;
  throw new UserError(`The log SNR is ${logsnr}, expected a finite number of nats, such as 4.`);
}
