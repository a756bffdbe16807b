import { deepEqual, equal, match, ok, rejects } from "assert";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { Random } from "../../../core/random/random.ts";
import { compareSamples } from "../../../core/quality/compare.ts";
import { findingsOf } from "../../../core/quality/findings.ts";

const N = 300;

/** Two round spots, at (−1.5, 0) and (1.5, 1). */
function spots(random: Random, n: number): Float32Array {
  const rows = random.fillNormal(new Float32Array(2 * n)).map((x) => 0.4 * x);
  for (let i = 0; i < n; i++) {
    const side = random.integer(2);
    rows[2 * i] += 3 * side - 1.5;
    rows[2 * i + 1] += side;
  }
  return rows;
}

/** A Gaussian of the mean and the covariance that rows have. */
function alike(rows: Float32Array, random: Random): Float32Array {
  const n = rows.length / 2, mean = [0, 0], c = [0, 0, 0];
  for (let i = 0; i < rows.length; i++) mean[i % 2] += rows[i] / n;
  for (let i = 0; i < rows.length; i += 2) {
    const [x, y] = [rows[i] - mean[0], rows[i + 1] - mean[1]];
    [x * x, x * y, y * y].forEach((product, k) => c[k] += product / n);
  }
  const out = random.fillNormal(new Float32Array(rows.length)), a = Math.sqrt(c[0]), b = c[1] / a;
  for (let i = 0; i < out.length; i += 2) {
    out[i + 1] = mean[1] + b * out[i] + Math.sqrt(c[2] - b * b) * out[i + 1];
    out[i] = mean[0] + a * out[i];
  }
  return out;
}

const random = Random.fromSeed(0), rows = spots(random.split("training"), 2000), training = floatSamples(rows, 2);
const heldOut = spots(random.split("held out"), N);

const compare = async (samples: Float32Array, of: Samples = training, signal?: AbortSignal) =>
  (await compareSamples({ samples, heldOut, training: of, names: ["x", "y"], isImages: false }, {
    random: random.split("compare"),
    ...(signal ? { signal } : {}),
  })).quality;

Deno.test("fresh rows are as good as data, and the same seed tells the same of them", async () => {
  const fresh = spots(random.split("fresh"), N), quality = await compare(fresh);
  deepEqual(findingsOf(quality), []);
  equal(quality.rows, N);
  const { value, stderr, real, realScatter } = quality.slicedWasserstein;
  ok(Math.abs(value - real) < 4 * Math.hypot(stderr, realScatter), JSON.stringify(quality.slicedWasserstein));
  ok(Math.abs(quality.nearest.samples.closer.value - 0.5) < 0.1);
  deepEqual(await compare(fresh), quality);
});

Deno.test("a Gaussian of the same moments is told apart, and its columns are off, but not their correlation", async () => {
  const quality = await compare(alike(rows, random.split("gaussian")).slice(0, 2 * N)), findings = findingsOf(quality);
  match(findings[0], /^the trees tell samples from held-out rows: [67]\d\.\d % right$/);
  ok(findings.some((finding) => /^the distribution of x/.test(finding)), findings.join("\n"));
  ok(!findings.some((finding) => /memoris/.test(finding)));
  const [pearson] = quality.associations;
  ok(pearson.kind === "pearson" && pearson.largest < 0.15);
});

Deno.test("copies and near copies of training rows are called memorised", async () => {
  const copies = rows.slice(0, 2 * N), near = copies.map((x, i) => x + 0.002 * Math.sin(i));
  const [of, almost] = [await compare(copies), await compare(near)];
  equal(of.nearest.samples.copies, 1);
  equal(of.nearest.real.copies, 0);
  match(findingsOf(of).join(), /^100\.0 % of the samples are copies of training rows, of held-out rows 0\.0 %/);
  match(
    findingsOf(almost).join(),
    /^samples lie closer to single training rows than held-out rows do \(a median of 0\.\d\d of theirs.*memorises$/,
  );
});

Deno.test("a tenth of copies is found, and what is smoother than data is not called memorised", async () => {
  const some = spots(random.split("some"), N), smooth = spots(random.split("smooth"), N);
  some.set(rows.subarray(0, 60).map((x, i) => x + 0.001 * Math.cos(i)));
  match(findingsOf(await compare(some)).join(), /^samples lie closer to single training rows .*1\d\.\d % below/);
  // On the middle of its spot every row has many training rows about it.
  smooth.forEach((x, i) =>
    smooth[i] = i % 2 === 0 ? (x < 0 ? -1.5 : 1.5) + 0.02 * x : 0.02 * x + (smooth[i - 1] < 0 ? 0 : 1)
  );
  const findings = findingsOf(await compare(smooth));
  ok(findings.some((finding) => /but not to single ones: smoother than data/.test(finding)), findings.join("\n"));
});

Deno.test("features of images are compared too, by their Fréchet distance", async () => {
  const images = spots(random.split("images"), N);
  const { quality } = await compareSamples({
    ...{ samples: images.map((x) => x + 0.5), heldOut, training, names: ["0", "1"], isImages: true },
    // Sums and differences.
    featuresOf: (rows) =>
      Promise.resolve({ values: rows.map((x, i) => i % 2 === 0 ? x + rows[i + 1] : x - rows[i - 1]), width: 2 }),
  }, { random });
  const { width, frechet } = quality.features!;
  equal(width, 2);
  // The means of the sums are 1 apart.
  const { value, stderr, real } = frechet;
  ok(Math.abs(value - 1) < 3 * stderr && stderr < 0.6 && value > real + 2 * stderr, JSON.stringify(frechet));
});

Deno.test("it ends where it is asked to, and refuses sets that do not fit", async () => {
  const stop = AbortSignal.abort(new Error("enough"));
  await rejects(compare(spots(random, N), training, stop), /enough/);
  await rejects(compare(spots(random, N - 1)), /expected as many held-out rows/);
  await rejects(compare(spots(random, N), floatSamples(rows.slice(0, 40), 2)), /no fewer training rows/);
});
