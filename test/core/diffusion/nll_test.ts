import { ok } from "assert";
import { entropy, gaussianNll, gaussianOf, standardGaussian } from "../../../core/reference/gaussian.ts";
import { meanAndStderr, nllAgainstReference } from "../../../core/diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrWeight } from "../../../core/diffusion/logsnr.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { assertWithin, readCase, readTensors } from "../../reference.ts";

Deno.test("a Gaussian's entropy and log density are exact", async () => {
  const { scalars } = await readCase("core/nll");
  const { cov } = await readTensors("core/nll/data.safetensors");
  const gaussian = gaussianOf([0, 0], cov.data);
  const truth = (scalars.true_entropy_nats as { value: number }).value;
  assertWithin([entropy(gaussian)], [truth], { rtol: 1e-6, atol: 0 }, "entropy");
  const points = await readTensors("core/nll/points.safetensors");
  assertWithin(
    gaussianNll(floatSamples(points.x.data, 2), gaussian),
    points.neg_log_density.data,
    { rtol: 1e-4, atol: 1e-4 },
    "density",
  );
});

Deno.test("the paired estimator has no variance for the Gaussian's own denoiser, and its mean is the truth for another", () => {
  ok(nllAgainstReference({ logsnr: 1, weight: 17, mse: 0.25 }, 0.25, 1.5) === 1.5);
  // In one dimension, N(0, 1/4) seen through the denoiser of N(0, 1): the NLL is the cross entropy's, ½log(2π) + 1/8.
  const random = Random.fromSeed(1);
  const gaussian = { mean: new Float64Array(1), eigenvalues: Float64Array.of(0.25) };
  const proposal = { loc: 0.7, scale: 2.5 };
  const n = 40_000;
  const samples = random.fillNormal(new Float32Array(n)).map((x) => 0.5 * x);
  const baseline = gaussianNll(floatSamples(samples, 1), gaussian);
  const draws = Float64Array.from(samples, (x, i) => {
    const eps = random.normal();
    const logsnr = logsnrAtQuantile((i + 0.5) / n, proposal);
    const [s, r] = [1 / (1 + Math.exp(-logsnr)), 1 / (1 + Math.exp(logsnr))];
    const z = Math.sqrt(s) * x + Math.sqrt(r) * eps;
    const mse = (eps - Math.sqrt(r) * z) ** 2;
    const mseReference = (eps - Math.sqrt(r) * z / (s * 0.25 + r)) ** 2;
    const weight = logsnrWeight(logsnr, proposal);
    return nllAgainstReference({ logsnr, weight, mse }, mseReference, baseline[i]);
  });
  const { mean, stderr } = meanAndStderr(draws);
  const truth = 0.5 * Math.log(2 * Math.PI) + 0.125;
  ok(Math.abs(mean - truth) < 4 * stderr && stderr < 0.03, `${mean} ± ${stderr}, truth ${truth}`);
});

Deno.test("N(0, I) is its own Gaussian", () => {
  ok(Math.abs(entropy(standardGaussian(3)) - 1.5 * Math.log(2 * Math.PI * Math.E)) < 1e-12);
});
