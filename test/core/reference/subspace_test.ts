import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { floatSamples } from "../../../core/data/samples.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { encodeSafetensors } from "../../../core/io/safetensors.ts";
import { Random } from "../../../core/random/random.ts";
import { chooseReference } from "../../../core/reference/choose_reference.ts";
import { fitGaussian, type Gaussian, gaussianOf } from "../../../core/reference/gaussian.ts";
import { gaussianTensors, mixtureTensors } from "../../../core/reference/gaussian_tensors.ts";
import {
  blurredMixture,
  dimensionOf,
  type GaussianMixture,
  mixtureName,
  mixtureNll,
  onlyGaussian,
  sampleMixture,
} from "../../../core/reference/mixture.ts";
import { mixturePrediction } from "../../../core/reference/mixture_prediction.ts";
import {
  columnsOf,
  projected,
  samplesWithin,
  type Subspace,
  widestSubspace,
} from "../../../core/reference/subspace.ts";
import { RunFolder } from "../../../core/run/folder.ts";
import { readDataInfo, writeDataInfo } from "../../../core/run/data_info.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";
import { inFolder } from "../../folders.ts";

const D = 5, AXES = 2, random = Random.fromSeed(1);

/** A Gaussian with a covariance that mixes all values. */
function someGaussian(d: number): Gaussian {
  const a = random.fillNormal(new Float64Array(d * d));
  const covariance = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      for (let k = 0; k < d; k++) covariance[i * d + j] += a[i * d + k] * a[j * d + k] / d;
      if (i === j) covariance[i * d + j] += 0.1;
    }
  }
  return gaussianOf(random.fillNormal(new Float64Array(d)), covariance);
}

const gaussian = someGaussian(D), within = widestSubspace(gaussian, AXES);
const own = randomMixture(Random.fromSeed(2), 3, AXES);
const mixture: GaussianMixture = { ...own, within };

/** The same mixture by whole covariances: U·diag(component within, λ elsewhere)·Uᵀ. */
function whole({ weights, components }: GaussianMixture, { gaussian, axes }: Subspace): GaussianMixture {
  const d = gaussian.mean.length, columns = columnsOf(within);
  const others = [...gaussian.eigenvalues.keys()].filter((axis) => !axes.includes(axis));
  const basis = columnsOf({ gaussian, axes: Uint32Array.from(gaussian.eigenvalues.keys()) });
  return {
    weights,
    components: components.map((component) => {
      const mean = gaussian.mean.slice(), covariance = new Float64Array(d * d), r = axes.length;
      const factor = columnsOf({ gaussian: component, axes: Uint32Array.from(component.eigenvalues.keys()) });
      for (let i = 0; i < d; i++) {
        for (let k = 0; k < r; k++) mean[i] += columns[i * r + k] * component.mean[k];
        for (let j = 0; j < d; j++) {
          for (const axis of others) {
            covariance[i * d + j] += basis[i * d + axis] * basis[j * d + axis] * gaussian.eigenvalues[axis];
          }
          for (let m = 0; m < r; m++) {
            let left = 0, right = 0;
            for (let k = 0; k < r; k++) {
              left += columns[i * r + k] * factor[k * r + m];
              right += columns[j * r + k] * factor[k * r + m];
            }
            covariance[i * d + j] += left * right * component.eigenvalues[m];
          }
        }
      }
      return gaussianOf(mean, covariance);
    }),
  };
}

const same = whole(own, within);
const near = (a: ArrayLike<number>, b: ArrayLike<number>, within: number, what: string) => {
  equal(a.length, b.length);
  for (let i = 0; i < a.length; i++) {
    ok(Math.abs(a[i] - b[i]) < within * (1 + Math.abs(b[i])), `${what}: ${a[i]} for ${b[i]}`);
  }
};

Deno.test("the widest axes are those of the largest variances, and samples are read by them", () => {
  const order = [...gaussian.eigenvalues.keys()].sort((a, b) => gaussian.eigenvalues[b] - gaussian.eigenvalues[a]);
  deepEqual(new Set(within.axes), new Set(order.slice(0, AXES)));
  const x = floatSamples(sampleMixture(onlyGaussian(gaussian), Random.fromSeed(3), 4000), D);
  const part = samplesWithin(x, within), all = projected(x, within);
  deepEqual([part.count, part.dimension], [4000, AXES]);
  const some = new Float32Array(3 * AXES);
  part.copy(7, 9, some, AXES);
  deepEqual(some, Float32Array.of(0, 0, ...all.subarray(7 * AXES, 9 * AXES)));
  const { mean, eigenvalues } = fitGaussian(floatSamples(all, AXES));
  near(mean, new Float64Array(AXES), 0.15, "mean");
  near([...eigenvalues].sort(), Array.from(within.axes, (axis) => gaussian.eigenvalues[axis]).sort(), 0.1, "variances");
});

