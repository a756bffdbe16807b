import assert from "assert";
import * as circle from "../../datasets/circle.ts";
import * as dino from "../../datasets/dino/mod.ts";
import * as line from "../../datasets/line.ts";
import * as moons from "../../datasets/moons.ts";
import * as ring from "../../datasets/ring.ts";
import * as scg from "../../datasets/scg.ts";
import * as square from "../../datasets/square.ts";
import type { DatasetPlugin } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { toFloat32 } from "../../core/data/samples.ts";
import statistics from "../reference/datasets/statistics.json" with { type: "json" };

const plugins: Record<string, DatasetPlugin> = { dino, moons, scg, line, circle, ring };
const standardised = Object.keys(plugins).filter((name) => name !== "scg");

/** A data set's points as plain values. */
interface Points {
  readonly shape: readonly number[];
  readonly train: Float32Array;
  readonly validation: Float32Array;
  readonly test: Float32Array;
}

async function load(name: string, options = {}, seed = 1): Promise<Points> {
  const { shape, train, validation, test } = await plugins[name].load(Random.fromSeed(seed), options);
  assert.ok(test);
  return { shape, train: toFloat32(train), validation: toFloat32(validation), test: toFloat32(test) };
}

const loaded = new Map<string, Promise<Points>>();

/** The data set with default options and seed 1, drawn once for all tests. */
function standard(name: string): Promise<Points> {
  const dataset = loaded.get(name) ?? load(name);
  loaded.set(name, dataset);
  return dataset;
}

/** The mean of f over the rows [x, y] of `points`. */
function mean(points: Float32Array, f: (x: number, y: number) => number): number {
  let sum = 0;
  for (let i = 0; i < points.length; i += 2) sum += f(points[i], points[i + 1]);
  return sum / (points.length / 2);
}

const joined = (...parts: Float32Array[]) => new Float32Array(parts.flatMap((part) => [...part]));

for (const name of Object.keys(plugins)) {
  Deno.test(`${name} is split 9 to 1 into rows of two, with 100,000 points to test`, async () => {
    const data = await standard(name);
    assert.deepEqual(data.shape, [2]);
    assert.deepEqual([data.train.length, data.validation.length, data.test.length], [14_400, 1600, 200_000]);
    const few = await load(name, { points: 15 });
    assert.deepEqual([few.train.length, few.validation.length], [26, 4]);
  });

  Deno.test(`${name} is the same for the same seed only`, async () => {
    const [first, again, other] = [await standard(name), await load(name), await load(name, {}, 2)];
    const start = ({ train, validation, test }: Points) => [train, validation, test.subarray(0, 1000)];
    assert.deepEqual(start(again), start(first));
    assert.notDeepEqual(other.train, first.train);
  });

  Deno.test(`${name} draws its test points apart from the others`, async () => {
    const { train, test } = await standard(name), seen = new Set(train);
    // One coordinate may coincide by chance, both do not.
    const shared = test.subarray(0, 2000).filter((x, i) => i % 2 === 0 && seen.has(x) && seen.has(test[i + 1])).length;
    assert.equal(shared, 0);
  });

  Deno.test(`${name} is shuffled: the parts are alike`, async () => {
    const { train, validation } = await standard(name);
    for (const f of [(x: number) => x, (_: number, y: number) => y, (x: number, y: number) => x * y]) {
      const variance = mean(train, (x, y) => f(x, y) ** 2) - mean(train, f) ** 2;
      const difference = mean(train, f) - mean(validation, f);
      assert.ok(Math.abs(difference) < 4 * Math.sqrt(variance * (1 / 7200 + 1 / 800)), `${difference}`);
    }
  });

  Deno.test(`${name} refuses options out of range`, async () => {
    for (const points of [9, 10.5, NaN, "many"]) {
      await assert.rejects(load(name, { points }), { name: "RangeError", message: /option points is .* from 10 to/ });
    }
  });
}

for (const name of standardised) {
  Deno.test(`${name} has mean 0 and variance 1 on each axis, over train and validation`, async () => {
    const { train, validation } = await load(name, { points: 1000 });
    const all = joined(train, validation);
    for (const f of [(x: number) => x, (_: number, y: number) => y]) {
      assert.ok(Math.abs(mean(all, f)) < 1e-7);
      assert.ok(Math.abs(mean(all, (x, y) => f(x, y) ** 2) - 1) < 1e-6);
    }
  });
}

