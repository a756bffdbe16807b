import { sigmoid } from "../diffusion/logsnr.ts";
import { estimateData, type SamplingPlan, takeStep } from "../diffusion/sampling.ts";
import { gaussianStart } from "../reference/gaussian.ts";
import { type Engine, separable, type State, type Tensors } from "../engine/program.ts";
import { UserError } from "../errors/user_error.ts";
import { oneRank, type Ranks } from "../mpi/ranks.ts";
import { type DataInfo, type Denoiser, widthOfCondition } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { predict } from "../plugins/predict.ts";

/** Samples that are not numbers. */
export class SamplingError extends UserError {
  override readonly exitCode = 1;
}

/** A batch at one level of the grid. The arrays are `[batch, ...shape]`, and valid until the next level. */
export interface SamplingLevel {
  /** The index of the level. */
  readonly level: number;
  readonly z: Float32Array;
  readonly epsHat: Float32Array;
  readonly xHat: Float32Array;
}

/** One evaluation of the denoiser on a batch. */
export interface EvaluationRecord {
  /** Tells it from finished samples. */
  readonly kind: "evaluation";
  /** Samples that are finished; a batch on its way counts in part. */
  readonly done: number;
}

/** Finished samples. */
export interface BatchRecord {
  /** Tells it from an evaluation. */
  readonly kind: "batch";
  /** The index of the first sample. */
  readonly first: number;
  /** Row by row, `[n, ...shape]`; the receiver's own. */
  readonly samples: Float32Array;
}

/** Draws samples from a model. */
export interface Sampler {
  readonly shape: readonly number[];
  /**
   * Draws samples batch by batch; memory is that of one batch. Sample i has a noise stream of its own,
   * `random.split(i)`, so that it is the same, within rounding, whatever the batch or the count.
   *
   * @param given What is known of each sample, `count` rows, for one evaluation more; nothing, if left out.
   * @throws {SamplingError} When a sample is not finite.
   */
  draw(
    count: number,
    plan: SamplingPlan,
    random: Random,
    given?: Samples,
  ): AsyncGenerator<EvaluationRecord | BatchRecord>;
  /**
   * Follows one batch through the levels of the grid.
   *
   * @param start Noisy samples at the first level, `[n, ...shape]` with n at most the sampler's batch.
   * @param fill Fills an array of that size with standard normal noise; called where a step needs fresh noise.
   * @param given What is known of each row, `[n, width]`, where the model is a conditional one; nothing, if left out.
   */
  follow(
    start: Float32Array,
    plan: SamplingPlan,
    fill: (noise: Float32Array) => void,
    given?: Float32Array,
  ): AsyncGenerator<SamplingLevel>;
  dispose(): Promise<void> | void;
}

/**
 * A sampler of a model whose parameters live in an engine's state, as they are at each evaluation.
 *
 * @param weights From the state to the denoiser's parameters.
 * @param batch Samples per evaluation of the denoiser; memory is that of so many activations.
 * @param ranks Each draws batches of its own; all get all samples.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { gaussianDenoiser, standardGaussian } from "../reference/gaussian.ts";
 * import { samplingGrid, samplingSteps } from "../diffusion/sampling.ts";
 * import { createEngine } from "../engine/mod.ts";
 * import type { Denoiser } from "../plugins/contracts.ts";
 * import { Random } from "../random/random.ts";
 * import { createSampler, drawSamples } from "./sampler.ts";
 *
 * const info = { shape: [2], gaussian: standardGaussian(2) };
 * const denoiser: Denoiser = { init: () => ({}), predict: (_, z, logsnr) => gaussianDenoiser(z, logsnr, info.gaussian) };
 * const engine = await createEngine("onnx-cpu", 1);
 * const sampler = await createSampler(engine, engine.createState({}), (s) => s, denoiser, info, 16);
 * const logsnr = samplingGrid("ode", { loc: 0, scale: 2 }, 20);
 * const samples = await drawSamples(sampler, 40, { logsnr, steps: samplingSteps("ode", logsnr) }, Random.fromSeed(0));
 * ok(samples.length === 80);
 * await sampler.dispose();
 * ```
 */
