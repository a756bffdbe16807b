import type * as tf from "@tensorflow/tfjs";
import { conditionOf, type Samples } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { clampTo, type Grid } from "../diffusion/discrete.ts";
import { sigmoid } from "../diffusion/logsnr.ts";
import {
  type DiffusionSchedule,
  discreteDecoder,
  gaussianDecoder,
  learnedLogVariance,
  type ReverseStep,
  reverseStep,
  standardPrior,
  stepDivergence,
  valueDivergence,
} from "../diffusion/variational_bound.ts";
import { noisyChannel } from "../diffusion/channel.ts";
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import { type Engine, separable, type State, type Tensors } from "../engine/program.ts";
import { type DataInfo, type Denoiser, widthOfCondition } from "../plugins/contracts.ts";
import { predict } from "../plugins/predict.ts";
import type { Random } from "../random/random.ts";
import { blurredGaussian, type Gaussian, gaussianMmse, gaussianNll } from "../reference/gaussian.ts";
import { errorInputs, errorWidths } from "./errors.ts";
import { type NllSums, type PerSampleNll, RoundSums, type RunningEstimate, type RunningRounds } from "./round_sums.ts";
import { type MeterOptions, type RowProgram, rowProgram, rowsOfRun } from "./row_program.ts";

/** Draws of the noise of the last step to the data, whose term scatters the most; of any other step there is one. */
const DECODER_DRAWS = 8;

/** Gives a denoiser's estimates of noise; what a bound is made of follows in double precision. */
export interface PredictionMeter {
  readonly shape: readonly number[];
  /** Rows of a run of the program, over all ranks. */
  readonly chunk: number;
  /** Values of what is known of a sample. */
  readonly width: number;
  readonly rows: RowProgram;
  dispose(): void;
}

/**
 * A meter of a denoiser whose parameters live in an engine's state, as they are at each call.
 *
 * @param weights From the state to the denoiser's parameters.
 * @param chunk Rows per run of the program, over all ranks; memory is that of so many activations.
 * @param isLearned Whether what its network says of the steps' variances is asked for.
 */
export async function createPredictionMeter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  data: Pick<DataInfo, "shape" | "condition">,
  chunk: number,
  options: MeterOptions & { readonly isLearned?: boolean } = {},
): Promise<PredictionMeter> {
  const { shape } = data, d = sizeOf(shape), width = widthOfCondition(data), size = rowsOfRun(chunk, options.ranks);
  const program = await engine.compile(
    separable((s, { x, eps, logsnr, told, condition }) => {
      const params = weights(s), z = noisyChannel(x, eps, logsnr);
      if (!options.isLearned || !denoiser.stepVariance) {
        return { outputs: { epsHat: predict(denoiser, params, z, told, condition) } };
      }
      return { outputs: { ...denoiser.stepVariance(params, z, told as tf.Tensor1D, condition) } };
    }),
    state,
    { ...errorInputs(size, shape, width), told: [size] },
  );
  return {
    ...{ shape, width },
    chunk: size * (options.ranks?.size ?? 1),
    rows: rowProgram(program, { ...errorWidths(d, width), told: 1 }, size, options),
    dispose: () => program.dispose(),
  };
}

/** What a {@linkcode RunningVariationalNll} is told. */
export interface VariationalRounds {
  readonly schedule: DiffusionSchedule;
  /** Of the data. Its MMSE says where the noise of the noise itself is taken off. */
  readonly gaussian: Gaussian;
  /** What noise starts from: N(0, I), or the data's Gaussian seen through the channel at the smallest log SNR. */
  readonly prior: "standard" | "gaussian";
  /** The variance of x given z₀; e^−α₀, the channel's own, if left out. */
  readonly decoderVariance?: number;
  /** Of discrete data, whose −log P is bounded, with estimates x̂ that are moved into its range. */
  readonly grid?: Grid;
  readonly random: Random;
  /** What was measured before of the same samples. */
  readonly from?: NllSums;
}

/** The bound term by term, in nats, as means over the samples. */
export interface BoundTerms {
  /** KL(q(z_T | x) ‖ p(z_T)). */
  readonly prior: Estimate;
  /** The sum of the steps' divergences. */
  readonly steps: Estimate;
  /** −log p(x | z₀). */
  readonly decoder: Estimate;
  /** Of each step from t = 1 on, `[T − 1]`. */
  readonly logsnr: Float64Array;
  readonly divergence: Float64Array;
  readonly stderr: Float64Array;
}

/**
 * The variational bound of a diffusion in steps, all of them for each sample in a round. It is the mean over the noise that
 * improved-diffusion's `calc_bpd_loop` draws once a step; here the squared error is taken less a part of ‖ε‖² − d, whose
 * mean is 0, which at high log SNRs leaves little noise. A sample's own error follows from how far each term lies from the
 * line between its neighbours', and from the draws of the decoder's.
 */
