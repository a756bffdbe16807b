import * as tf from "@tensorflow/tfjs";
import { noiseScale, perSample, signalScale } from "../diffusion/channel.ts";
import { sigmoid } from "../diffusion/logsnr.ts";
import { estimateData, type SamplingPlan, takeStep } from "../diffusion/sampling.ts";
import { gradients } from "../engine/gradients.ts";
import type { CompiledProgram, Engine, Program, State, Tensors } from "../engine/program.ts";
import { type DataInfo, type Denoiser, widthOfCondition } from "../plugins/contracts.ts";
import { predict } from "../plugins/predict.ts";
import type { Random } from "../random/random.ts";
import { gaussianStart } from "../reference/gaussian.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { type BatchRecord, type EvaluationRecord, SamplingError } from "./sampler.ts";

/** The ways to fill in what is missing of a sample, by the names that `--method` takes. */
export const INPAINTING_METHODS = ["repaint", "score"] as const satisfies readonly InpaintingMethod[];

/** One of {@linkcode INPAINTING_METHODS}. */
export type InpaintingMethod = "repaint" | "score";

/**
 * How samples are filled in.
 *
 * - `repaint`: at every level the known part is replaced by itself with noise (A. Lugmayr et al., arXiv 2201.09865,
 *   algorithm 1). Of any denoiser, without its gradient.
 * - `score`: the estimate x̂(z) is moved to E[x | z, known], by the gradient of ½‖known − x̂(z)‖² over the known values in z
 *   (J. Ho et al., arXiv 2204.03458, equation 7; H. Chung et al., arXiv 2209.14687). Its factor is not one to be tuned: as
 *   Cov[x | z] = σ(−α)/√σ(α)·∂x̂/∂z is the estimate's own Jacobian, `iterations` steps of conjugate gradients solve for the
 *   move that brings x̂ to the known values, which is exact where p(x | z) is Gaussian. One iteration is that gradient with
 *   the best factor. Each takes the gradient of one evaluation.
 *
 * Both walk each stretch of `jump` levels `resample` times, back by fresh noise, so that what is filled in comes to fit what
 * is known, which neither has quite right in a single walk.
 */
export type Inpainting = {
  readonly resample: number;
  readonly jump: number;
} & ({ readonly method: "repaint" } | { readonly method: "score"; readonly iterations: number });

/** What is known of some samples. */
export interface KnownPart {
  /** `[n, ...shape]`, in the values that the model sees; what is not known is not read. */
  readonly values: Float32Array;
  /** 1 where a value is known and 0 where it is to be filled in: of one sample for all, or of each, `[n, ...shape]`. */
  readonly isKnown: Uint8Array;
  /** What is known of each besides, n rows, where the model has a condition. */
  readonly given?: Samples | undefined;
}

/** Fills in what is missing of samples. */
export interface Inpainter {
  /**
   * Draws from p(missing | known), `draws` times for each sample: row i·draws + k is draw k of sample i, in which the known
   * values are as they were given. Row j has a noise stream of its own, `random.split(j)`, so that it is the same, within
   * rounding, whatever the batch.
   *
   * @param plan Of `ancestral` or `ddim`; of `ode`, whose steps go on from those before, only where nothing is walked again.
   * @throws {RangeError} For sizes that do not fit, or such a plan.
   * @throws {SamplingError} When a sample is not finite.
   */
  fill(
    known: KnownPart,
    draws: number,
    plan: SamplingPlan,
    random: Random,
  ): AsyncGenerator<EvaluationRecord | BatchRecord>;
  dispose(): Promise<void> | void;
}

/**
 * An inpainter of a model whose parameters live in an engine's state.
 *
 * @param weights From the state to the denoiser's parameters.
 * @param batch Samples per evaluation of the denoiser.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { samplingGrid, samplingSteps } from "../diffusion/sampling.ts";
 * import { createEngine } from "../engine/mod.ts";
 * import type { Denoiser } from "../plugins/contracts.ts";
 * import { Random } from "../random/random.ts";
 * import { gaussianDenoiser, gaussianOf } from "../reference/gaussian.ts";
 * import { createInpainter, fillAll } from "./inpainting.ts";
 *
 * // y = x + noise of deviation 0.1, of which x is known: E[y | x] = x.
 * const info = { shape: [2], gaussian: gaussianOf([0, 0], [1, 1, 1, 1.01]) };
 * const denoiser: Denoiser = { init: () => ({}), predict: (_, z, logsnr) => gaussianDenoiser(z, logsnr, info.gaussian) };
 * const engine = await createEngine("onnx-cpu", 1);
 * const made = { denoiser, data: info, batch: 16, how: { method: "score", iterations: 1, resample: 1, jump: 1 } } as const;
 * const inpainter = await createInpainter(engine, engine.createState({}), (s) => s, made);
 * const logsnr = samplingGrid("ancestral", { loc: 2, scale: 2 }, 30);
 * const plan = { logsnr, steps: samplingSteps("ancestral", logsnr) };
 * const known = { values: Float32Array.of(1.5, 0), isKnown: Uint8Array.of(1, 0) };
 * const filled = await fillAll(inpainter, known, 16, plan, Random.fromSeed(0));
 * for (let i = 0; i < 32; i += 2) ok(filled[i] === 1.5 && Math.abs(filled[i + 1] - 1.5) < 0.5);
 * await inpainter.dispose();
 * ```
 */