export async function createSampler(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  data: DataInfo,
  batch: number,
  ranks: Ranks = oneRank(),
): Promise<Sampler> {
  const { shape, gaussian } = data, d = sizeOf(shape), width = widthOfCondition(data);
  const program = await engine.compile(
    separable((s, { z, logsnr, condition }) => ({
      outputs: { epsHat: predict(denoiser, weights(s), z, logsnr, condition) },
    })),
    state,
    { z: [batch, ...shape], logsnr: [batch], ...(width ? { condition: [batch, width] } : {}) },
  );

  async function* follow(
    start: Float32Array,
    { logsnr, steps, range }: SamplingPlan,
    fill: (noise: Float32Array) => void,
    given?: Float32Array,
  ): AsyncGenerator<SamplingLevel> {
    if (start.length % d !== 0 || start.length > batch * d) {
      throw new RangeError(`Got ${start.length} values to start from, expected at most ${batch} rows of ${d}.`);
    }
    const z = start.slice();
    const fresh = new Float32Array(z.length);
    let [xHat, before] = [new Float32Array(z.length), new Float32Array(z.length)];
    // Rows beyond the start stay zero; what becomes of them is not used.
    const known = width ? new Float32Array(batch * width) : undefined;
    if (given) known?.set(given);
    const inputs = {
      ...{ z: new Float32Array(batch * d), logsnr: new Float32Array(batch) },
      ...(known ? { condition: known } : {}),
    };
    for (let level = 0; level < logsnr.length; level++) {
      inputs.z.set(z);
      inputs.logsnr.fill(logsnr[level]);
      const epsHat = (await program.run(inputs)).epsHat.subarray(0, z.length);
      estimateData(z, epsHat, logsnr[level], range, xHat);
      yield { level, z, epsHat, xHat };
      const step = steps[level];
      if (!step) return;
      if (step.noise !== 0) fill(fresh);
      takeStep(z, step, xHat, before, fresh);
      [xHat, before] = [before, xHat];
    }
  }

  /**
   * Moves draws of the data's Gaussian to where those of what is given are: z + √σ(α)·(x̂(z | c) − x̂_G(z)). At the lowest
   * log SNR the data's mean is not quite lost in the noise, and a flow without fresh noise never makes up for a wrong one.
   *
   * @param ideal The Gaussian's own ε̂ of them.
   */
  async function moveToGiven(z: Float32Array, ideal: Float32Array, logsnr: number, known: Float32Array | undefined) {
    const scale = Math.sqrt(sigmoid(-logsnr)), plan = { logsnr: Float64Array.of(logsnr), steps: [] };
    for await (const { epsHat } of follow(z, plan, () => {}, known)) {
      for (let i = 0; i < z.length; i++) z[i] += scale * (ideal[i] - epsHat[i]);
    }
  }

  return {
    shape,
    follow,
    async *draw(count, plan, random, given) {
      const levels = plan.logsnr.length;
      const together = batch * ranks.size;
      for (let beginning = 0; beginning < count; beginning += together) {
        const total = Math.min(together, count - beginning);
        const first = Math.min(count, beginning + ranks.rank * batch);
        const n = Math.min(batch, count - first);
        const streams = Array.from({ length: n }, (_, i) => random.split(first + i));
        const fill = (noise: Float32Array) =>
          streams.forEach((stream, i) => stream.fillNormal(noise.subarray(i * d, (i + 1) * d)));
        const start = new Float32Array(n * d);
        fill(start);
        const known = given && toFloat32(given, first, first + n), ideal = known && new Float32Array(n * d);
        gaussianStart(start, plan.logsnr[0], gaussian, ideal);
        if (ideal && n > 0) await moveToGiven(start, ideal, plan.logsnr[0], known);
        const samples = new Float32Array(total * d);
        if (n > 0) {
          for await (const { level, xHat } of follow(start, plan, fill, known)) {
            yield { kind: "evaluation", done: beginning + total * (level + 1) / levels };
            if (level === levels - 1) samples.set(xHat, (first - beginning) * d);
          }
        }
        await ranks.sum(samples);
        yield { kind: "batch", first: beginning, samples: finite(samples, d, beginning) };
      }
    },
    dispose: () => program.dispose(),
  };
}

/** All of a sampler's samples at once, `[count, ...shape]` row by row. */
export async function drawSamples(
  sampler: Sampler,
  count: number,
  plan: SamplingPlan,
  random: Random,
  given?: Samples,
): Promise<Float32Array> {
  const d = sizeOf(sampler.shape);
  const all = new Float32Array(count * d);
  for await (const record of sampler.draw(count, plan, random, given)) {
    if (record.kind === "batch") all.set(record.samples, record.first * d);
  }
  return all;
}

function finite(samples: Float32Array, d: number, first: number): Float32Array {
  const bad = samples.findIndex((x) => !Number.isFinite(x));
  if (bad < 0) return samples;
  throw new SamplingError(
    `Sample ${first + Math.floor(bad / d)} came out as ${samples[bad]}, expected finite values. ` +
      "Take more --steps, another --sampler, or a model that has not diverged.",
  );
}