export class RunningVariationalNll implements RunningRounds {
  readonly #nothing: Float64Array;
  readonly #rounds: RoundSums;
  readonly #steps: readonly ReverseStep[];
  /** How much of ‖ε‖² − d is taken off at each step. */
  readonly #control: Float64Array;
  readonly #prior: Float64Array;
  /** Of the round that is under way: what is not measured yet is not a number. */
  readonly #values: Float64Array;
  /** Sums over all rounds. */
  readonly #decoder: Float64Array;
  readonly #variance: Float64Array;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;

  constructor(readonly meter: PredictionMeter, readonly samples: Samples, readonly told: VariationalRounds) {
    const { count } = samples, { schedule: { logsnr, variance }, gaussian, from } = told, steps = logsnr.length;
    const d = samples.dimension;
    this.#nothing = new Float64Array(count);
    this.#rounds = new RoundSums(count, "independent", from);
    this.#steps = Array.from({ length: steps - 1 }, (_, k) => reverseStep(logsnr[k + 1], logsnr[k], variance));
    this.#control = logsnr.map((alpha) => gaussianMmse(alpha, gaussian.eigenvalues) / d);
    this.#prior = priorOf(samples, logsnr[steps - 1], told);
    const earlier = (name: string, size: number, fill = 0) => {
      const kept = from?.unfinished?.[name];
      return kept?.length === size ? kept.slice() : new Float64Array(size).fill(fill);
    };
    this.#values = earlier("values", count, NaN);
    this.#decoder = earlier("decoder", count);
    this.#variance = earlier("variance", count);
    this.#sum = earlier("sum", steps - 1);
    this.#squares = earlier("squares", steps - 1);
  }

  /** Nothing is to be learned. */
  async adapt(): Promise<void> {}

  /** Goes on with a round that was left early: what it has measured counts. */
  async *round(): AsyncGenerator<number> {
    const { count } = this.samples, { chunk } = this.meter, { random } = this.told;
    const stream = random.split("round").split(this.#rounds.count), perSample = this.#steps.length + DECODER_DRAWS;
    const left = [...this.#values.keys()].filter((i) => Number.isNaN(this.#values[i]));
    const together = Math.max(1, Math.floor(chunk / perSample));
    for (let begin = 0; begin < left.length; begin += together) {
      const group = left.slice(begin, begin + together), done = count - left.length + begin;
      const terms = new Float64Array(group.length * perSample);
      for (let first = 0; first < terms.length; first += chunk) {
        const rows = { first, size: Math.min(chunk, terms.length - first) };
        await this.#measure(group, stream, rows, terms);
        yield (done + (first + rows.size) / perSample) / count;
      }
      group.forEach((sample, k) => this.#take(sample, terms.subarray(k * perSample, (k + 1) * perSample)));
      this.#rounds.evaluations += terms.length;
    }
    this.#rounds.add(this.#values.slice(), this.#nothing);
    this.#values.fill(NaN);
  }

  /** Terms of some rows, of which each sample of a group has its steps' after its draws of the decoder's. */
  async #measure(
    group: readonly number[],
    stream: Random,
    { first, size }: { readonly first: number; readonly size: number },
    terms: Float64Array,
  ): Promise<void> {
    const { samples, meter, told: { schedule: { logsnr, told = logsnr } } } = this;
    const d = samples.dimension, width = meter.width, perSample = this.#steps.length + DECODER_DRAWS;
    const stepOf = (row: number) => Math.max(0, (first + row) % perSample - DECODER_DRAWS + 1);
    const inputs = {
      ...{ x: new Float32Array(size * d), eps: new Float32Array(size * d), logsnr: new Float32Array(size) },
      ...{ told: new Float32Array(size), ...(width > 0 ? { condition: new Float32Array(size * width) } : {}) },
    };
    for (let row = 0; row < size; row++) {
      const sample = group[Math.floor((first + row) / perSample)], step = stepOf(row);
      samples.copy(sample, sample + 1, inputs.x, row * d);
      // A stream of its own for every row, so that its noise does not depend on what it is measured with.
      stream.split(sample).split((first + row) % perSample).fillNormal(inputs.eps.subarray(row * d, (row + 1) * d));
      inputs.logsnr[row] = logsnr[step];
      inputs.told[row] = told[step];
      const known = width > 0 && conditionOf(samples, sample, sample + 1);
      if (known) inputs.condition?.set(known, row * width);
    }
    const results = new Float64Array(size);
    await meter.rows.run(inputs, [results], ({ epsHat, v }, { begin, end }, { x, eps }) => {
      for (let row = begin; row < end; row++) {
        const own = (values: Float32Array) => values.subarray((row - begin) * d, (row - begin + 1) * d);
        results[row] = this.#term(stepOf(row), own(x), own(eps), own(epsHat), v && own(v));
      }
    });
    terms.set(results, first);
  }

  /** The term of a step: its divergence, or that of the decoder of step 0. @param v Of a variance that is learned. */
  #term(step: number, x: Float32Array, eps: Float32Array, epsHat: Float32Array, v?: Float32Array): number {
    const { schedule: { logsnr, learned }, grid, decoderVariance } = this.told, d = x.length;
    const alpha = logsnr[step], noise = Math.exp(-alpha / 2), variance = decoderVariance ?? Math.exp(-logsnr[0]);
    const back = step > 0 ? this.#steps[step - 1] : undefined;
    // Those that a variance of step 0 lies between are those of improved-diffusion: β̃ of step 1, and β.
    const [least, most] = back ? [back.posterior, back.beta] : [variance, sigmoid(-logsnr[0])];
    let error = 0, excess = -d, decoder = 0, own = 0;
    for (let i = 0; i < d; i++) {
      // The estimate x̂ is x off by the noise's error, without the difference of large numbers.
      const estimate = x[i] + noise * (eps[i] - epsHat[i]), within = grid ? clampTo(estimate, grid) : estimate;
      // Within the range even what is infinite would look like an estimate.
      if (!Number.isFinite(estimate)) return NaN;
      error += (x[i] - within) ** 2;
      excess += eps[i] ** 2;
      const log = v && learned && learnedLogVariance(v[i], learned, least, most);
      if (grid && !back) decoder += discreteDecoder(x[i], within, log === undefined ? variance : Math.exp(log), grid);
      else if (back && log !== undefined) own += valueDivergence(back, (x[i] - within) ** 2, log);
    }
    if (grid && !back) return decoder;
    const taken = this.#control[step] * noise ** 2 * excess;
    // A variance that is learned depends on the noise: what is taken off must not.
    if (back && v) return own - 0.5 * back.gain ** 2 * taken / most;
    return back ? stepDivergence(back, error - taken, d) : gaussianDecoder(error - taken, variance, d);
  }

  /** Adds up a sample's terms. */
  #take(sample: number, terms: Float64Array): void {
    const decoder = meanAndStderr(terms.subarray(0, DECODER_DRAWS)), steps = terms.subarray(DECODER_DRAWS);
    let total = 0, variance = decoder.stderr ** 2;
    steps.forEach((term, k) => {
      total += term;
      this.#sum[k] += term;
      this.#squares[k] += term ** 2;
      const [before, after] = [steps[Math.max(0, k - 1)], steps[Math.min(steps.length - 1, k + 1)]];
      if (k > 0 && k < steps.length - 1) variance += 2 / 3 * (term - (before + after) / 2) ** 2;
    });
    this.#decoder[sample] += decoder.mean;
    this.#variance[sample] += variance;
    this.#values[sample] = this.#prior[sample] + total + decoder.mean;
  }