for (const [name, reference] of Object.entries(statistics)) {
  Deno.test(`${name} has the second moments of its definition`, async () => {
    const data = await standard(name);
    const error = 4 / Math.sqrt(8000);
    for (const points of [joined(data.train, data.validation), data.test]) {
      assert.ok(Math.abs(mean(points, (x) => x)) < error);
      assert.ok(Math.abs(mean(points, (_, y) => y)) < error);
      assert.ok(Math.abs(mean(points, (x) => x * x) - 1) < 2 * error);
      assert.ok(Math.abs(mean(points, (_, y) => y * y) - 1) < 2 * error);
      assert.ok(Math.abs(mean(points, (x, y) => x * y) - reference.correlation) < error);
    }
  });

  Deno.test(`${name} has the quantiles of the seed's sample`, async () => {
    const { test } = await standard(name);
    reference.sample.quantiles_5_25_50_75_95.forEach((quantiles, i) => {
      const p = [0.05, 0.25, 0.5, 0.75, 0.95][i];
      const error = 4 * Math.sqrt(p * (1 - p) / 8000);
      quantiles.forEach((quantile, axis) => {
        // The two samples' standardisations differ by about this much.
        const shift = 0.03;
        const below = (bound: number) => mean(test, (x, y) => Number((axis === 0 ? x : y) < bound));
        assert.ok(below(quantile - shift) < p + error, `axis ${axis}, ${p}: ${below(quantile - shift)}`);
        assert.ok(below(quantile + shift) > p - error, `axis ${axis}, ${p}: ${below(quantile + shift)}`);
      });
    });
  });
}

Deno.test("dino has its extremes where the seed's sample has them", async () => {
  const { test } = await standard("dino");
  const { min, max } = statistics.dino.sample;
  const range = (axis: number) => {
    const values = test.filter((_, i) => i % 2 === axis).sort();
    return [values[0], values[values.length - 1]];
  };
  [0, 1].forEach((axis) =>
    range(axis).forEach((value, i) => {
      assert.ok(Math.abs(value - (i === 0 ? min : max)[axis]) < 0.08, `axis ${axis}: ${value}`);
    })
  );
});

Deno.test("circle has its 17 spots with their probabilities", async () => {
  const { test } = await standard("circle");
  const n = test.length / 2, scale = Math.sqrt(statistics.circle.raw_cov[0][0]);
  const angles = statistics.circle.spot_angles_degrees;
  const spots = [{ x: 0, y: 0, probability: 1 / 25, count: 0 }];
  for (const degrees of angles) {
    const angle = degrees * Math.PI / 180;
    spots.push({ x: Math.cos(angle), y: Math.sin(angle), probability: degrees % 45 === 0 ? 2 / 25 : 1 / 25, count: 0 });
  }
  for (let i = 0; i < test.length; i += 2) {
    const spot = spots.find(({ x, y }) => Math.hypot(test[i] * scale - x, test[i + 1] * scale - y) < 0.03 + 0.04);
    assert.ok(spot, `no spot at ${test[i] * scale}, ${test[i + 1] * scale}`);
    spot.count++;
  }
  assert.equal(spots.length, 17);
  for (const { x, y, probability, count } of spots) {
    const error = 4 * Math.sqrt(probability * (1 - probability) / n);
    assert.ok(Math.abs(count / n - probability) < error, `the spot at ${x}, ${y} has ${count / n}`);
  }
});

Deno.test("ring has unit radius, its noise and no preferred angle", async () => {
  const { test } = await standard("ring");
  const scale = Math.sqrt(0.5 + 0.03 ** 2), radius = (x: number, y: number) => scale * Math.hypot(x, y);
  const meanRadius = mean(test, radius);
  assert.ok(Math.abs(meanRadius - (1 + 0.03 ** 2 / 2)) < 0.01, `${meanRadius}`);
  const spread = Math.sqrt(mean(test, (x, y) => (radius(x, y) - meanRadius) ** 2));
  assert.ok(Math.abs(spread - 0.03) < 0.002, `${spread}`);
  for (let k = 1; k <= 8; k++) {
    const c = mean(test, (x, y) => Math.cos(k * Math.atan2(y, x)));
    const s = mean(test, (x, y) => Math.sin(k * Math.atan2(y, x)));
    assert.ok(Math.hypot(c, s) < 0.03, `harmonic ${k}: ${c}, ${s}`);
  }
});

Deno.test("square is line", () => {
  assert.equal(square.load, line.load);
  assert.equal(square.options, line.options);
});

Deno.test("noise is as wide as asked for", async () => {
  const quiet = await load("ring", { noise: 0 }), loud = await load("ring", { noise: 0.5 });
  const spread = (points: Float32Array) => {
    const radius = mean(points, Math.hypot);
    return Math.sqrt(mean(points, (x, y) => (Math.hypot(x, y) - radius) ** 2));
  };
  assert.ok(spread(quiet.train) < 0.02 && spread(loud.train) > 0.3);
  for (const name of ["dino", "moons", "ring"]) {
    await assert.rejects(load(name, { noise: -1 }), { name: "RangeError", message: /option noise is -1/ });
  }
});