export async function createInpainter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  { denoiser, data, batch, how }: {
    readonly denoiser: Denoiser;
    readonly data: DataInfo;
    readonly batch: number;
    readonly how: Inpainting;
  },
): Promise<Inpainter> {
  const { shape, gaussian } = data, d = sizeOf(shape), width = widthOfCondition(data);
  const inputs = { z: [batch, ...shape], logsnr: [batch], ...(width ? { condition: [batch, width] } : {}) };
  const plain: Program = (s, { z, logsnr, condition }) => ({
    outputs: { epsHat: predict(denoiser, weights(s), z, logsnr, condition) },
  });
  // Jᵀ·(p − q·x̂), J = ∂x̂/∂z: of what is known at first, then of any vector.
  const pulled: Program = (s, { z, logsnr, condition, p, q }) => {
    const alpha = perSample(logsnr, z.rank);
    const { gradients: { z: pull }, aux } = gradients((at) => {
      const epsHat = predict(denoiser, weights(s), at.z, logsnr, condition);
      const xHat = tf.div(tf.sub(at.z, tf.mul(noiseScale(alpha), epsHat)), signalScale(alpha));
      const loss = tf.sum(tf.mul(xHat, tf.sub(p, tf.mul(0.5, tf.mul(q, xHat))))) as tf.Scalar;
      return { loss, aux: { epsHat } };
    }, { z });
    return { outputs: { epsHat: aux.epsHat, pull } };
  };
  const programs: CompiledProgram[] = [];
  const compile = async (program: Program, more: Record<string, readonly number[]>) => {
    const compiled = await engine.compile(program, state, { ...inputs, ...more });
    programs.push(compiled);
    return compiled;
  };
  const denoise = how.method === "repaint" ? await compile(plain, {}) : undefined;
  const guide = how.method === "score" ? await compile(pulled, { p: inputs.z, q: inputs.z }) : undefined;

  /** One batch on its way: buffers of the programs, and of n rows. */
  function start(n: number, values: Float32Array, mask: Float32Array, condition: Float32Array | undefined) {
    const size = n * d, whole = () => new Float32Array(batch * d);
    const fed = {
      ...{ z: whole(), logsnr: new Float32Array(batch), p: whole(), q: whole() },
      ...(width ? { condition: new Float32Array(batch * width) } : {}),
    };
    if (condition) fed.condition?.set(condition);
    const setLevel = (z: Float32Array, logsnr: number) => {
      fed.z.set(z);
      fed.logsnr.fill(logsnr);
    };
    /** Jᵀ·p of the rows, and ε̂, at the level that is set. */
    const pull = async () => {
      const got = await guide!.run(fed);
      return { epsHat: got.epsHat.subarray(0, size), pull: got.pull.slice(0, size) };
    };
    return {
      /** x̂(z), or E[x | z, known], written to `out`. */
      async estimate(z: Float32Array, logsnr: number, range: SamplingPlan["range"], out: Float32Array): Promise<void> {
        setLevel(z, logsnr);
        if (!guide || how.method !== "score") {
          const { p: _, q: __, ...own } = fed;
          estimateData(z, (await denoise!.run(own)).epsHat.subarray(0, size), logsnr, range, out);
          return;
        }
        for (let i = 0; i < size; i++) {
          fed.p[i] = mask[i] * values[i];
          fed.q[i] = mask[i];
        }
        const first = await pull();
        estimateData(z, first.epsHat, logsnr, undefined, out);
        const solver = conjugateGradients(out, first.pull, { values, mask, n, d, logsnr });
        fed.q.fill(0);
        for (let k = 1; k < how.iterations && solver.direction(fed.p); k++) solver.take((await pull()).pull);
        if (range) { for (let i = 0; i < size; i++) out[i] = Math.min(range[1], Math.max(range[0], out[i])); }
      },
    };
  }

  return {
    async *fill({ values, isKnown, given }, draws, plan, random) {
      const count = values.length / d, total = count * draws, { logsnr, steps, range } = plan;
      if (!Number.isInteger(count) || (isKnown.length !== d && isKnown.length !== values.length)) {
        throw new RangeError(
          `Got ${values.length} values and a mask of ${isKnown.length}, expected rows of ${d} and a mask of one or all.`,
        );
      }
      if (how.resample > 1 && steps.some(({ gainBefore }) => gainBefore !== 0)) {
        throw new RangeError(
          "Got steps that go on from those before, expected those of ancestral or ddim to walk again.",
        );
      }
      const isReplaced = how.method === "repaint", walk = inpaintingLevels(logsnr.length, how);
      const evaluations = walk.length + (isReplaced ? 0 : 1);
      for (let beginning = 0; beginning < total; beginning += batch) {
        const n = Math.min(batch, total - beginning), rows = Array.from({ length: n }, (_, i) => beginning + i);
        const [own, mask] = [new Float32Array(n * d), new Float32Array(n * d)];
        rows.forEach((row, i) => {
          const sample = Math.floor(row / draws);
          own.set(values.subarray(sample * d, (sample + 1) * d), i * d);
          mask.set(isKnown.length === d ? isKnown : isKnown.subarray(sample * d, (sample + 1) * d), i * d);
        });
        // Whatever stands where nothing is known must not come into a product.
        own.forEach((_, i) => own[i] = mask[i] ? own[i] : 0);
        const condition = given && new Float32Array(n * width);
        rows.forEach((row, i) =>
          condition?.set(toFloat32(given!, Math.floor(row / draws), Math.floor(row / draws) + 1), i * width)
        );
        const streams = rows.map((row) => random.split(row));
        const fill = (noise: Float32Array) =>
          streams.forEach((stream, i) => stream.fillNormal(noise.subarray(i * d, (i + 1) * d)));
        const batchOf = start(n, own, mask, condition);
        const z = new Float32Array(n * d), fresh = new Float32Array(n * d);
        let [xHat, before] = [new Float32Array(n * d), new Float32Array(n * d)], done = 0;
        const told = (): EvaluationRecord => ({
          kind: "evaluation",
          done: beginning + n * ++done / evaluations,
        });
        const ideal = new Float32Array(n * d);
        fill(z);
        gaussianStart(z, logsnr[0], gaussian, ideal);
        const replaceKnown = (level: number) => {
          const [signal, noise] = [Math.sqrt(sigmoid(logsnr[level])), Math.sqrt(sigmoid(-logsnr[level]))];
          fill(fresh);
          for (let i = 0; i < z.length; i++) if (mask[i]) z[i] = signal * own[i] + noise * fresh[i];
        };
        if (isReplaced) replaceKnown(0);
        else {
          // Draws of the data's Gaussian are moved to where those of what is known are: at the lowest log SNR data is not
          // quite lost in the noise.
          await batchOf.estimate(z, logsnr[0], undefined, xHat);
          estimateData(z, ideal, logsnr[0], undefined, before);
          const signal = Math.sqrt(sigmoid(logsnr[0]));
          for (let i = 0; i < z.length; i++) z[i] += signal * (xHat[i] - before[i]);
          yield told();
        }
        for (const [k, level] of walk.entries()) {
          await batchOf.estimate(z, logsnr[level], range, xHat);
          yield told();
          const next = walk[k + 1];
          if (next === undefined) break;
          if (steps[level].noise !== 0) fill(fresh);
          takeStep(z, steps[level], xHat, before, fresh);
          if (isReplaced) replaceKnown(level + 1);
          // Back by as much noise as lies between.
          if (next <= level) addNoise(z, logsnr[level + 1], logsnr[next], fill, fresh);
          [xHat, before] = [before, xHat];
        }
        for (let i = 0; i < xHat.length; i++) if (mask[i]) xHat[i] = own[i];
        yield { kind: "batch", first: beginning, samples: finite(xHat, d, beginning) };
      }
    },
    async dispose() {
      for (const program of programs) await program.dispose();
    },
  };
}

