import { fitGaussian } from "../../core/reference/gaussian.ts";
import { createEngine } from "../../core/engine/mod.ts";
import type { Ranks } from "../../core/mpi/mod.ts";
import { Random } from "../../core/random/random.ts";
import { peakMemory } from "../../core/run/memory.ts";
import { floatSamples } from "../../core/data/samples.ts";
import { RECIPES } from "../../core/training/recipe.ts";
import { createTraining } from "../../core/training/train.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import type { Machine, TrainResult } from "./cases.ts";

export interface RanksResult extends TrainResult {
  readonly ranks: number;
  readonly batch: number;
  readonly parameters: number;
  /** What adding up the gradient alone takes, all ranks at the same time. */
  readonly reduce_ms: number;
  /** What adding up a single number takes. */
  readonly latency_ms: number;
  readonly library: string;
}

const SHAPE = [3, 32, 32];
const DIMENSION = 3072;

const REDUCTIONS = 5;
const SMALL_REDUCTIONS = 500;

/**
 * Training steps of google/ddpm-cifar10-32's U-Net as a run takes them, and the time of what the ranks tell each other.
 *
 * @param batch Samples of a step, over all ranks.
 */
export async function trainOnRanks(
  { backend, threads }: Machine,
  steps: number,
  batch: number,
  ranks: Ranks,
): Promise<RanksResult> {
  const engine = await createEngine(backend, threads);
  const random = Random.fromSeed(0);
  const draw = (n: number) => floatSamples(random.fillNormal(new Float32Array(n * DIMENSION)), DIMENSION);
  const data = { shape: SHAPE, train: draw(batch * (steps + 1)), validation: draw(2) };
  const info = { shape: SHAPE, gaussian: fitGaussian(data.train, SHAPE) };
  const denoiser = await create(info, { fromScratch: true });
  const training = await createTraining(
    engine,
    denoiser,
    data,
    info,
    {
      recipe: RECIPES.default,
      proposal: { loc: 6, scale: 3 },
      adaptiveProposal: false,
      epochs: 1,
      batchSize: batch,
      microBatchSize: 16,
      precision: "f32",
      learningRate: 1e-4,
      evalBatchSize: 2,
      validationLevels: 1,
      validationSamples: 2,
      blend: false,
      patience: Infinity,
    },
    random,
    { ranks },
  );
  const times: number[] = [];
  let begun = performance.now();
  for await (const { kind } of training.run()) {
    if (kind === "step") times.push(performance.now() - begun);
    if (times.length > steps) break;
    begun = performance.now();
  }
  // The first step makes what the others find made.
  const measured = times.slice(1).sort((a, b) => a - b);
  const { parameterCount } = training;
  const gradient = new Float32Array(parameterCount);
  const one = new Float32Array(1);
  return {
    case: "ranks",
    ms_per_step: measured[measured.length >> 1],
    ms_per_step_mean: measured.reduce((sum, t) => sum + t / measured.length, 0),
    reduce_ms: await timePerCall(REDUCTIONS, () => ranks.sumInPieces(gradient, () => {})),
    latency_ms: await timePerCall(SMALL_REDUCTIONS, () => ranks.sum(one)),
    ...{ ranks: ranks.size, batch, parameters: parameterCount, library: ranks.library ?? "none" },
    ...{ peak_mb: peakMemory(), backend, threads },
  };
}

async function timePerCall(calls: number, run: () => Promise<void>): Promise<number> {
  await run();
  const begun = performance.now();
  for (let i = 0; i < calls; i++) await run();
  return (performance.now() - begun) / calls;
}
