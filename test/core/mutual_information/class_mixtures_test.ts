import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createEngine } from "../../../core/engine/mod.ts";
import { classesOfLabel } from "../../../core/mutual_information/class_mixtures.ts";
import type { CopulaFold } from "../../../core/mutual_information/copula_fits.ts";
import { informationOf } from "../../../core/mutual_information/copula_fits.ts";
import type { CopulaInformation } from "../../../core/mutual_information/cross_fit.ts";
import { labelOf } from "../../../core/mutual_information/label_entropy.ts";
import { mixtureInformation } from "../../../core/mutual_information/mixture_information.ts";
import { ranksOf } from "../../../core/mutual_information/tied_values.ts";
import { Random } from "../../../core/random/random.ts";

/** The information of the first columns of rows and the last, a label, given the `z` before it. */
async function measure(
  rows: readonly (readonly number[])[],
  { z = 0, side = "y", signal, onFold }: {
    z?: number;
    side?: "x" | "y";
    signal?: AbortSignal;
    onFold?: (fold: CopulaFold) => void;
  } = {},
): Promise<CopulaInformation> {
  const d = rows[0].length, x = d - 1 - z, label = labelOf(Float64Array.from(rows, (row) => row[d - 1]))!;
  const order = [...Array(d).keys()];
  // The columns of x stand before those of z, and these before those of y.
  const places = side === "y" ? order : [d - 1, ...order.slice(x, x + z), ...order.slice(0, x)];
  const ranks = new Uint32Array(rows.length * d);
  places.forEach((place, k) => {
    const column = Float64Array.from(rows, (row) => row[place]);
    ranksOf(column, Random.fromSeed(place)).forEach((rank, row) => ranks[row * d + k] = rank);
  });
  const columns = side === "y" ? { x, z, y: 1 } : { x: 1, z, y: x };
  const engine = await createEngine("onnx-cpu", 1);
  try {
    const labels = { [side]: label };
    return await mixtureInformation(engine, { ranks, columns, labels }, Random.fromSeed(1), signal, (fold, of) => {
      equal(of, "classes");
      onFold?.(fold);
    });
  } finally {
    engine.dispose();
  }
}

/** A bit that is wrong in every tenth row, beside a normal that is 3 or −3 on average. */
function noisyBit(n: number): number[][] {
  const random = Random.fromSeed(7);
  return Array.from({ length: n }, (_, i) => {
    const sent = random.uniform() < 0.5 ? 1 : 0;
    return [6 * sent - 3 + random.normal(), i % 10 === 0 ? 1 - sent : sent];
  });
}

function within(got: { readonly nats: number; readonly stderr: number }, truth: number, errors = 2.5): void {
  ok(Math.abs(got.nats - truth) < errors * got.stderr, `${got.nats} ± ${got.stderr}, not ${truth}`);
}

/** Little less than ln 2 − h(0.1) = 0.368, as a normal around 3 is seldom below 0. */
const BIT = 0.3664;

Deno.test("a bit that is now and then wrong is told in full, on either side and by any monotone map", async () => {
  const rows = noisyBit(500), folds: CopulaFold[] = [];
  const got = await measure(rows, { onFold: (fold) => folds.push(fold) });
  within(got, BIT);
  deepEqual([got.classes, folds.length], [2, 5]);
  ok(got.stderr < 0.035, `${got.stderr}`);
  equal(informationOf(got.perRow).length, 500);
  const other = await measure(rows.map(([x, bit]) => [Math.exp(x), bit]), {
    side: "x",
    onFold: ({ ofPairs, ofColumns, left }) => {
      const told = ofColumns(left);
      deepEqual([told.x.length, told.y.length], [1, 1]);
      // All that one column tells is what the label does.
      ofPairs(left, left).forEach((log, i) => ok(Math.abs(log - told.x[0][i]) < 1e-9));
    },
  });
  ok(Math.abs(other.nats - got.nats) < 1e-9 && Math.abs(other.stderr - got.stderr) < 1e-9);
});

Deno.test("classes of unlike widths, of heavy tails, and one that is rare", async () => {
  const random = Random.fromSeed(4);
  // The classes of N(0, 1) and N(0, 9): 0.1865 nats.
  within(
    await measure(Array.from({ length: 1500 }, (_, i) => [(i % 2 === 0 ? 1 : 3) * random.normal(), i % 2])),
    0.1865,
  );
  // Cauchy's distributions around 0 and 2: 0.1583 nats.
  const cauchy = Array.from({ length: 1000 }, (_, i) => [2 * (i % 2) + random.normal() / random.normal(), i % 2]);
  within(await measure(cauchy), 0.1583, 3);
  // Of a part of 0.02 normals around 2 instead of 0: 0.0356 nats.
  const rare = Array.from(
    { length: 1500 },
    (_, i) => [i % 50 === 0 ? 2 + random.normal() : random.normal(), i % 50 ? 0 : 1],
  );
  within(await measure(rare), 0.0356);
});

Deno.test("a label of which nothing is told, at all or besides what is given", async () => {
  const random = Random.fromSeed(5);
  const rows = Array.from({ length: 800 }, (_, i) => [random.normal(), random.normal(), i % 4]);
  const none = await measure(rows);
  ok(Math.abs(none.nats) < 2.5 * none.stderr + 0.003, `${none.nats} ± ${none.stderr}`);
  // x = z + b with z = 2·bit + a: without z it tells of the bit what N(0, 2) and N(2, 2) do.
  const depends = rows.map(([a, b, level]) => [2 * (level % 2) + a + b, 2 * (level % 2) + a, level % 2]);
  const given = await measure(depends, { z: 1 });
  ok(Math.abs(given.nats) < 2.5 * given.stderr + 0.003, `${given.nats} ± ${given.stderr}`);
  within(await measure(depends.map(([x, , bit]) => [x, bit])), 0.2013);
});

Deno.test("values of few rows share a class, with the smallest other one where they are few themselves", () => {
  const of = (counts: readonly number[]) =>
    classesOfLabel({ counts, levels: Uint32Array.from(counts.flatMap((count, level) => Array(count).fill(level))) });
  const sizes = (classes: Uint32Array | undefined) =>
    classes && Object.values(Object.groupBy(classes, (one) => one)).map((rows) => rows!.length).sort((a, b) => a - b);
  deepEqual(sizes(of([30, 20, 50])), [20, 30, 50]);
  deepEqual(sizes(of([5, 30, 7, 58])), [12, 30, 58]);
  deepEqual(sizes(of([3, 30, 67])), [33, 67]);
  equal(of([3, 97]), undefined);
});

Deno.test("the same seed gives the same estimate; a signal ends it, and no tensor is left", async () => {
  const rows = noisyBit(200), [first, second] = [await measure(rows), await measure(rows)];
  deepEqual([first.nats, first.stderr], [second.nats, second.stderr]);
  const before = tf.memory().numTensors, stop = new AbortController();
  stop.abort(new Error("stopped"));
  await rejects(measure(rows, { signal: stop.signal }), /stopped/);
  equal(tf.memory().numTensors, before);
});
