import { fitGaussian } from "../../core/reference/gaussian.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { Random } from "../../core/random/random.ts";
import { floatSamples } from "../../core/data/samples.ts";
import { RECIPES } from "../../core/training/recipe.ts";
import { createTraining } from "../../core/training/train.ts";
import { create, options } from "../../denoisers/mlp.ts";
import { convolutionInputs, convolutionProgram, initialState } from "./programs.ts";
import { BATCH, IMAGES } from "./sizes.ts";

/** Milliseconds of running before what is timed and in it, and how many runs suffice in each. */
const WARM_UP = 300;
const TIMED = 500;
const MAX_RUNS = 200;

/** Milliseconds of a run that is slow by itself, whatever is compiled in it, and is not waited for again. */
const SLOW = 10_000;

/** Milliseconds of a training step of the default MLP on points in the plane, the median. */
export async function timeTrainingStep(engine: Engine): Promise<number> {
  const random = Random.fromSeed(0);
  // One epoch is longer than what is timed, since it would end in a validation.
  const [count, held] = [BATCH * (2 * MAX_RUNS + 1), BATCH];
  const data = {
    shape: [2],
    train: floatSamples(random.normalTensor([count, 2]).data, 2),
    validation: floatSamples(random.normalTensor([held, 2]).data, 2),
  };
  const info = { shape: data.shape, gaussian: fitGaussian(data.train, data.shape) };
  const values = Object.fromEntries(Object.entries(options).map(([name, option]) => [name, option.default]));
  const training = await createTraining(engine, create(info, values), data, info, {
    recipe: RECIPES.default,
    proposal: { loc: 0, scale: 2 },
    epochs: 1,
    batchSize: BATCH,
    microBatchSize: BATCH,
    precision: "f32",
    adaptiveProposal: false,
    learningRate: 1e-3,
    evalBatchSize: held,
    validationLevels: 1,
    validationSamples: held,
    blend: false,
    patience: Infinity,
  }, random);
  const steps = training.run();
  const time = await medianTime(() => steps.next());
  await steps.return(undefined);
  await training.dispose();
  return time;
}

/** Milliseconds of a convolution and its gradients, the median. */
export async function timeConvolution(engine: Engine): Promise<number> {
  const { dy, ...differentiated } = convolutionInputs(IMAGES);
  const state = engine.createState(initialState({ dy }, differentiated, dy.shape));
  const program = await engine.compile(convolutionProgram, state, {});
  const time = await medianTime(() => program.run({}));
  program.dispose();
  state.dispose();
  return time;
}

/** The median time of a run. The first ones do not count, in which a device may compile its programs. */
async function medianTime(run: () => Promise<unknown>): Promise<number> {
  const [first] = await timesOf(run, WARM_UP);
  if (first > SLOW) return first;
  const times = (await timesOf(run, TIMED)).sort((a, b) => a - b);
  return times[times.length >> 1];
}

/** The times of at least one run, until they add up to some milliseconds. */
async function timesOf(run: () => Promise<unknown>, milliseconds: number): Promise<number[]> {
  const times: number[] = [];
  for (let spent = 0; spent < milliseconds && times.length < MAX_RUNS;) {
    const begun = performance.now();
    await run();
    times.push(performance.now() - begun);
    spent += times[times.length - 1];
  }
  return times;
}
