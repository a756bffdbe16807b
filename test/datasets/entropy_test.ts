import assert from "assert";
import * as circle from "../../datasets/circle.ts";
import * as dino from "../../datasets/dino/mod.ts";
import { dinoPoints } from "../../datasets/dino/points.ts";
import * as line from "../../datasets/line.ts";
import * as moons from "../../datasets/moons.ts";
import * as ring from "../../datasets/ring.ts";
import * as scg from "../../datasets/scg.ts";
import type { Dataset } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { toFloat32 } from "../../core/data/samples.ts";
import statistics from "../reference/datasets/statistics.json" with { type: "json" };

const load = { circle, dino, line, moons, scg };

/** A data set's entropy and test points. */
function known({ entropy, test }: Dataset): { entropy: number; test: Float32Array } {
  assert.ok(entropy !== undefined && test !== undefined);
  return { entropy, test: toFloat32(test) };
}

for (const [name, plugin] of Object.entries(load)) {
  Deno.test(`${name}'s entropy is the true one, up to the sample's own scale`, () => {
    const { entropy } = known(plugin.load(Random.fromSeed(3)));
    const truth = statistics[name as keyof typeof load].entropy_nats;
    // The log of a standard deviation measured on 8,000 points, for two axes.
    assert.ok(Math.abs(entropy - truth) < 4 * Math.sqrt(2 * 0.5 / 8000), `${entropy}, ${truth}`);
  });

  Deno.test(`${name}'s entropy at unit variances is the true one`, () => {
    const { raw_cov: covariance, entropy_nats: truth } = statistics[name as keyof typeof load];
    const unit = plugin.rawEntropy - 0.5 * Math.log(covariance[0][0] * covariance[1][1]);
    assert.ok(Math.abs(unit - truth) < 2e-6, `${unit}, ${truth}`);
  });
}

Deno.test("scg's entropy is exact", () => {
  assert.ok(Math.abs(known(scg.load(Random.fromSeed(3))).entropy - statistics.scg.entropy_nats) < 1e-12);
});

Deno.test("line's entropy is the log of its own area", () => {
  const { entropy, test } = known(line.load(Random.fromSeed(3), { points: 100 }));
  const sides = [0, 1].map((axis) => {
    const values = test.filter((_, i) => i % 2 === axis).sort();
    return values[values.length - 1] - values[0];
  });
  assert.ok(Math.abs(entropy - Math.log(sides[0] * sides[1])) < 5e-4);
});

Deno.test("entropies are not given for noise of which they are not known", () => {
  for (const plugin of [dino, moons, ring]) {
    const { default: noise } = plugin.options.noise;
    assert.equal("entropy" in plugin.load(Random.fromSeed(1), { noise: noise / 2, points: 10 }), false);
    assert.equal("entropy" in plugin.load(Random.fromSeed(1), { noise, points: 10 }), true);
  }
});

/** The standard deviation of the noise of moons and ring. */
const NOISE = 0.03;

/** How many of the test points a mean of −log p is over. */
const ROWS = 1500;

/** The mean and standard deviation of one axis. */
function momentsOf(points: Float32Array, axis: number): { mean: number; deviation: number } {
  const values = Float64Array.from(points.filter((_, i) => i % 2 === axis));
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return { mean, deviation: Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length) };
}

/**
 * The mean of −log p over some of the test points, in the data's coordinates: p is the density of curve points with
 * Gaussian noise in raw coordinates, whose map is recovered from the raw moments.
 */
function crossEntropy(test: Float32Array, curve: number[][], raw: { mean: number[]; variance: number[] }): number {
  const axes = [0, 1].map((axis) => {
    const { mean, deviation } = momentsOf(test, axis);
    return { mean, deviation, factor: Math.sqrt(raw.variance[axis]) / deviation };
  });
  const rows = ROWS, step = test.length / 2 / rows;
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const [x, y] = axes.map(({ mean, factor }, axis) =>
      raw.mean[axis] + factor * (test[2 * Math.floor(row * step) + axis] - mean)
    );
    let density = 0;
    for (const [u, v] of curve) density += Math.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * NOISE ** 2));
    sum -= Math.log(density / curve.length / (2 * Math.PI * NOISE ** 2));
  }
  return sum / rows - Math.log(axes[0].factor) - Math.log(axes[1].factor);
}

