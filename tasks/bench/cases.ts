import { fitGaussian } from "../../core/diffusion/gaussian.ts";
import { type Backend, createEngine } from "../../core/engine/mod.ts";
import { autoProposal } from "../../core/evaluation/auto_proposal.ts";
import { density, gridPoints } from "../../core/evaluation/density.ts";
import { Random } from "../../core/random.ts";
import { peakMemory } from "../../core/run/memory.ts";
import { RECIPES } from "../../core/training/recipe.ts";
import { createTraining, type Training } from "../../core/training/train.ts";
import { load, options as dataOptions } from "../../datasets/moons.ts";
import { create, options as mlpOptions } from "../../denoisers/mlp.ts";

/** What a case runs on. */
export interface Machine {
  readonly backend: Backend;
  readonly threads: number;
}

/** A case's figures; every case has either a time per step or points per second. */
export interface CaseResult {
  readonly case: string;
  readonly ms_per_step?: number;
  readonly ms_per_step_mean?: number;
  readonly points_per_s?: number;
  /** The standard deviation of the estimates that `points_per_s` is for, in nats, where log p is above −6. */
  readonly stderr?: number;
  /** Log SNRs per point. */
  readonly levels?: number;
  readonly points_per_s_200_levels?: number;
  readonly stderr_200_levels?: number;
  readonly seconds?: number;
  readonly peak_mb: number;
  readonly backend: string;
  readonly threads: number;
}

const SIDE = 40;
const EXTENT = 3;

/** The density's estimates count where the figure shows them. */
const SHOWN = -6;

/** The error in nats that the density is asked for: below what a contour shows. */
const TARGET_STDERR = 0.05;

/** Training steps of the seed's MLP on moons with the default recipe, batch 128. */
export async function train2d({ backend, threads }: Machine, steps: number): Promise<CaseResult> {
  const { training, dispose } = await moonsTraining(backend, threads, steps);
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

/** The density of a 40 x 40 grid: at a stated error, and with the seed's 200 log SNRs per point. */
export async function density2d({ backend, threads }: Machine, steps: number): Promise<CaseResult> {
  const { training, proposal, dispose } = await moonsTraining(backend, threads, steps);
  for await (const record of training.run()) if (record.kind === "step" && record.step >= steps) break;
  const points = gridPoints(SIDE, EXTENT);
  const random = Random.fromSeed(1);
  const measure = async (levels: number) => {
    const begun = performance.now();
    const a = (await density(training.meter, points, proposal, random.split("a"), levels)).logDensity;
    const seconds = (performance.now() - begun) / 1000;
    const b = (await density(training.meter, points, proposal, random.split("b"), levels)).logDensity;
    let squares = 0;
    let n = 0;
    for (let i = 0; i < a.length; i++) {
      if (a[i] + b[i] < 2 * SHOWN) continue;
      squares += (a[i] - b[i]) ** 2 / 2;
      n++;
    }
    return { levels, points_per_s: a.length / seconds, stderr: Math.sqrt(squares / Math.max(1, n)) };
  };
  await measure(4);
  let best = await measure(8);
  for (let levels = 16; best.stderr > TARGET_STDERR && levels <= 1024; levels *= 2) best = await measure(levels);
  // Every log SNR is used with both signs of the noise, so 100 of them are 200 evaluations of the denoiser.
  const seed = await measure(100);
  await dispose();
  return {
    case: "density-2d",
    ...best,
    points_per_s_200_levels: seed.points_per_s,
    stderr_200_levels: seed.stderr,
    peak_mb: peakMemory(),
    backend,
    threads,
  };
}

async function moonsTraining(backend: Backend, threads: number, steps: number) {
  const random = Random.fromSeed(0);
  const defaults = (specs: Readonly<Record<string, { readonly default: number | string | boolean }>>) =>
    Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, spec.default]));
  const data = await load(random.split("data"), defaults(dataOptions));
  const gaussian = fitGaussian(data.train, 2);
  const info = { shape: data.shape, gaussian };
  const proposal = autoProposal(data.train, gaussian, random.split("proposal"));
  const engine = await createEngine(backend, threads);
  const training: Training = await createTraining(engine, create(info, defaults(mlpOptions)), data, info, {
    recipe: RECIPES.default,
    proposal,
    epochs: 2 + Math.ceil(2 * steps / 56),
    batchSize: 128,
    learningRate: 1e-3,
    evalBatchSize: 1024,
    validationLevels: 1,
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
