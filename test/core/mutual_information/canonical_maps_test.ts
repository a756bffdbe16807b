import { ok, rejects, throws } from "assert";
import * as tf from "@tensorflow/tfjs";
import { canonicalMaps, type Sides } from "../../../core/mutual_information/canonical_maps.ts";
import { canonicalVariates, type MappedSides } from "../../../core/mutual_information/canonical_variates.ts";
import { copulaInformation } from "../../../core/mutual_information/copula.ts";
import { DivergedMaps, gaussianInformationGradient } from "../../../core/mutual_information/gaussian_gradient.ts";
import { ranksOf } from "../../../core/mutual_information/tied_values.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";

const RHO = 0.8;

/** Two pairs of correlated normals, each side turned by an angle that its length decides. */
function spirals(n: number, seed: number): { readonly rows: number[][]; readonly truth: number } {
  const random = Random.fromSeed(seed);
  const turned = ([a, b]: readonly number[]) => {
    const angle = (a * a + b * b) / 3;
    return [Math.cos(angle) * a - Math.sin(angle) * b, Math.sin(angle) * a + Math.cos(angle) * b];
  };
  const rows = Array.from({ length: n }, () => {
    const x = [random.normal(), random.normal()];
    const y = x.map((value) => RHO * value + Math.sqrt(1 - RHO ** 2) * random.normal());
    return [...turned(x), ...turned(y)];
  });
  return { rows, truth: -Math.log(1 - RHO ** 2) };
}

function ranksOfRows(rows: readonly (readonly number[])[]): Uint32Array {
  const d = rows[0].length, ranks = new Uint32Array(rows.length * d);
  for (let k = 0; k < d; k++) {
    ranksOf(Float64Array.from(rows, (row) => row[k]), Random.fromSeed(k)).forEach((rank, i) => ranks[i * d + k] = rank);
  }
  return ranks;
}

function normals(n: number, seed: number): Float32Array {
  return Random.fromSeed(seed).fillNormal(new Float32Array(n));
}

Deno.test("the gradient of the Gaussian information is that of its differences", () => {
  const size = 2, u = normals(20, 1), v = u.map((value, i) => value + normals(20, 2)[i]);
  const at = (du: number, dv: number) =>
    gaussianInformationGradient(
      u.map((value, i) => value + (i === 5 ? du : 0)),
      v.map((value, i) => value + (i === 8 ? dv : 0)),
      size,
    );
  const step = 1e-2, { du, dv } = at(0, 0);
  for (
    const [found, slope] of [
      [du[5], (at(step, 0).information - at(-step, 0).information) / (2 * step)],
      [dv[8], (at(0, step).information - at(0, -step).information) / (2 * step)],
    ]
  ) ok(Math.abs(found + slope) < 1e-3, `${found}, not ${-slope}`);
  throws(() => gaussianInformationGradient(u.map(() => NaN), v, size), DivergedMaps);
});

Deno.test("canonical variates have the canonical correlations alone", () => {
  // u = (a, b), v = (c, −3·a + e): the first pair is a with −a.
  const n = 4000, [a, b, c, e] = [3, 4, 5, 6].map((seed) => normals(n, seed));
  const sides: MappedSides = { size: 2, x: new Float32Array(2 * n), y: new Float32Array(2 * n) };
  for (let i = 0; i < n; i++) {
    sides.x.set([a[i] + b[i], b[i]], 2 * i);
    sides.y.set([c[i], -3 * a[i] + e[i]], 2 * i);
  }
  const { x, y } = canonicalVariates(sides, Uint32Array.from({ length: n }, (_, i) => i));
  const correlation = (j: number, k: number) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += x[2 * i + j] * y[2 * i + k] / n;
    return sum;
  };
  ok(Math.abs(correlation(0, 0) - 3 / Math.sqrt(10)) < 0.01, `${correlation(0, 0)}`);
  for (const [j, k] of [[0, 1], [1, 0], [1, 1]]) ok(Math.abs(correlation(j, k)) < 0.03, `${correlation(j, k)}`);
});

Deno.test("maps undo spirals, of whose information a mixture alone finds a part", async () => {
  const { rows, truth } = spirals(2000, 7), engine = await createEngine("onnx-cpu", 1);
  try {
    const before = tf.memory().numTensors;
    const got = await copulaInformation(engine, ranksOfRows(rows), { x: 2, z: 0, y: 2 }, Random.fromSeed(1));
    ok(got.maps === 2, `${got.maps} numbers`);
    ok(Math.abs(got.nats - truth) < 0.1, `${got.nats} of ${truth}`);
    ok(tf.memory().numTensors === before, "tensors are left");
  } finally {
    engine.dispose();
  }
});

Deno.test("maps of columns that tell nothing find nothing in rows that were left out", async () => {
  const engine = await createEngine("onnx-cpu", 1), n = 1200;
  const rows = Array.from({ length: n }, (_, i) => Array.from(normals(4, 100 + i)));
  try {
    const got = await copulaInformation(engine, ranksOfRows(rows), { x: 2, z: 0, y: 2 }, Random.fromSeed(1));
    ok(got.maps === undefined, `${got.maps} numbers`);
    ok(Math.abs(got.nats) < 3 * got.stderr + 0.005, `${got.nats} ± ${got.stderr}`);
  } finally {
    engine.dispose();
  }
});

Deno.test("maps are the same again with the same seed, and end when asked to", async () => {
  const engine = await createEngine("onnx-cpu", 1), n = 600;
  const sides: Sides = { x: normals(2 * n, 1), y: normals(3 * n, 2), columns: { x: 2, y: 3 } };
  const all = Uint32Array.from({ length: n }, (_, i) => i);
  const learn = (signal?: AbortSignal) => canonicalMaps(engine, sides, all, 2, 5, Random.fromSeed(4), signal);
  try {
    const [first, second] = [await learn(), await learn()];
    ok(first.x.length === 2 * n && first.x.every((value, i) => value === second.x[i] && Number.isFinite(value)));
    await rejects(() => learn(AbortSignal.abort(new Error("enough"))), /enough/);
  } finally {
    engine.dispose();
  }
});
