import { equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { type Condition, encodeCondition, givenEach, givenNothing } from "../../../core/data/condition.ts";
import { floatSamples, type Samples, selectRows, toFloat32 } from "../../../core/data/samples.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { chooseReference } from "../../../core/reference/choose_reference.ts";
import { type Conditioning, NEVER, numberPlaces, structureOf } from "../../../core/reference/conditioning.ts";
import { fitGaussian, gaussianOf } from "../../../core/reference/gaussian.ts";
import { type GaussianMixture, gaussianMixture, mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { mixturePrediction } from "../../../core/reference/mixture_prediction.ts";

/** A class and two numbers, which are x and y of the third and fourth axis. */
const CONDITION: Condition = [
  { name: "u", kind: "number", mean: 0, scale: 1 },
  { name: "c", kind: "class", levels: [0, 1], counts: [1, 1] },
  { name: "v", kind: "number", mean: 0, scale: 1 },
];
const K = 3, D = 2, M = 2;

/** A random mixture of (x, y, u, v), and log p(c | component). */
function joint() {
  const random = Random.fromSeed(3), size = D + M;
  const weights = [0.5, 0.2, 0.3], means = random.fillNormal(new Float64Array(K * size));
  const covariances = new Float64Array(K * size * size);
  for (let i = 0; i < K; i++) {
    const a = random.fillNormal(new Float64Array(size * size));
    for (let r = 0; r < size; r++) {
      for (let c = 0; c < size; c++) {
        let sum = r === c ? 0.2 : 0;
        for (let j = 0; j < size; j++) sum += a[r * size + j] * a[c * size + j] / size;
        covariances[(i * size + r) * size + c] = sum;
      }
    }
  }
  return { weights, means, covariances, classes: [[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]] };
}

/** The mixture of some of the axes, with the components' weights those given a class. */
function marginal(axes: readonly number[], level?: number): GaussianMixture {
  const { weights, means, covariances, classes } = joint(), size = D + M;
  const own = weights.map((w, i) => level === undefined ? w : w * classes[i][level]);
  const total = own.reduce((a, b) => a + b);
  return gaussianMixture({
    weights: own.map((w) => w / total),
    means: Array.from({ length: K }, (_, i) => axes.map((a) => means[i * size + a])).flat(),
    covariances: Array.from(
      { length: K },
      (_, i) => axes.flatMap((a) => axes.map((b) => covariances[(i * size + a) * size + b])),
    ).flat(),
  });
}

/** The same as a mixture of (x, y) that goes by what is known. */
function conditional(): GaussianMixture {
  const { means, covariances, classes } = joint(), size = D + M, width = 7;
  const given: Conditioning = {
    logits: new Float64Array(K * width),
    numbers: numberPlaces(CONDITION),
    means: Float64Array.from({ length: K * M }, (_, at) => means[Math.floor(at / M) * size + D + at % M]),
    cross: Float64Array.from({ length: K * D * M }, (_, at) => {
      const [i, a, j] = [Math.floor(at / (D * M)), Math.floor(at / M) % D, at % M];
      return covariances[(i * size + a) * size + D + j];
    }),
    covariances: Float64Array.from({ length: K * M * M }, (_, at) => {
      const [i, a, j] = [Math.floor(at / (M * M)), Math.floor(at / M) % M, at % M];
      return covariances[(i * size + D + a) * size + D + j];
    }),
  };
  classes.forEach((own, i) => own.forEach((p, level) => given.logits[i * width + 3 + level] = Math.log(p)));
  return { ...marginal([0, 1]), given };
}

const CASES: readonly (readonly [u: number, c: number, v: number])[] = [
  [NaN, NaN, NaN],
  [NaN, 1, NaN],
  [0.7, NaN, NaN],
  [NaN, 0, -1.1],
  [0.7, 1, -1.1],
];

Deno.test("−log p(x | c) is that of the joint less that of what is known, whatever is", () => {
  const mixture = conditional(), points = Random.fromSeed(5).fillNormal(new Float32Array(2 * CASES.length));
  const samples = givenEach(floatSamples(points, 2), encodeCondition(CONDITION, CASES.flat()));
  const nll = mixtureNll(samples, mixture);
  CASES.forEach(([u, c, v], row) => {
    const axes = [...Number.isNaN(u) ? [] : [2], ...Number.isNaN(v) ? [] : [3]];
    const values = [u, v].filter((value) => !Number.isNaN(value)), level = Number.isNaN(c) ? undefined : c;
    const of = (own: readonly number[], at: readonly number[]) =>
      own.length === 0 ? 0 : mixtureNll(floatSamples(Float32Array.from(own), own.length), marginal(at, level))[0];
    const expected = of([points[2 * row], points[2 * row + 1], ...values], [0, 1, ...axes]) - of(values, axes);
    ok(Math.abs(nll[row] - expected) < 1e-6, `${CASES[row]}: ${nll[row]} for ${expected}`);
  });
  const untold = mixtureNll(givenNothing(samples), mixture);
  ok(Math.abs(untold[0] - nll[0]) < 1e-9);
});

Deno.test("the denoiser given what is known is that of the density's own score", () => {
  const mixture = conditional(), predict = mixturePrediction(mixture), n = CASES.length;
  const random = Random.fromSeed(6), x = random.fillNormal(new Float32Array(2 * n));
  const vectors = encodeCondition(CONDITION, CASES.flat()), logsnr = Float32Array.of(-2, 0, 1, 2, 4);
  const epsHat = tf.tidy(() =>
    (predict(tf.tensor2d(x, [n, 2]), tf.tensor1d(logsnr), tf.tensor2d(vectors, [n, 7])) as tf.Tensor2D).arraySync()
  );
  // ε̂ = −√σ(−α)·∇ log p(z), of the density of z: that of the joint with x scaled and blurred, less that of what is known.
  CASES.forEach((_, row) => {
    const signal = 1 / (1 + Math.exp(-logsnr[row])), blur = 1 - signal;
    const noisy: GaussianMixture = {
      ...mixture,
      components: mixture.components.map(({ mean, eigenvalues, eigenvectors }) => {
        const covariance = Float64Array.of(0, 0, 0, 0);
        for (let a = 0; a < 2; a++) {
          for (let b = 0; b < 2; b++) {
            for (let k = 0; k < 2; k++) {
              covariance[2 * a + b] += eigenvectors![2 * a + k] * eigenvalues[k] * eigenvectors![2 * b + k] * signal;
            }
            if (a === b) covariance[2 * a + b] += blur;
          }
        }
        return gaussianOf(mean.map((m) => Math.sqrt(signal) * m), covariance);
      }),
      given: { ...mixture.given!, cross: mixture.given!.cross.map((value) => Math.sqrt(signal) * value) },
    };
    const at = (i: number, step: number) => {
      const point = x.slice(2 * row, 2 * row + 2);
      point[i] += step;
      return -mixtureNll(givenEach(floatSamples(point, 2), vectors.slice(7 * row, 7 * row + 7)), noisy)[0];
    };
    for (const i of [0, 1]) {
      const expected = -Math.sqrt(blur) * (at(i, 1 / 256) - at(i, -1 / 256)) * 128;
      ok(Math.abs(epsHat[row][i] - expected) < 1e-3, `${row}: ${epsHat[row][i]} for ${expected}`);
    }
  });
});

/** Samples of a mixture of (x, c), −log p(x | c) and −log p(x) of each. */
function labelled(random: Random, n: number) {
  const prior = [0.6, 0.3, 0.1], rows: number[] = [], classes: number[] = [];
  const own = [[[-2, 0], [0, 2]], [[2, 0], [0, -2]], [[0, 0], [1.5, 1.5]]].map((means) =>
    gaussianMixture({ weights: [0.5, 0.5], means: means.flat(), covariances: [0.3, 0, 0, 0.3, 0.3, 0, 0, 0.3] })
  );
  for (let i = 0; i < n; i++) {
    let u = random.uniform(), c = 0;
    while (c < 2 && (u -= prior[c]) > 0) c++;
    classes.push(c);
    rows.push(...sampleMixture(own[c], random.split(i), 1));
  }
  const condition: Condition = [{
    ...{ name: "c", kind: "class", levels: [0, 1, 2] },
    counts: [0, 1, 2].map((level) => classes.filter((c) => c === level).length),
  }];
  const samples = givenEach(floatSamples(Float32Array.from(rows), 2), encodeCondition(condition, classes));
  const each = own.map((mixture) => mixtureNll(givenNothing(samples), mixture));
  const exact = Float64Array.from(classes, (c, i) => each[c][i]);
  const plain = Float64Array.from(
    classes,
    (_, i) => -Math.log(each.reduce((sum, nll, c) => sum + prior[c] * Math.exp(-nll[i]), 0)),
  );
  return { samples, condition, exact, plain };
}

async function chosen(train: Samples, validation: Samples, condition: Condition): Promise<GaussianMixture> {
  const engine = await createEngine("onnx-cpu", 1), random = Random.fromSeed(0);
  const request = { kind: "auto" } as const, gaussian = fitGaussian(train);
  const { reference } = await chooseReference(
    engine,
    { train, validation },
    gaussian,
    request,
    random,
    undefined,
    condition,
  );
  engine.dispose();
  return reference;
}

Deno.test("a class has a mixture of its own, and all together are that of p(x)", async () => {
  const random = Random.fromSeed(1), { samples, condition } = labelled(random.split("train"), 4000);
  const part = (begin: number, end: number) =>
    selectRows(samples, Uint32Array.from({ length: end - begin }, (_, i) => begin + i));
  const reference = await chosen(part(0, 3600), part(3600, 4000), condition);
  equal(reference.given?.numbers.length, 0);
  const test = labelled(random.split("test"), 4000);
  for (const [truth, told] of [[test.exact, test.samples], [test.plain, givenNothing(test.samples)]] as const) {
    const gap = meanAndStderr(mixtureNll(told, reference).map((nll, i) => nll - truth[i]));
    ok(gap.mean < 0.03 && gap.mean > -2 * gap.stderr, `${gap.mean} ± ${gap.stderr}`);
  }
});

Deno.test("classes of few samples share a mixture, and one of none does no harm", async () => {
  const { samples, condition } = labelled(Random.fromSeed(2), 600), [own] = condition;
  const levels = Array.from({ length: 600 }, (_, i) => i < 580 ? i % 2 : 2 + i % 2);
  const wide: Condition = [{ ...own, kind: "class", levels: [0, 1, 2, 3, 9], counts: [290, 290, 10, 10, 0] }];
  const apart = toFloat32(samples).map((x, i) => x + (levels[i >> 1] === 0 ? 6 : 0));
  const data = givenEach(floatSamples(apart, 2), encodeCondition(wide, levels));
  const reference = await chosen(data, data, wide), { logits } = reference.given!;
  const shared = Array.from(reference.weights.keys()).filter((k) => logits[k * 6 + 3] > NEVER);
  ok(shared.length > 0 && shared.every((k) => Math.abs(logits[k * 6 + 3] + Math.LN2) < 1e-12));
  const rest = shared.reduce((sum, k) => sum + reference.weights[k], 0);
  ok(Math.abs(rest - 20 / 600) < 1e-9, String(rest));
  for (const level of wide.flatMap((variable) => variable.kind === "class" ? variable.levels : [])) {
    const one = givenEach(floatSamples(Float32Array.of(0.5, 0.5), 2), encodeCondition(wide, [level]));
    ok(Number.isFinite(mixtureNll(one, reference)[0]), `level ${level}`);
  }
});

Deno.test("numbers are normal together with the values, and what they leave open is the structure", async () => {
  const random = Random.fromSeed(4), n = 2000, values = new Float32Array(2 * n), ages = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const z = random.normal();
    ages[i] = 40 + 12 * z;
    values.set([z + 0.05 * random.normal(), 0.2 * random.normal() - 0.5 * z], 2 * i);
  }
  const condition: Condition = [{ name: "age", kind: "number", mean: 40, scale: 12 }];
  const data = givenEach(floatSamples(values, 2), encodeCondition(condition, ages));
  const part = (begin: number, end: number) =>
    selectRows(data, Uint32Array.from({ length: end - begin }, (_, i) => begin + i));
  const reference = await chosen(part(0, 1800), part(1800, 2000), condition);
  const { mean, stderr } = meanAndStderr(mixtureNll(part(1000, 2000), reference));
  const exact = Math.log(2 * Math.PI * Math.E * 0.05 * 0.2);
  ok(Math.abs(mean - exact) < 2 * stderr + 0.01, `${mean} ± ${stderr} for ${exact}`);
  const finest = Math.min(...structureOf(reference).components.flatMap(({ eigenvalues }) => [...eigenvalues]));
  ok(Math.abs(Math.sqrt(finest) - 0.05) < 0.01, String(finest));
});

Deno.test("samples of which nothing is known count for p(x), and with an unknown number for nothing", async () => {
  const random = Random.fromSeed(6), n = 4000, values = new Float32Array(2 * n), known = new Float64Array(2 * n);
  // x is normal about its class and with a slope in the number; of half of all the class is unknown, of a third the number.
  for (let i = 0; i < n; i++) {
    const c = random.integer(2), u = random.normal();
    values.set([4 * c + u + 0.5 * random.normal(), random.normal()], 2 * i);
    known.set([i % 2 ? NaN : c, i % 3 ? u : NaN], 2 * i);
  }
  const condition: Condition = [
    { name: "c", kind: "class", levels: [0, 1], counts: [1000, 1000] },
    { name: "u", kind: "number", mean: 0, scale: 1 },
  ];
  const data = givenEach(floatSamples(values, 2), encodeCondition(condition, known));
  const part = (begin: number, end: number) =>
    selectRows(data, Uint32Array.from({ length: end - begin }, (_, i) => begin + i));
  const reference = await chosen(part(0, 3600), part(3600, n), condition);
  ok(reference.given);
  const at = (x: number, given: readonly number[]) => {
    const one = givenEach(floatSamples(Float32Array.of(x, 0), 2), encodeCondition(condition, given));
    return Math.exp(-mixtureNll(one, reference)[0]);
  };
  const normal = (x: number, mean: number, variance: number) =>
    Math.exp(-((x - mean) ** 2) / 2 / variance) / (2 * Math.PI * Math.sqrt(variance));
  for (const x of [0, 1.5, 4]) {
    const exact = [
      [[0, 1], normal(x, 1, 0.25)],
      [[1, NaN], normal(x, 4, 1.25)],
      [[NaN, NaN], (normal(x, 0, 1.25) + normal(x, 4, 1.25)) / 2],
    ] as const;
    for (const [given, density] of exact) {
      ok(Math.abs(at(x, given) - density) < 0.02, `${x} given ${given}: ${at(x, given)} for ${density}`);
    }
  }
});

Deno.test("of more than three numbers the mixture goes by all of them or none", () => {
  const m = 4,
    condition: Condition = Array.from({ length: m }, (_, k) => ({
      ...{ name: `u${k}`, kind: "number", mean: 0, scale: 1 },
    }));
  // x = Σ u / 2 + noise of the variance 1/4: normal with the variance 5/4.
  const mixture: GaussianMixture = {
    ...gaussianMixture({ weights: [1], means: [0], covariances: [1.25] }),
    given: {
      ...{ logits: new Float64Array(2 * m), numbers: numberPlaces(condition), means: new Float64Array(m) },
      cross: new Float64Array(m).fill(0.5),
      covariances: Float64Array.from({ length: m * m }, (_, at) => Number(at % (m + 1) === 0)),
    },
  };
  const rows = [[1, 2, -1, 0.5], [1, 2, -1, NaN]], x = 0.9;
  const samples = givenEach(floatSamples(Float32Array.of(x, x), 1), encodeCondition(condition, rows.flat()));
  const exact = (mean: number, variance: number) =>
    0.5 * ((x - mean) ** 2 / variance + Math.log(2 * Math.PI * variance));
  const nll = mixtureNll(samples, mixture);
  ok(Math.abs(nll[0] - exact(1.25, 0.25)) < 1e-6 && Math.abs(nll[1] - exact(0, 1.25)) < 1e-6, String(nll));
  const [whole, some] = tf.tidy(() => {
    const c = tf.tensor2d(encodeCondition(condition, rows.flat()), [2, 2 * m]);
    return mixturePrediction(mixture)(tf.tensor2d([x, x], [2, 1]), tf.tensor1d([0, 0]), c).arraySync() as number[][];
  });
  // ε̂ = √σ(−α)·(z − √σ(α)·mean) / (σ(α)·variance + σ(−α)) at α = 0.
  const epsHat = (mean: number, variance: number) => Math.SQRT1_2 * (x - Math.SQRT1_2 * mean) / (0.5 * variance + 0.5);
  ok(Math.abs(whole[0] - epsHat(1.25, 0.25)) < 1e-5 && Math.abs(some[0] - epsHat(0, 1.25)) < 1e-5);
});

Deno.test("of data of many dimensions classes have mixtures along the widest directions", async () => {
  const d = 280, n = 1200, random = Random.fromSeed(8), values = random.fillNormal(new Float32Array(d * n));
  const classes = Array.from({ length: n }, (_, i) => i % 2);
  // Two directions of large variance, of which one tells the classes.
  for (let i = 0; i < n; i++) {
    values[i * d] = 0.5 * values[i * d] + (classes[i] === 0 ? 3 : -3);
    values[i * d + 1] *= 3;
  }
  const condition: Condition = [{ name: "c", kind: "class", levels: [0, 1], counts: [600, 600] }];
  const data = givenEach(floatSamples(values, d), encodeCondition(condition, classes));
  const part = (begin: number, end: number) =>
    selectRows(data, Uint32Array.from({ length: end - begin }, (_, i) => begin + i));
  const reference = await chosen(part(0, 1000), part(1000, 1200), condition), test = part(1000, 1200);
  equal(reference.within?.axes.length, 64);
  ok(reference.given);
  const given = mixtureNll(test, reference);
  const gain = meanAndStderr(mixtureNll(givenNothing(test), reference).map((nll, i) => nll - given[i]));
  ok(Math.abs(gain.mean - Math.LN2) < 0.05 + 2 * gain.stderr, `${gain.mean} ± ${gain.stderr}`);
  const z = toFloat32(test, 0, 4), vectors = encodeCondition(condition, classes.slice(1000, 1004));
  const [told, untold] = tf.tidy(() => {
    const predict = mixturePrediction(reference), at = tf.fill([4], 8) as tf.Tensor1D;
    const noisy = tf.mul(tf.tensor2d(z, [4, d]), Math.sqrt(1 / (1 + Math.exp(-8))));
    return [predict(noisy, at, tf.tensor2d(vectors, [4, 3])), predict(noisy, at)].map((each) => each.dataSync());
  });
  told.forEach((value, i) => ok(Math.abs(value - untold[i]) < 0.02, "with little noise the class adds nothing"));
});