const arc = (angle: number) => [Math.cos(angle), Math.sin(angle)];

Deno.test("moons' entropy is the mean of −log p over its points", () => {
  const angles = Array.from({ length: 300 }, (_, i) => Math.PI * (i + 0.5) / 300);
  const curve = angles.flatMap((angle) => [arc(angle), [1 - Math.cos(angle), 0.5 - Math.sin(angle)]]);
  const { entropy, test } = known(moons.load(Random.fromSeed(3)));
  const { raw_mean: mean, raw_cov: covariance } = statistics.moons;
  const got = crossEntropy(test, curve, { mean, variance: [covariance[0][0], covariance[1][1]] });
  assert.ok(Math.abs(got - entropy) < 4 * 0.75 / Math.sqrt(ROWS), `${got}, ${entropy}`);
});

Deno.test("ring's entropy is the mean of −log p over its points", () => {
  const curve = Array.from({ length: 500 }, (_, i) => arc(2 * Math.PI * i / 500));
  const { entropy, test } = known(ring.load(Random.fromSeed(3)));
  const variance = 0.5 + NOISE ** 2;
  const got = crossEntropy(test, curve, { mean: [0, 0], variance: [variance, variance] });
  assert.ok(Math.abs(got - entropy) < 4 * 0.75 / Math.sqrt(ROWS), `${got}, ${entropy}`);
});

Deno.test("ring's entropy is that of quadrature over the radius", () => {
  // p(r) as an integral over the angle of the circle's point, by the trapezoid rule.
  let entropy = 0, mass = 0;
  const variance = NOISE ** 2, step = NOISE / 20, angles = 300, reach = 10 * NOISE;
  for (let r = 1 - reach; r < 1 + reach; r += step) {
    let density = 0;
    for (let i = -angles; i <= angles; i++) {
      density += Math.exp(-(r * r + 1 - 2 * r * Math.cos(reach * i / angles)) / (2 * variance));
    }
    density *= reach / angles / (2 * Math.PI) / (2 * Math.PI * variance);
    mass += 2 * Math.PI * r * density * step;
    entropy -= 2 * Math.PI * r * density * Math.log(density) * step;
  }
  assert.ok(Math.abs(mass - 1) < 1e-9, `${mass}`);
  assert.ok(Math.abs(ring.rawEntropy - entropy) < 2e-6, `${entropy}`);
});

Deno.test("dino's entropy is that of its mixture, by quadrature around each component", () => {
  // Gauss–Hermite nodes and weights of order 5, for a standard normal variable.
  const far = Math.sqrt(5 + Math.sqrt(10)), near = Math.sqrt(5 - Math.sqrt(10));
  const farWeight = (7 - 2 * Math.sqrt(10)) / 60, nearWeight = (7 + 2 * Math.sqrt(10)) / 60;
  const nodes = [[-far, farWeight], [-near, nearWeight], [0, 8 / 15], [near, nearWeight], [far, farWeight]];
  const noise = 0.15, n = dinoPoints.length / 2;
  assert.equal(n, 142);
  const logDensity = (x: number, y: number) => {
    let sum = 0;
    for (let i = 0; i < 2 * n; i += 2) {
      sum += Math.exp(-((x - dinoPoints[i]) ** 2 + (y - dinoPoints[i + 1]) ** 2) / (2 * noise ** 2));
    }
    return Math.log(sum / n / (2 * Math.PI * noise ** 2));
  };
  let entropy = 0;
  for (let i = 0; i < 2 * n; i += 2) {
    for (const [u, wu] of nodes) {
      for (const [v, wv] of nodes) {
        entropy -= wu * wv / n * logDensity(dinoPoints[i] + noise * u, dinoPoints[i + 1] + noise * v);
      }
    }
  }
  assert.ok(Math.abs(dino.rawEntropy - entropy) < 1e-3, `${entropy}`);
});
