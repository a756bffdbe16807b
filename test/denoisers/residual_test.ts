import { deepEqual, equal, ok } from "assert";
import { createEngine } from "../../core/engine/mod.ts";
import type { DataInfo, OptionValues } from "../../core/plugins/contracts.ts";
import { predict } from "../../core/plugins/predict.ts";
import { Random } from "../../core/random/random.ts";
import { gaussianOf, standardGaussian } from "../../core/reference/gaussian.ts";
import { create, options } from "../../denoisers/residual.ts";
import { LOCAL_BACKENDS } from "../backends.ts";

const DEFAULTS = Object.fromEntries(Object.entries(options).map(([key, spec]) => [key, spec.default]));

const standard = (d: number): DataInfo => ({ shape: [d], gaussian: standardGaussian(d) });

function shapesOf(info: DataInfo, values: OptionValues = {}): Record<string, readonly number[]> {
  const initial = create(info, { ...DEFAULTS, ...values }).init(Random.fromSeed(0));
  return Object.fromEntries(Object.entries(initial).map(([name, { shape }]) => [name, shape]));
}

/** ε̂ of a network whose parameters are all random, where a fresh one is zero. */
async function predictions(backend: typeof LOCAL_BACKENDS[number], info: DataInfo, rows: number[][], logsnr: number[]) {
  const random = Random.fromSeed(1);
  const denoiser = create(info, { ...DEFAULTS, width: 8, blocks: 2 });
  const params = Object.fromEntries(
    Object.entries(denoiser.init(random)).map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((value) => value + 0.2 * random.normal()) },
    ]),
  );
  const engine = await createEngine(backend, 1), state = engine.createState(params);
  const program = await engine.compile(
    (s, { z, logsnr }) => ({ outputs: { eps: predict(denoiser, s, z, logsnr) } }),
    state,
    { z: [rows.length, ...info.shape], logsnr: [rows.length] },
  );
  const { eps } = await program.run({ z: Float32Array.from(rows.flat()), logsnr: Float32Array.from(logsnr) });
  const copy = eps.slice();
  await program.dispose();
  state.dispose();
  engine.dispose();
  return copy;
}

Deno.test("the size is what the dimension asks for, unless it is given", () => {
  const width = (d: number, values = {}, reference = false) => {
    const info = reference
      ? { ...standard(d), reference: { weights: Float64Array.of(1), components: [] } }
      : standard(d);
    return shapesOf(info, values)["input.weight"];
  };
  // A value as it is, and its sines and cosines at so many octaves.
  deepEqual([2, 4, 5, 16, 17].map((d) => width(d)), [[128, 18], [128, 36], [128, 35], [128, 112], [256, 17]]);
  deepEqual(width(2, {}, true), [64, 18]);
  deepEqual(width(2, { width: 10, octaves: 0 }), [10, 2]);
  deepEqual(width(17, { octaves: 1 }), [256, 51]);
  const blocks = (count: number) =>
    Object.keys(shapesOf(standard(2), { blocks: count })).filter((n) => /^blocks/.test(n));
  deepEqual([1, 4].map((count) => blocks(count).length), [4, 16]);
});

Deno.test("parameters are the seed's; no two rows, log SNRs or backends are mixed up", async () => {
  const info = { shape: [2], gaussian: gaussianOf([0.5, -1], [2, 0.6, 0.6, 0.5]) };
  const initial = (seed: number) => create(info, DEFAULTS).init(Random.fromSeed(seed));
  deepEqual(initial(3), initial(3));
  ok(initial(3)["input.weight"].data[0] !== initial(4)["input.weight"].data[0]);
  const random = Random.fromSeed(2);
  const rows = Array.from({ length: 9 }, () => [random.normal(), random.normal()]);
  const logsnr = rows.map((_, i) => -14 + 4 * i);
  const expected = await predictions("onnx-cpu", info, rows, logsnr);
  for (const backend of LOCAL_BACKENDS) {
    const got = await predictions(backend, info, rows, logsnr);
    got.forEach((value, i) => ok(Math.abs(value - expected[i]) < 1e-4, `${value} for ${expected[i]} on ${backend}`));
    for (const [i, row] of rows.entries()) {
      const alone = await predictions(backend, info, [row], [logsnr[i]]);
      alone.forEach((value, k) => ok(Math.abs(value - expected[2 * i + k]) < 1e-4, `row ${i} on ${backend}`));
    }
  }
  // The log SNR is heard of apart from what it does to z, and so is the place.
  const [same] = [await predictions("onnx-cpu", info, [[0, 0], [0, 0], [0.1, 0]], [1, 1.5, 1])];
  ok(Math.abs(same[0] - same[2]) > 1e-3 && Math.abs(same[0] - same[4]) > 1e-3, `${same}`);
});

Deno.test("samples of several axes are those of one, and far from the data all is finite", async () => {
  const info = { shape: [4], gaussian: gaussianOf([1, 2, 3, 4], [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1e-6]) };
  const rows = [[1, 2, 3, 4], [1e6, -1e6, 0, 0], [0, 0, 0, 0]], logsnr = [3, 20, -20];
  const flat = await predictions("onnx-cpu", info, rows, logsnr);
  ok(flat.every(Number.isFinite), `${flat}`);
  const image = await predictions("onnx-cpu", { ...info, shape: [1, 2, 2] }, rows, logsnr);
  deepEqual([...image], [...flat]);
  equal(image.length, 12);
});
