import type * as tf from "@tensorflow/tfjs";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { nllAgainstStandard } from "../../core/diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrWeight } from "../../core/diffusion/logsnr.ts";
import type { CompiledProgram, Engine } from "../../core/engine/mod.ts";
import { shapesOf } from "../../core/data/tensors.ts";
import { adamSchedule } from "../../core/training/adam.ts";
import { flatten, layoutOf, unflatten, unflattenTensor } from "../../core/training/parameters.ts";
import { RECIPES } from "../../core/training/recipe.ts";
import { onlyGaussian } from "../../core/reference/mixture.ts";
import { GRADIENT, gradientInputs, gradientStep, MOMENTS, optimiserStep, PARAMS } from "../../core/training/step.ts";
import { create } from "../../denoisers/mlp.ts";
import { readCase, readTensors } from "../reference.ts";
import { type ConformanceCase, type Deviation, deviation } from "./case.ts";

/** The reference's networks: with embeddings and without. */
const NETWORKS = ["mlp", "mlp_noembed"];

interface Settings {
  readonly hidden: number;
  readonly layers: number;
  readonly emb: number;
  readonly embedding: boolean;
  readonly batch: number;
  readonly loc: number;
  readonly scale: number;
}

function seedMlp({ hidden, layers, emb, embedding }: Settings) {
  const values = { hiddenSize: hidden, hiddenLayers: layers, embeddingSize: emb, embedding, skip: false };
  return create({ shape: [2], gaussian: standardGaussian(2) }, values);
}

/** A reference network in an engine's state, with the seed's gradient ready to run. */
async function open(engine: Engine, name: string) {
  const { tolerances, scalars } = await readCase(name);
  const settings = scalars as unknown as Settings;
  const weights = await readTensors(`${name}/weights.safetensors`);
  const batches = await readTensors(`${name}/batches.safetensors`);
  const denoiser = seedMlp(settings);
  const layout = layoutOf(shapesOf(weights));
  const shape = [layout.size];
  const state = engine.createState({
    [PARAMS]: { shape, data: flatten(layout, weights) },
    ...Object.fromEntries([...MOMENTS, GRADIENT].map((entry) => [entry, { shape }])),
  });
  const gradient = await engine.compile(
    gradientStep(denoiser, layout, RECIPES.seed, onlyGaussian(standardGaussian(2)), { shape: [2] }),
    state,
    gradientInputs(settings.batch, [2]),
  );
  return {
    tolerances,
    settings,
    denoiser,
    layout,
    state,
    gradient,
    batch(k: number) {
      const logsnr = Array.from(batches[`${k}.u`].data, (u) => logsnrAtQuantile(u, settings));
      return {
        x: batches[`${k}.x`].data,
        eps: batches[`${k}.eps`].data,
        logsnr: Float32Array.from(logsnr),
        weight: Float32Array.from(logsnr, (alpha) => logsnrWeight(alpha, settings)),
      };
    },
    dispose(...programs: CompiledProgram[]) {
      for (const program of [gradient, ...programs]) program.dispose();
      state.dispose();
    },
  };
}

async function valuesAndGradients(engine: Engine, name: string): Promise<Deviation[]> {
  const { tolerances, denoiser, layout, state, gradient, batch, dispose } = await open(engine, name);
  const forward = await readTensors(`${name}/forward.safetensors`);
  const predict = await engine.compile(
    (s, { z, logsnr }) => ({
      outputs: { epsHat: denoiser.predict(unflattenTensor(layout, s[PARAMS]), z, logsnr as tf.Tensor1D) },
    }),
    state,
    { z: forward.z.shape, logsnr: forward.logsnr.shape },
  );
  const { epsHat } = await predict.run({ z: forward.z.data, logsnr: forward.logsnr.data });
  const deviations = [deviation(`${name}: ε̂`, epsHat, forward.eps_hat.data, tolerances.eps_hat)];
  await gradient.run(batch(0));
  const found = unflatten(layout, (await state.read())[GRADIENT].data);
  for (const [key, { data }] of Object.entries(await readTensors(`${name}/grads.safetensors`))) {
    deviations.push(deviation(`${name}: gradient of ${key}`, found[key].data, data, tolerances[`grads/${key}`]));
  }
  dispose(predict);
  return deviations;
}

async function adamSteps(engine: Engine, name: string, steps: number): Promise<Deviation[]> {
  const { tolerances, settings, layout, state, gradient, batch, dispose } = await open(engine, name);
  const losses = await readTensors(`${name}/losses.safetensors`);
  const optimiser = await engine.compile(optimiserStep(), state, { rootScale: [], offset: [] });
  const deviations: Deviation[] = [];
  for (let k = 0; k < steps; k++) {
    const inputs = batch(k);
    const { mse } = await gradient.run(inputs);
    let loss = 0;
    for (let i = 0; i < settings.batch; i++) {
      const sample = { logsnr: inputs.logsnr[i], weight: inputs.weight[i], mse: mse[i] };
      loss += nllAgainstStandard(sample, 2) / settings.batch;
    }
    const expected = (losses.losses ?? losses.loss).data[k];
    deviations.push(deviation(`${name}: loss of step ${k + 1}`, [loss], [expected], tolerances.loss));
    const { rootScale, offset } = adamSchedule(1e-3, k + 1);
    await optimiser.run({ rootScale: Float32Array.of(rootScale), offset: Float32Array.of(offset) });
  }
  const after = unflatten(layout, (await state.read())[PARAMS].data);
  for (const [key, { data }] of Object.entries(await readTensors(`${name}/after_${steps}_steps.safetensors`))) {
    deviations.push(
      ...stepDeviations(`${name}: ${key}`, after[key].data, data, { most: 2e-6, all: steps === 1 ? 0.0021 : 0.01 }),
    );
  }
  dispose(optimiser);
  return deviations;
}

/**
 * How far weights are from their reference after steps of Adam. It divides by √v, so rounding alone may send a weight
 * whose gradient is near zero either way: 98 in 100 are held to `most`, and the rest to `all`.
 */
export function stepDeviations(
  what: string,
  got: Float32Array,
  reference: Float32Array,
  { most, all }: { readonly most: number; readonly all: number },
): Deviation[] {
  const order = Array.from(got.keys()).sort((a, b) =>
    Math.abs(got[a] - reference[a]) - Math.abs(got[b] - reference[b])
  );
  const near = order.slice(0, Math.ceil(0.98 * order.length));
  const pick = (values: Float32Array) => near.map((i) => values[i]);
  return [
    deviation(`98 in 100 of ${what}`, pick(got), pick(reference), { rtol: 0, atol: most }),
    deviation(what, got, reference, { rtol: 0, atol: all }),
  ];
}

/** One measurement for each of the reference's networks. */
function ofNetworks(name: string, measure: (engine: Engine, network: string) => Promise<Deviation[]>): ConformanceCase {
  return {
    name,
    reference: "PyTorch",
    async run(engine) {
      const deviations: Deviation[] = [];
      for (const network of NETWORKS) deviations.push(...await measure(engine, network));
      return deviations;
    },
  };
}

export const mlpGradients = ofNetworks("MLP: values, gradients", valuesAndGradients);

export const mlpOneStep = ofNetworks("MLP: a training step", (engine, name) => adamSteps(engine, name, 1));

export const mlpFiveSteps = ofNetworks("MLP: five training steps", (engine, name) => adamSteps(engine, name, 5));
