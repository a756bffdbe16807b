import { join } from "node:path";
import { floatSamples } from "../../core/data/samples.ts";
import { meanAndStderr } from "../../core/diffusion/likelihood.ts";
import { nllPerSample } from "../../core/evaluation/nll.ts";
import { encodeSafetensors, hostTensors, readSafetensors } from "../../core/io/safetensors.ts";
import { fit } from "../../core/mod.ts";
import { internalsOf } from "../../core/model/internals.ts";
import { referenceOf } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { mixtureNll } from "../../core/reference/mixture.ts";
import { peakMemory } from "../../core/run/memory.ts";
import type { Machine } from "./cases.ts";
import type { ModelResult } from "./density_results.ts";

/** Test points that are measured at most, and log SNRs for each. */
const POINTS = 20_000, LEVELS = 8;

/** What a fit of ours is. */
export interface OwnResult {
  readonly dimension: number;
  /** Samples in each part. */
  readonly train: number;
  readonly validation: number;
  readonly test: number;
  /** In nats, where it is known. */
  readonly truth?: number;
  readonly ours: ModelResult;
  /** The fitted density without the network. */
  readonly reference: ModelResult;
}

/**
 * Fits our density to a set with default settings and measures the NLL of its test points, and that of the reference
 * alone. `ours.safetensors` and `reference.safetensors` have that of each point.
 *
 * @param file With `train`, `validation`, `test` and maybe `truth`.
 * @param folder Where the NLL of the points goes.
 * @param signal Ends it soon after.
 */
export async function fitDensity(
  { backend, threads }: Machine,
  file: string,
  folder: string,
  signal: AbortSignal,
): Promise<OwnResult> {
  const tensors = hostTensors(await readSafetensors(file), file);
  const samplesOf = (part: string, most = Infinity) => {
    const { shape: [count, d], data } = tensors[part];
    return floatSamples(data.subarray(0, Math.min(count, most) * d), d);
  };
  const [train, validation, test] = [samplesOf("train"), samplesOf("validation"), samplesOf("test", POINTS)];
  const begun = performance.now();
  await using model = await fit({ name: "set", shape: [train.dimension], train, validation }, {
    backend,
    threads,
    signal,
  });
  const fitted = performance.now();
  await using meter = await internalsOf(model).meter({ signal });
  const nll = await nllPerSample(meter, test, model.proposal, Random.fromSeed(9), LEVELS);
  const ended = performance.now();
  const reference = referenceOf(model.info), referenceNll = mixtureNll(test, reference);
  const write = (name: string, values: Float64Array) =>
    Deno.writeFile(
      join(folder, `${name}.safetensors`),
      encodeSafetensors({ nll: { shape: [values.length], data: Float32Array.from(values) } }),
    );
  await write("ours", nll);
  await write("reference", referenceNll);
  const { truth } = tensors;
  return {
    dimension: train.dimension,
    ...{ train: train.count, validation: validation.count, test: test.count },
    ...(truth ? { truth: truth.data[0] } : {}),
    ours: {
      ...estimateOf("ours", nll),
      seconds: (ended - begun) / 1000,
      fit_seconds: (fitted - begun) / 1000,
      epochs: model.history.length,
      peak_mb: peakMemory(),
    },
    reference: { ...estimateOf("reference", referenceNll), components: reference.components.length },
  };
}

function estimateOf(model: string, nll: Float64Array): ModelResult {
  const { mean, stderr } = meanAndStderr(nll);
  return { model, nll_nats: mean, stderr, points: nll.length };
}