Deno.test("its density, blurred too, and its denoiser are those of the mixture by whole covariances", () => {
  const x = sampleMixture(mixture, Random.fromSeed(4), 50);
  near(mixtureNll(floatSamples(x, D), mixture), mixtureNll(floatSamples(x, D), same), 1e-6, "NLL");
  near(
    mixtureNll(floatSamples(x, D), blurredMixture(mixture, 0.3)),
    mixtureNll(floatSamples(x, D), blurredMixture(same, 0.3)),
    1e-6,
    "blurred",
  );
  tf.tidy(() => {
    const logsnr = tf.tensor1d(Float32Array.from({ length: 50 }, (_, i) => i / 4 - 5));
    const [a, b] = [mixture, same].map((each) => mixturePrediction(each)(tf.tensor2d(x, [50, D]), logsnr).dataSync());
    near(a, b, 2e-4, "ε̂");
    const images = mixturePrediction(mixture)(tf.tensor3d(x, [50, D, 1]), logsnr);
    deepEqual(images.shape, [50, D, 1]);
  });
  equal(dimensionOf(mixture), D);
  equal(mixtureName(mixture), "a mixture of 3 Gaussians along 2 of 5 axes");
});

Deno.test("its samples are its own: their NLL is its entropy's, under the same mixture by whole covariances too", () => {
  const of = (from: GaussianMixture, under: GaussianMixture) => {
    const nll = mixtureNll(floatSamples(sampleMixture(from, Random.fromSeed(5), 20_000), D), under);
    return nll.reduce((sum, value) => sum + value / nll.length, 0);
  };
  ok(Math.abs(of(mixture, same) - of(same, same)) < 0.05, `${of(mixture, same)} and ${of(same, same)}`);
});

Deno.test("a run keeps it, and damaged axes are refused", () =>
  inFolder(async (path) => {
    const folder = new RunFolder(path), info = { shape: [D], gaussian, reference: mixture };
    await writeDataInfo(folder, info, info);
    const read = await readDataInfo(folder);
    deepEqual(read, info);
    for (
      const [axes, message] of [[[1, 1], /axes are not different/], [[0, 9], /0 to 4/], [
        [0.5, 1],
        /whole numbers/,
      ]] as const
    ) {
      const tensors = { ...gaussianTensors(gaussian), ...mixtureTensors(mixture) };
      const damaged = { ...tensors, "reference.axes": { shape: [2], data: Float64Array.from(axes) } };
      const metadata = { format: "itdiffusion-data", shape: JSON.stringify([D]) };
      await Deno.writeFile(folder.file("data.safetensors"), encodeSafetensors(damaged, metadata));
      await rejects(readDataInfo(folder), { name: "DataInfoError", message });
    }
  }));

Deno.test("of 300 dimensions a mixture is fitted along the widest, and is better than the Gaussian", async () => {
  const d = 300, wide = randomMixture(Random.fromSeed(6), 4, 8);
  const draw = (seed: number, n: number) => {
    const inner = sampleMixture(wide, Random.fromSeed(seed), n),
      x = Random.fromSeed(seed + 100).fillNormal(new Float32Array(n * d));
    // Eight directions, each along every eighth value, in noise.
    for (let i = 0; i < n * d; i++) x[i] = 0.2 * x[i] + inner[Math.floor(i / d) * 8 + i % d % 8];
    return floatSamples(x, d);
  };
  const [train, validation, fresh] = [draw(1, 1500), draw(2, 300), draw(3, 500)];
  const engine = await createEngine("onnx-cpu", 1), gaussian = fitGaussian(train);
  const { reference } = await chooseReference(
    engine,
    { train, validation },
    gaussian,
    { kind: "auto" },
    Random.fromSeed(0),
  );
  engine.dispose();
  equal(reference.within?.axes.length, 64);
  const mean = (under: GaussianMixture) => mixtureNll(fresh, under).reduce((sum, nll) => sum + nll / 500, 0);
  const gain = mean(onlyGaussian(gaussian)) - mean(reference);
  ok(gain > 1, `${gain} nats`);
});
