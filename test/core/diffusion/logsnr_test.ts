import { deepEqual, ok } from "assert";
import { gaussianMmse } from "../../../core/reference/gaussian.ts";
import { bitsPerDimension, standardEntropy } from "../../../core/diffusion/likelihood.ts";
import {
  evenProposal,
  logsnrAtQuantile,
  logsnrRange,
  logsnrWeight,
  proposalOfSpectrum,
  quantileOfLogsnr,
} from "../../../core/diffusion/logsnr.ts";
import { assertWithin, readCase, readTensors } from "../../reference.ts";

Deno.test("log SNR and weights equal the reference for every proposal", async () => {
  const { tolerances } = await readCase("core/logistic");
  const { u, loc_scale, logsnr, weights } = await readTensors("core/logistic/logistic.safetensors");
  const n = u.data.length;
  for (let row = 0; row < loc_scale.shape[0]; row++) {
    const proposal = { loc: loc_scale.data[2 * row], scale: loc_scale.data[2 * row + 1] };
    const drawn = Float64Array.from(u.data, (p) => logsnrAtQuantile(p, proposal));
    assertWithin(drawn, logsnr.data.subarray(row * n, (row + 1) * n), tolerances.logsnr, "logsnr");
    const got = drawn.map((alpha) => logsnrWeight(alpha, proposal));
    assertWithin(got, weights.data.subarray(row * n, (row + 1) * n), tolerances.weights, "weights");
  }
});

Deno.test("the weight is one over the density: it integrates to the range", () => {
  const proposal = { loc: 1, scale: 2 };
  const [low, high] = logsnrRange(proposal);
  deepEqual([low, high], [-7, 9]);
  const n = 100_000;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += logsnrWeight(logsnrAtQuantile((i + 0.5) / n, proposal), proposal) / n;
  assertWithin([sum], [high - low], { rtol: 1e-6, atol: 0 }, "range");
  assertWithin(
    [logsnrAtQuantile(0, proposal), logsnrAtQuantile(1, proposal)],
    [low, high],
    { rtol: 1e-12, atol: 0 },
    "ends",
  );
});

Deno.test("an even proposal covers its range evenly, and a quantile is that of its log SNR for every proposal", () => {
  const even = evenProposal(-6, 11);
  const exact = { rtol: 1e-12, atol: 1e-12 };
  assertWithin(logsnrRange(even), [-6, 11], exact, "range");
  assertWithin([0, 0.25, 1].map((u) => logsnrAtQuantile(u, even)), [-6, -1.75, 11], exact, "log SNRs");
  assertWithin([-6, 0, 11].map((alpha) => logsnrWeight(alpha, even)), [17, 17, 17], exact, "weights");
  for (const proposal of [even, { ...even, even: false }, { loc: 2, scale: 0.7, clip: 3 }]) {
    const quantiles = [0, 0.1, 0.5, 0.93, 1];
    const back = quantiles.map((u) => quantileOfLogsnr(logsnrAtQuantile(u, proposal), proposal));
    assertWithin(back, quantiles, { rtol: 1e-9, atol: 1e-9 }, "quantiles");
  }
});

Deno.test("the Gaussian's MMSE equals the reference", async () => {
  const { tolerances } = await readCase("core/logistic");
  const tensors = await readTensors("core/logistic/mmse.safetensors");
  const curve = (eigenvalues: number[]) => Float64Array.from(tensors.logsnr.data, (a) => gaussianMmse(a, eigenvalues));
  for (const d of [1, 2, 48, 3072]) {
    const name = `standard.d${d}`;
    assertWithin(curve(new Array(d).fill(1)), tensors[name].data, tolerances[name], name);
  }
  for (const name of ["spectrum0", "spectrum1"]) {
    const eigenvalues = Array.from(tensors[`${name}.log_eigs`].data, Math.exp);
    assertWithin(curve(eigenvalues), tensors[`${name}.mmse`].data, tolerances[`${name}.mmse`], name);
  }
});

Deno.test("the entropy of N(0, I) equals the reference", async () => {
  const { scalars, tolerances } = await readCase("core/logistic");
  const { value } = scalars.h_g as { value: Record<string, number> };
  for (const [d, h] of Object.entries(value)) {
    assertWithin([standardEntropy(Number(d))], [h], tolerances.h_g, `h of ${d}`);
  }
});

Deno.test("a spectrum gives the proposal that matches its logistic mixture", () => {
  deepEqual(proposalOfSpectrum([1, 1, 1]), { loc: -0, scale: 1 });
  const { loc, scale } = proposalOfSpectrum([Math.exp(-3), Math.exp(1)]);
  assertWithin([loc, scale], [1, Math.sqrt(1 + 3 / Math.PI ** 2 * 4)], { rtol: 1e-12, atol: 0 }, "proposal");
  ok(scale < Math.sqrt(1 + 3 / Math.PI * 4), "the derived factor is 3/π², not the published code's 3/π");
});

Deno.test("bits per dimension", () => {
  assertWithin(
    [bitsPerDimension(-8400, 3072)],
    [-3.9448692524307596],
    { rtol: 1e-12, atol: 0 },
    "CIFAR-10 of the seed",
  );
});
