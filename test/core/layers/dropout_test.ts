import { deepEqual, equal, ok } from "assert";
import type { Tensors } from "../../../core/engine/mod.ts";
import { DRAWS_BELOW, dropout, dropoutDraws } from "../../../core/layers/dropout.ts";
import { Random } from "../../../core/random/random.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";
import { run, withGradients } from "../engine/differentiate.ts";

const [N, C, H, W] = [12, 16, 8, 6], SHAPE = [N, C, H, W], SIZE = N * C * H * W;

function drawsOf(seed: number, n = N) {
  const draws = dropoutDraws(C, H * W), random = Random.fromSeed(seed);
  const data = Float32Array.from({ length: n * draws }, () => Math.floor(DRAWS_BELOW * random.uniform()));
  return { shape: [n, draws], data };
}

/** What becomes of ones in two layers. */
async function dropped(share: number, draws = drawsOf(1), backend: typeof LOCAL_BACKENDS[number] = "onnx-cpu") {
  const [n] = draws.shape, ones = { shape: [n, ...SHAPE.slice(1)], data: new Float32Array(n * SIZE / N).fill(1) };
  return await run(backend, (_, { x, draws }) => {
    const drop = dropout(draws, C, H * W, share);
    return { outputs: { first: drop(x), second: drop(x) } };
  }, { x: ones, draws });
}

/** The correlation of two sets of values that are 0 or another one. */
function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (x: Float32Array) => x.reduce((sum, v) => sum + v, 0) / x.length, [ma, mb] = [mean(a), mean(b)];
  const dot = (x: Float32Array, mx: number, y: Float32Array, my: number) =>
    x.reduce((sum, v, i) => sum + (v - mx) * (y[i] - my), 0);
  return dot(a, ma, b, mb) / Math.sqrt(dot(a, ma, a, ma) * dot(b, mb, b, mb));
}

Deno.test("as many values as are said become 0, and the others grow so that the mean stays", async () => {
  for (const share of [0.1, 0.5, 0.9]) {
    const { first } = await dropped(share);
    const zeros = first.filter((x) => x === 0).length / SIZE;
    ok(Math.abs(zeros - share) < 4 * Math.sqrt(share * (1 - share) / SIZE) + 1e-3, `${zeros} of ${share}`);
    const kept = new Set(first.filter((x) => x !== 0));
    equal(kept.size, 1);
    ok(Math.abs([...kept][0] * (1 - share) - 1) < 5e-3);
  }
  ok((await dropped(1)).first.every((x) => x === 0));
});

Deno.test("which values are dropped has no pattern over layers, samples, channels, pixels or four of them", async () => {
  const { first, second } = await dropped(0.5), limit = 4.5 / Math.sqrt(SIZE);
  const shifted = (by: number) => first.map((_, i) => first[(i + by) % SIZE]);
  for (
    const [name, other] of Object.entries({
      ...{ layer: second, pixel: shifted(1), row: shifted(W), channel: shifted(H * W), sample: shifted(C * H * W) },
    })
  ) {
    ok(Math.abs(correlation(first, other)) < limit, name);
  }
  // Two channels at two pixels: whether they agree at one says nothing of the other.
  const agree = first.map((x, i) => Number(x === first[(i + H * W) % SIZE]));
  ok(Math.abs(correlation(agree, agree.map((_, i) => agree[(i + 1) % SIZE]))) < limit);
});

Deno.test("the same draws drop the same values on every backend, and a sample's do not depend on the others", async () => {
  const draws = drawsOf(2), reference = await dropped(0.3, draws);
  for (const backend of LOCAL_BACKENDS) {
    deepEqual((await dropped(0.3, draws, backend)).second, reference.second, backend);
  }
  const width = dropoutDraws(C, H * W), few = { shape: [3, width], data: draws.data.slice(4 * width, 7 * width) };
  const part = await dropped(0.3, few), own = C * H * W;
  deepEqual(part.first, reference.first.slice(4 * own, 7 * own));
});

Deno.test("the gradient is that of the values that stay", async () => {
  const random = Random.fromSeed(3), dy = random.normalTensor(SHAPE), draws = drawsOf(1);
  const { first } = await dropped(0.25, draws);
  const got = await run(
    "onnx-cpu",
    withGradients(({ x, draws }: Tensors) => dropout(draws, C, H * W, 0.25)(x)),
    { x: random.normalTensor(SHAPE), draws, dy },
  );
  got.x.forEach((g, i) => ok(Math.abs(g - first[i] * dy.data[i]) < 1e-5));
});