/** All draws of an inpainter at once, `[n·draws, ...shape]` row by row. */
export async function fillAll(
  inpainter: Inpainter,
  known: KnownPart,
  draws: number,
  plan: SamplingPlan,
  random: Random,
): Promise<Float32Array> {
  const all = new Float32Array(known.values.length * draws);
  let at = 0;
  for await (const record of inpainter.fill(known, draws, plan, random)) {
    if (record.kind !== "batch") continue;
    all.set(record.samples, at);
    at += record.samples.length;
  }
  return all;
}

/**
 * The levels at which the denoiser is evaluated, in order: forward by one, and `resample` − 1 times back by `jump` from every
 * `jump`-th level, counted from the last (A. Lugmayr et al., figure 9).
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { inpaintingLevels } from "./inpainting.ts";
 *
 * equal(inpaintingLevels(5, { resample: 2, jump: 2 }).join(), "0,1,0,1,2,3,2,3,4");
 * ```
 */
export function inpaintingLevels(
  levels: number,
  { resample, jump }: { readonly resample: number; readonly jump: number },
): number[] {
  const walk: number[] = [], last = levels - 1;
  const left = Array.from(
    { length: levels },
    (_, k) => k > 0 && (last - k) % jump === 0 && k >= jump ? resample - 1 : 0,
  );
  for (let level = 0; level <= last; level++) {
    // A step back is taken from a level that is reached, before it is evaluated.
    if (left[level] > 0) {
      left[level]--;
      level -= jump;
    }
    walk.push(level);
  }
  return walk;
}

