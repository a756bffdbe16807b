import { equal } from "assert";
import { type Gaussian, gaussianOf, standardGaussian } from "../../core/reference/gaussian.ts";
import { samplingSteps } from "../../core/diffusion/sampling.ts";
import type { Engine } from "../../core/engine/mod.ts";
import type { Denoiser } from "../../core/plugins/contracts.ts";
import { createSampler } from "../../core/sampling/sampler.ts";
import type { HostTensors } from "../../core/data/tensors.ts";
import * as gaussianPlugin from "../../denoisers/gaussian.ts";
import * as mlp from "../../denoisers/mlp.ts";
import { readCase, readTensors, type Tolerance } from "../reference.ts";
import { type ConformanceCase, type Deviation, deviation } from "./case.ts";

const ROWS = 16;

/** A denoiser's DDIM trajectory from the reference's start, at every level. */
async function trajectory(
  engine: Engine,
  reference: HostTensors,
  { denoiser, params, gaussian, batch }: {
    readonly denoiser: Denoiser;
    readonly params: HostTensors;
    readonly gaussian: Gaussian;
    readonly batch: number;
  },
  tolerances: Readonly<Record<string, Tolerance>>,
): Promise<Deviation[]> {
  const state = engine.createState(params);
  const sampler = await createSampler(engine, state, (s) => s, denoiser, { shape: [2], gaussian }, batch);
  const logsnr = Float64Array.from(reference.logsnr.data);
  const plan = { logsnr, steps: samplingSteps("ddim", logsnr) };
  const size = 2 * ROWS;
  const got: Record<string, number[]> = { z: [], eps_hat: [], x_hat: [] };
  const noNoise = () => {
    throw new Error("DDIM draws no noise.");
  };
  for await (const level of sampler.follow(reference.z.data.slice(0, size), plan, noNoise)) {
    got.z.push(...level.z);
    got.eps_hat.push(...level.epsHat);
    got.x_hat.push(...level.xHat);
  }
  equal(got.z.length, size * logsnr.length);
  await sampler.dispose();
  state.dispose();
  return Object.entries(tolerances).map(([key, tolerance]) => deviation(key, got[key], reference[key].data, tolerance));
}

export const mlpTrajectory: ConformanceCase = {
  name: "sampling, MLP",
  reference: "PyTorch",
  async run(engine) {
    const { tolerances } = await readCase("sampling");
    const gaussian = standardGaussian(2);
    const options = Object.fromEntries(Object.entries(mlp.options).map(([key, spec]) => [key, spec.default]));
    const denoiser = mlp.create({ shape: [2], gaussian }, { ...options, skip: false });
    const params = await readTensors("mlp/weights.safetensors");
    const z = tolerances["mlp/z (whole trajectory)"];
    return await trajectory(
      engine,
      await readTensors("sampling/mlp.safetensors"),
      // A batch that the rows do not fill.
      { denoiser, params, gaussian, batch: ROWS + 3 },
      { z, eps_hat: z, x_hat: tolerances["mlp/x_hat (whole trajectory)"] },
    );
  },
};

export const exactTrajectory: ConformanceCase = {
  name: "sampling, exact denoiser",
  reference: "PyTorch",
  async run(engine) {
    const { tolerances } = await readCase("sampling");
    const reference = await readTensors("sampling/gaussian.safetensors");
    const gaussian = gaussianOf([0, 0], reference.cov.data);
    const denoiser = gaussianPlugin.create({ shape: [2], gaussian });
    return await trajectory(
      engine,
      reference,
      { denoiser, params: {}, gaussian, batch: ROWS },
      { z: tolerances["gaussian/z"], x_hat: tolerances["gaussian/x_hat"] },
    );
  },
};
