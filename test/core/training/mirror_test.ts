import { deepEqual, notDeepEqual, ok, rejects } from "assert";
import { floatSamples, toFloat32 } from "../../../core/data/samples.ts";
import { fit } from "../../../core/model/fit.ts";
import { Random } from "../../../core/random/random.ts";
import { mirrored } from "../../../core/training/mirror.ts";

Deno.test("some pictures are mirrored, line by line and channel by channel", () => {
  const samples = floatSamples(Float32Array.from({ length: 24 }, (_, i) => i), 12), shape = [2, 2, 3];
  const whole = [2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9];
  deepEqual([...toFloat32(mirrored(samples, shape))], [...whole, ...whole.map((i) => 12 + i)]);
  const one = mirrored(samples, shape, Uint8Array.of(0, 1));
  deepEqual([...toFloat32(one)], [...whole.keys(), ...whole.map((i) => 12 + i)]);
  const out = new Float32Array(14);
  one.copy(1, 2, out, 2);
  deepEqual([...out], [0, 0, ...whole.map((i) => 12 + i)]);
});

/** Pictures of 4 x 4 that are the same from both sides, or brighter on the left. */
function pictures(isSymmetric: boolean) {
  const random = Random.fromSeed(3), train = new Float32Array(64 * 16);
  for (let row = 0; row < 64 * 4; row++) {
    const [a, b] = [random.normal(), random.normal()];
    train.set(isSymmetric ? [a, b, b, a] : [a + 2, b + 1, b, a], 4 * row);
  }
  return { shape: [1, 4, 4], train: floatSamples(train, 16), validation: floatSamples(train.slice(0, 256), 16) };
}

async function losses(isSymmetric: boolean, flip: boolean, seed = 0): Promise<number[]> {
  const nll: number[] = [];
  const settings = { epochs: 2, batchSize: 16, denoiser: "mlp", backend: "tfjs-cpu", reference: "gaussian" } as const;
  await using _ = await fit(pictures(isSymmetric), {
    ...{ ...settings, flip, seed },
    denoiserOptions: { hiddenSize: 8, embedding: "off" },
    onStep: ({ nll: own }) => {
      nll.push(own);
    },
  });
  return nll;
}

Deno.test("--flip changes nothing for pictures that are the same from both sides, and the others in the same way each time", async () => {
  const [plain, flipped] = [await losses(true, false), await losses(true, true)];
  ok(plain.length === 8 && plain.every((nll, i) => Math.abs(nll - flipped[i]) < 1e-4), `${plain} ${flipped}`);
  const other = await losses(false, true);
  notDeepEqual(other, await losses(false, false));
  deepEqual(other, await losses(false, true));
  const points = Array.from({ length: 40 }, (_, i) => [i, (i * i) % 7]);
  await rejects(fit(points, { flip: true }), /--flip mirrors pictures, but .* shape \[2\]/);
});
