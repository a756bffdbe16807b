import { floatSamples } from "../../core/data/samples.ts";
import { fitGaussian } from "../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../core/diffusion/likelihood.ts";
import { type Backend, BackendError, createEngine, type Engine, type Precision } from "../../core/engine/mod.ts";
import { density, gridPoints } from "../../core/evaluation/density.ts";
import { Random } from "../../core/random/random.ts";
import { autoProposal } from "../../core/reference/choose_reference.ts";
import { peakMemory } from "../../core/run/memory.ts";
import { RECIPES } from "../../core/training/recipe.ts";
import { createTraining, type Training } from "../../core/training/train.ts";
import { load, options as dataOptions } from "../../datasets/moons.ts";
import { create, options as mlpOptions } from "../../denoisers/mlp.ts";

/** What a case runs on. */
export interface Machine {
  readonly backend: Backend;
  readonly threads: number;
  /** Of the gradient's products; f32 where it is left out. */
  readonly precision?: Precision;
}

/** @throws {BackendError} Where the engine has no such precision: it would compute in its own, and say nothing. */
export function requirePrecision({ backend, precisions }: Engine, precision: Precision): void {
  if (!precisions.includes(precision)) {
    throw new BackendError(`The backend ${backend} has no ${precision}, but ${precisions.join(", ")}.`);
  }
}

/** How fast a density is at some number of log SNRs per point, and how exact. */
interface DensityTiming {
  readonly levels: number;
  readonly points_per_s: number;
  /** The standard deviation of the estimates in nats, root mean square over the points where log p is above −6. */
  readonly stderr: number;
}

/** What every case says of itself. */
interface Result extends Machine {
  readonly case: string;
  readonly peak_mb: number;
}

export interface TrainResult extends Result {
  /** The median, and the mean. */
  readonly ms_per_step: number;
  readonly ms_per_step_mean: number;
}

export interface DensityResult extends Result, DensityTiming {
  readonly points_per_s_at_peer_stderr?: number;
  readonly stderr_at_peer_stderr?: number;
  readonly points_per_s_200_evaluations: number;
  readonly stderr_200_evaluations: number;
}

export interface RunResult extends Result {
  readonly seconds: number;
  readonly ms_per_step: number;
}

const SIDE = 40;
const EXTENT = 3;

/** The density's estimates count where the figure shows them. */
const SHOWN = -6;

/** Estimates that an error is measured from, and the most log SNRs per point that are tried to reach one. */
const REPEATS = 4;
const MAX_LEVELS = 1024;

/** Training steps of the seed's MLP on moons with the default recipe, batch 128. */
export async function train2d({ backend, threads, precision }: Machine, steps: number): Promise<TrainResult> {
  const { training, dispose } = await moonsTraining(backend, threads, steps, precision);
  const times: number[] = [];
  let last: number | undefined;
  for await (const record of training.run()) {
    if (record.kind === "epoch") last = undefined;
    else {
      const now = performance.now();
      if (last !== undefined && record.step > 50) times.push(now - last);
      last = now;
      if (times.length >= steps) break;
    }
  }
  await dispose();
  times.sort((a, b) => a - b);
  return {
    case: "train-2d",
    ms_per_step: times[times.length >> 1],
    ms_per_step_mean: times.reduce((sum, t) => sum + t, 0) / times.length,
    peak_mb: peakMemory(),
    backend,
    threads,
  };
}

/** The density of a 40 x 40 grid: at each of the errors asked for, and with the seed's 200 evaluations per point. */
export async function density2d(
  { backend, threads }: Machine,
  steps: number,
  targets: readonly number[],
): Promise<DensityResult> {
  const { training, proposal, dispose } = await moonsTraining(backend, threads, steps);
  for await (const record of training.run()) if (record.kind === "step" && record.step >= steps) break;
  const points = gridPoints(SIDE, EXTENT);
  const random = Random.fromSeed(1);
  const draw = async (levels: number, repeat: number) =>
    (await density(training.meter, floatSamples(points, 2), proposal, random.split(levels).split(repeat), levels))
      .logDensity;
  const inside = (await draw(256, 0)).map((l) => l > SHOWN ? 1 : 0);
  const measure = async (levels: number): Promise<DensityTiming> => {
    const begun = performance.now();
    const draws: Float32Array[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat++) draws.push(await draw(levels, repeat));
    const seconds = (performance.now() - begun) / 1000 / REPEATS;
    let variance = 0;
    let n = 0;
    for (let i = 0; i < inside.length; i++) {
      if (!inside[i]) continue;
      variance += meanAndStderr(draws.map((d) => d[i])).stderr ** 2 * REPEATS;
      n++;
    }
    return { levels, points_per_s: inside.length / seconds, stderr: Math.sqrt(variance / Math.max(1, n)) };
  };
  const timings: DensityTiming[] = [];
  for (const target of targets) {
    let timing = await measure(4);
    for (let levels = 8; timing.stderr > target && levels <= MAX_LEVELS; levels *= 2) timing = await measure(levels);
    timings.push(timing);
  }
  // Every log SNR is used with both signs of the noise, so 100 of them are 200 evaluations of the denoiser.
  const seed = await measure(100);
  await dispose();
  return {
    case: "density-2d",
    ...timings[0],
    ...(timings.length > 1
      ? { points_per_s_at_peer_stderr: timings[1].points_per_s, stderr_at_peer_stderr: timings[1].stderr }
      : {}),
    points_per_s_200_evaluations: seed.points_per_s,
    stderr_200_evaluations: seed.stderr,
    peak_mb: peakMemory(),
    backend,
    threads,
  };
}

async function moonsTraining(backend: Backend, threads: number, steps: number, precision: Precision = "f32") {
  const random = Random.fromSeed(0);
  const defaults = (specs: Readonly<Record<string, { readonly default: number | string | boolean }>>) =>
    Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, spec.default]));
  const data = await load(random.split("data"), defaults(dataOptions));
  const gaussian = fitGaussian(data.train, data.shape);
  const info = { shape: data.shape, gaussian };
  const engine = await createEngine(backend, threads);
  requirePrecision(engine, precision);
  const proposal = await autoProposal(engine, data.train, random.split("proposal"));
  const training: Training = await createTraining(engine, create(info, defaults(mlpOptions)), data, info, {
    recipe: RECIPES.default,
    proposal,
    epochs: 2 + Math.ceil(2 * steps / 56),
    batchSize: 128,
    microBatchSize: 128,
    precision,
    adaptiveProposal: false,
    learningRate: 1e-3,
    evalBatchSize: 1024,
    validationLevels: 1,
    validationSamples: Infinity,
    blend: false,
    patience: Infinity,
  }, random.split("training"));
  return {
    training,
    proposal,
    async dispose() {
      await training.dispose();
      await engine.dispose();
    },
  };
}
