import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { copulaInformation } from "../../../core/mutual_information/copula.ts";
import { informationOf } from "../../../core/mutual_information/copula_fits.ts";
import type { CopulaInformation } from "../../../core/mutual_information/cross_fit.ts";
import { ranksOf } from "../../../core/mutual_information/tied_values.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";

/** The information of the first `dx` columns of rows and the last, given the `z` between them. */
async function measure(
  rows: readonly (readonly number[])[],
  dx: number,
  signal?: AbortSignal,
  z = 0,
): Promise<CopulaInformation> {
  const d = rows[0].length, ranks = new Uint32Array(rows.length * d);
  for (let k = 0; k < d; k++) {
    const column = Float64Array.from(rows, (row) => row[k]);
    ranksOf(column, Random.fromSeed(k)).forEach((rank, row) => ranks[row * d + k] = rank);
  }
  const engine = await createEngine("onnx-cpu", 1);
  try {
    return await copulaInformation(engine, ranks, { x: dx, z, y: d - dx - z }, Random.fromSeed(1), signal);
  } finally {
    engine.dispose();
  }
}

/** Rows of pairs of correlated normals, all columns of x before those of y. */
function correlated(n: number, d: number, rho: number, seed = 3): number[][] {
  const random = Random.fromSeed(seed);
  return Array.from({ length: n }, () => {
    const x = Array.from({ length: d }, () => random.normal());
    return [...x, ...x.map((value) => rho * value + Math.sqrt(1 - rho ** 2) * random.normal())];
  });
}

function within(got: { readonly nats: number; readonly stderr: number }, truth: number, errors = 3): void {
  ok(Math.abs(got.nats - truth) < errors * got.stderr, `${got.nats} ± ${got.stderr}, not ${truth}`);
}

Deno.test("any monotone maps of Gaussian columns leave their information", async () => {
  const rows = correlated(2000, 1, 0.75), truth = -0.5 * Math.log(1 - 0.75 ** 2);
  const plain = await measure(rows, 1);
  within(plain, truth);
  ok(plain.components <= 2, `${plain.components} components`);
  const bent = await measure(rows.map(([x, y]) => [Math.sinh(3 * x), 1 / (1 + Math.exp(-y))]), 1);
  deepEqual([bent.nats, bent.stderr], [plain.nats, plain.stderr]);
  ok(plain.stderr < 0.03, `${plain.stderr}`);
});

Deno.test("the tails of a Student distribution tell of each other, though nothing is correlated", async () => {
  // Both have one divisor. Their information is 0.2242 nats (P. Czyż et al., arXiv 2306.11078).
  const random = Random.fromSeed(5);
  const rows = Array.from({ length: 3000 }, () => {
    const divisor = Math.abs(random.normal());
    return [random.normal() / divisor, random.normal() / divisor];
  });
  const got = await measure(rows, 1);
  within(got, 0.2242);
  equal(got.dof, 1);
  deepEqual(informationOf(got.perRow).length, 3000);
});

Deno.test("what the number of parameters adds to fitted rows and takes from others is nearly even", async () => {
  const d = 12, rho = 0.3, got = await measure(correlated(1500, d, rho), d);
  const truth = -0.5 * d * Math.log(1 - rho ** 2);
  within(got, truth);
  // Each by itself is far off: d² = 144 coefficients of 1200 rows.
  ok(got.heldOut < truth - 0.04 && got.fitted > truth + 0.01, `${got.heldOut}, ${got.fitted}, not ${truth}`);
});

Deno.test("independent columns have none; several components find what is not monotone", async () => {
  const random = Random.fromSeed(8);
  within(await measure(Array.from({ length: 2000 }, () => [random.normal(), random.uniform()]), 1), 0, 4);
  // x = y² + ε/2: 0.803 nats.
  const bent = await measure(
    Array.from({ length: 3000 }, () => {
      const y = random.normal();
      return [y ** 2 + random.normal() / 2, y];
    }),
    1,
  );
  ok(Math.abs(bent.nats - 0.803) < 0.05, `${bent.nats} ± ${bent.stderr}`);
  ok(bent.components > 1);
});

Deno.test("given what both depend on, columns tell nothing more of each other, and something of what is added", async () => {
  const random = Random.fromSeed(9);
  const [apart, together] = [0, 1].map((shared) =>
    Array.from({ length: 2000 }, () => {
      const z = random.normal(), x = z + random.normal();
      return [x, z, 2 * z + random.normal() + shared * (x - z)];
    })
  );
  within(await measure(apart, 1, undefined, 1), 0, 4);
  // The noises of x and y have the correlation √½: ½·log 2.
  within(await measure(together, 1, undefined, 1), 0.5 * Math.LN2);
});

Deno.test("the same seed gives the same estimate; a signal ends it, and no tensor is left", async () => {
  const rows = correlated(400, 1, 0.5);
  const [first, second] = [await measure(rows, 1), await measure(rows, 1)];
  deepEqual([first.nats, first.stderr], [second.nats, second.stderr]);
  const before = tf.memory().numTensors;
  const stop = new AbortController();
  stop.abort(new Error("stopped"));
  await rejects(measure(rows, 1, stop.signal), /stopped/);
  equal(tf.memory().numTensors, before);
});