/** q(z at log SNR a | z at log SNR b > a): z·√(σ(a)/σ(b)) and the noise that is missing then. */
function addNoise(
  z: Float32Array,
  from: number,
  to: number,
  fill: (noise: Float32Array) => void,
  fresh: Float32Array,
): void {
  const keep = Math.sqrt(sigmoid(to) / sigmoid(from));
  const noise = Math.sqrt(Math.max(0, sigmoid(-to) - keep * keep * sigmoid(-from)));
  fill(fresh);
  for (let i = 0; i < z.length; i++) z[i] = keep * z[i] + noise * fresh[i];
}

/**
 * Conjugate gradients (M. R. Hestenes and E. Stiefel, 1952) of many rows at once: the v with (A + ρ)·v = known − x̂ over the
 * known values, A = c·M·J·M with c = σ(−α)/√σ(α) and M the mask, and x̂ + c·Jᵀ·v, which is kept in place.
 *
 * @param xHat x̂ of each row, which becomes E[x | z, known].
 * @param pull Jᵀ·(known − x̂).
 */
function conjugateGradients(
  xHat: Float32Array,
  pull: Float32Array,
  { values, mask, n, d, logsnr }: {
    readonly values: Float32Array;
    readonly mask: Float32Array;
    readonly n: number;
    readonly d: number;
    readonly logsnr: number;
  },
) {
  const c = sigmoid(-logsnr) / Math.sqrt(sigmoid(logsnr)), ridge = RIDGE * sigmoid(-logsnr);
  const residual = Float64Array.from(xHat, (x, i) => mask[i] ? values[i] - x : 0), direction = residual.slice();
  const squares = Float64Array.from({ length: n }, (_, row) => square(residual, row * d, d));
  const begun = squares.slice(), isDone = squares.map((sum) => sum > 0 ? 0 : 1);
  const take = (pulled: Float32Array) => {
    for (let row = 0; row < n; row++) {
      if (isDone[row]) continue;
      let curvature = 0, length = 0;
      for (let i = row * d; i < (row + 1) * d; i++) {
        curvature += direction[i] * (c * mask[i] * pulled[i] + ridge * direction[i]);
        length += direction[i] * direction[i];
      }
      // A network's Jacobian need not be a covariance, which has none but positive curvatures.
      if (!(curvature > ridge * length / 2)) {
        isDone[row] = 1;
        continue;
      }
      const step = squares[row] / curvature;
      for (let i = row * d; i < (row + 1) * d; i++) {
        xHat[i] += step * c * pulled[i];
        residual[i] -= step * (c * mask[i] * pulled[i] + ridge * direction[i]);
      }
      const left = square(residual, row * d, d), share = left / squares[row];
      squares[row] = left;
      if (left <= CLOSE * begun[row]) isDone[row] = 1;
      for (let i = row * d; i < (row + 1) * d; i++) direction[i] = residual[i] + share * direction[i];
    }
  };
  take(pull);
  return {
    take,
    /** Writes the directions whose products with the Jacobian are wanted next; false where all rows are done. */
    direction(out: Float32Array): boolean {
      for (let i = 0; i < n * d; i++) out[i] = isDone[Math.floor(i / d)] ? 0 : direction[i];
      return isDone.some((done) => done === 0);
    },
  };
}

/** Added to the covariance of the known values, in parts of σ(−α): keeps the move finite where the network knows better. */
const RIDGE = 1e-3;

/** A row is done when its residual has shrunk to this part, squared. */
const CLOSE = 1e-8;

function square(values: Float64Array, begin: number, length: number): number {
  let sum = 0;
  for (let i = begin; i < begin + length; i++) sum += values[i] * values[i];
  return sum;
}

function finite(samples: Float32Array, d: number, first: number): Float32Array {
  const bad = samples.findIndex((x) => !Number.isFinite(x));
  if (bad < 0) return samples;
  throw new SamplingError(
    `Sample ${first + Math.floor(bad / d)} came out as ${samples[bad]}, expected finite values. ` +
      "Take more --steps, another --method, or a model that has not diverged.",
  );
}