  perSample(): PerSampleNll {
    const rounds = this.#rounds.count, { nll } = this.#rounds.perSample(this.#nothing);
    return { nll, stderr: this.#variance.map((variance) => Math.sqrt(variance) / rounds) };
  }

  estimate(): RunningEstimate {
    const estimate = this.#rounds.estimate(this.#nothing), { stderr } = this.perSample(), n = stderr.length;
    const noiseStderr = Math.sqrt(stderr.reduce((sum, error) => sum + error ** 2, 0)) / n;
    return { ...estimate, noiseStderr: Math.min(noiseStderr, estimate.stderr) };
  }

  /** After the first round. */
  terms(): BoundTerms {
    const rounds = this.#rounds.count, { nll } = this.perSample(), { logsnr } = this.told.schedule;
    const decoder = this.#decoder.map((sum) => sum / rounds), count = rounds * nll.length;
    const divergence = this.#sum.map((sum) => sum / count);
    return {
      prior: meanAndStderr(this.#prior),
      steps: meanAndStderr(nll.map((value, i) => value - this.#prior[i] - decoder[i])),
      decoder: meanAndStderr(decoder),
      logsnr: logsnr.subarray(1),
      divergence,
      stderr: divergence.map((mean, k) =>
        Math.sqrt(Math.max(0, this.#squares[k] / count - mean ** 2) / Math.max(1, count - 1))
      ),
    };
  }

  sums(): NllSums {
    const unfinished = {
      ...{ values: this.#values, decoder: this.#decoder, variance: this.#variance },
      ...{ sum: this.#sum, squares: this.#squares },
    };
    return { ...this.#rounds.sums(), factors: [1], unfinished };
  }
}

/** KL(q(z_T | x) ‖ p(z_T)) of each sample. */
function priorOf(samples: Samples, logsnr: number, { prior, gaussian }: VariationalRounds): Float64Array {
  const { count, dimension: d } = samples, variance = Math.exp(-logsnr);
  if (prior === "standard") {
    const row = new Float32Array(d);
    return Float64Array.from({ length: count }, (_, i) => {
      samples.copy(i, i + 1, row);
      return standardPrior(row.reduce((sum, x) => sum + x ** 2, 0), logsnr, d);
    });
  }
  // Of y = z/√σ(α), whose noise has the variance e^−α: E[−log p(y)] less the noise's entropy.
  const blurred = blurredGaussian(gaussian, Math.exp(-logsnr / 2));
  const spread = blurred.eigenvalues.reduce((sum, l) => sum + 0.5 * variance / l, 0);
  const entropy = 0.5 * d * Math.log(2 * Math.PI * Math.E * variance);
  return gaussianNll(samples, blurred).map((nll) => nll + spread - entropy);
}
