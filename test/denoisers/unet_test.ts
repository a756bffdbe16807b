import { deepEqual, equal, ok, throws } from "assert";
import * as tf from "@tensorflow/tfjs";
import type { Condition } from "../../core/data/condition.ts";
import { createEngine } from "../../core/engine/mod.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { defaultsOf } from "../../core/options/defaults.ts";
import type { DataInfo, Denoiser, OptionValues } from "../../core/plugins/contracts.ts";
import { predict } from "../../core/plugins/predict.ts";
import { Random } from "../../core/random/random.ts";
import { NEVER } from "../../core/reference/conditioning.ts";
import { gaussianDenoiser, gaussianOf } from "../../core/reference/gaussian.ts";
import type { GaussianMixture } from "../../core/reference/mixture.ts";
import { create, options } from "../../denoisers/unet/mod.ts";
import { LOCAL_BACKENDS } from "../backends.ts";

const SHAPE = [2, 4, 8], D = 64;

const GAUSSIAN = gaussianOf(
  Float64Array.from({ length: D }, (_, i) => 0.1 * (i % 5)),
  Float64Array.from({ length: D * D }, (_, at) => Math.floor(at / D) === at % D ? 0.5 + (at % 3) : 0),
);

const CONDITION: Condition = [{ name: "c", kind: "class", levels: [0, 1, 2], counts: [1, 1, 1] }];

const made = (values: OptionValues = {}, info: Partial<DataInfo> = {}) =>
  create({ shape: SHAPE, gaussian: GAUSSIAN, ...info }, { ...defaultsOf(options), channels: "4,8", ...values });

/** ε̂ of three images, of parameters that are all random or as they are at first. */
async function predictions(
  backend: typeof LOCAL_BACKENDS[number],
  denoiser: Denoiser,
  { isRandom, order = [0, 1, 2], logsnr = [-3, 0.5, 6], condition, grey }: {
    readonly isRandom: boolean;
    readonly order?: readonly number[];
    readonly logsnr?: readonly number[];
    readonly condition?: readonly number[];
    /** All values of z, which are normal noise without it. */
    readonly grey?: number;
  },
): Promise<Float32Array> {
  const random = Random.fromSeed(1), params = denoiser.init(random.split("init")), n = order.length;
  for (const { data } of Object.values(params)) {
    if (isRandom) data.forEach((value, i) => data[i] = value + 0.1 * random.normal());
  }
  const z = new Float32Array(3 * D);
  if (grey === undefined) random.split("z").fillNormal(z);
  else z.fill(grey);
  const engine = await createEngine(backend, 1), state = engine.createState(params);
  const program = await engine.compile(
    (s, { z, logsnr, known }) => ({
      outputs: {
        eps: predict(denoiser, s, z, logsnr as tf.Tensor1D, condition ? known : undefined),
        ideal: gaussianDenoiser(tf.reshape(z, [n, D]), logsnr, GAUSSIAN),
        unused: tf.sum(known),
      },
    }),
    state,
    { z: [n, ...SHAPE], logsnr: [n], known: [n, 4] },
  );
  const { eps, ideal } = await program.run({
    z: Float32Array.from(order.flatMap((k) => [...z.subarray(k * D, (k + 1) * D)])),
    logsnr: Float32Array.from(order, (k) => logsnr[k]),
    known: Float32Array.from(condition ?? new Float32Array(4 * n)),
  });
  const out = isRandom ? eps.slice() : eps.map((value, i) => value - ideal[i]);
  await program.dispose();
  state.dispose();
  engine.dispose();
  return out;
}

const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (value, i) => Math.abs(value - b[i])).reduce((most, value) => Math.max(most, value), 0);

Deno.test("a fresh U-Net is the ideal denoiser of the data's Gaussian", async () => {
  ok(apart(await predictions("onnx-cpu", made(), { isRandom: false }), new Float32Array(3 * D)) < 1e-6);
  ok(apart(await predictions("onnx-cpu", made({ skip: "none" }), { isRandom: false }), new Float32Array(3 * D)) > 0.1);
});

Deno.test("its predictions are alike on all backends, and images, log SNRs and colours are not mixed up", async () => {
  const own = await predictions("onnx-cpu", made(), { isRandom: true });
  for (const backend of LOCAL_BACKENDS) {
    ok(apart(await predictions(backend, made(), { isRandom: true }), own) < 1e-4, backend);
  }
  const turned = await predictions("onnx-cpu", made(), { isRandom: true, order: [2, 0] });
  ok(apart(turned, [...own.subarray(2 * D), ...own.subarray(0, D)]) < 1e-5);
});

Deno.test("its parameters are as it says, in number and in shape, and those that it has not are not made", () => {
  for (const values of [{}, { attention: "off", octaves: 0 }, { blocks: 2, channels: "4" }]) {
    const denoiser = made(values, { condition: CONDITION }), params = denoiser.init(Random.fromSeed(0));
    deepEqual(
      Object.fromEntries(Object.entries(params).map(([name, { shape }]) => [name, [...shape]])),
      Object.fromEntries(Object.entries(denoiser.shapes!).map(([name, shape]) => [name, [...shape]])),
    );
    for (const { shape, data } of Object.values(params)) equal(data.length, shape.reduce((a, b) => a * b, 1));
  }
  equal(Object.keys(made({ attention: "off" }).shapes!).some((name) => name.startsWith("attention")), false);
});

Deno.test("what is known changes it, and nothing known is a vector of zeros", async () => {
  const denoiser = made({}, { condition: CONDITION }),
    nothing = await predictions("onnx-cpu", denoiser, { isRandom: true });
  const zeros = new Array(12).fill(0), known = [1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1];
  ok(apart(await predictions("onnx-cpu", denoiser, { isRandom: true, condition: zeros }), nothing) < 1e-6);
  ok(apart(await predictions("onnx-cpu", denoiser, { isRandom: true, condition: known }), nothing) > 1e-3);
});

Deno.test("it sees the image that the reference makes of the noisy one, given what is known", async () => {
  const other = { weights: Float64Array.of(1), components: [{ ...GAUSSIAN, mean: GAUSSIAN.mean.map((x) => x + 1) }] };
  const own = await predictions("onnx-cpu", made(), { isRandom: true });
  ok(apart(await predictions("onnx-cpu", made({}, { reference: other }), { isRandom: true }), own) > 1e-3);
  // Two classes at both sides of the data's mean, told to a network whose blocks do not hear of them.
  const reference: GaussianMixture = {
    weights: Float64Array.of(0.5, 0.5),
    components: [-1, 1].map((side) => ({ ...GAUSSIAN, mean: GAUSSIAN.mean.map((x) => x + side) })),
    given: {
      logits: Float64Array.of(0, 0, NEVER, NEVER, 0, NEVER, 0, NEVER),
      ...{ numbers: new Uint32Array(0), means: new Float64Array(0), cross: new Float64Array(0) },
      covariances: new Float64Array(0),
    },
  };
  const deaf = (info: Partial<DataInfo>): Denoiser => {
    const denoiser = made({}, { ...info, condition: CONDITION });
    const silent = (params: Record<string, tf.Tensor>) => ({
      ...params,
      "known.2.weight": tf.zerosLike(params["known.2.weight"]),
    });
    return {
      ...denoiser,
      predict: (params, z, logsnr, condition) => denoiser.predict(silent(params), z, logsnr, condition),
    };
  };
  const told = (denoiser: Denoiser, level: number) =>
    predictions("onnx-cpu", denoiser, {
      isRandom: true,
      condition: [0, 1, 2].flatMap(() => [1, 1 - level, level, 0]),
    });
  ok(apart(await told(deaf({ reference }), 0), await told(deaf({ reference }), 1)) > 1e-3);
  equal(apart(await told(deaf({}), 0), await told(deaf({}), 1)), 0);
});

Deno.test("where hardly a signal is left it gives numbers of the size of the noise", async () => {
  const far = await predictions("onnx-cpu", made(), { isRandom: true, logsnr: [-400, -80, -16] });
  ok(far.every((value) => Math.abs(value) < 10));
});

Deno.test("by a hundredth of a grey value it tells pixels apart at black and at white, and not between them", async () => {
  const change = async (grey: number) => {
    const at = (grey: number) => predictions("onnx-cpu", made(), { isRandom: true, logsnr: [20, 20, 20], grey });
    return apart(await at(grey), await at(grey + 1e-4));
  };
  const between = await change(0.5);
  for (const end of [-1, 1]) ok(await change(end) > 10 * between, `${end}`);
});

Deno.test("an image unlike all of the data is not taken for a huge noise", async () => {
  const narrow = gaussianOf(
    new Float64Array(D),
    Float64Array.from({ length: D * D }, (_, at) => Math.floor(at / D) === at % D ? 1e-6 : 0),
  );
  // Of the Gaussian by itself, e^5 = 148.
  const off = await predictions("onnx-cpu", made({}, { gaussian: narrow }), {
    isRandom: true,
    logsnr: [10, 10, 10],
    grey: 1,
  });
  ok(off.every((value) => Math.abs(value) < 15), `${Math.max(...off)}`);
});

Deno.test("where hardly any noise is left it gives numbers, of black and white pixels too", async () => {
  for (const grey of [-1, 0, 1, undefined]) {
    const near = await predictions("onnx-cpu", made(), {
      isRandom: true,
      logsnr: [24, 80, 400],
      ...(grey === undefined ? {} : { grey }),
    });
    ok(near.every(Number.isFinite), `${grey}`);
  }
});

Deno.test("it has as many levels as the image has halves, where nothing is said", () => {
  const levels = (shape: readonly number[]) =>
    create({ shape, gaussian: GAUSSIAN }, defaultsOf(options)).options!.channels;
  deepEqual([[1, 28, 28], [3, 10, 8], [1, 5, 8]].map(levels), ["32,32,64", "32,32", "32"]);
});

Deno.test("what it cannot be made of is said", () => {
  const refused = (values: OptionValues, message: RegExp, info: Partial<DataInfo> = {}) =>
    throws(() => made(values, info), (error) => error instanceof UserError && message.test(error.message));
  refused({ channels: "4,8,16,32" }, /--channels has 4 levels, but images of 4 x 8 cannot be halved 3 times/);
  refused({ channels: "4,wide" }, /--channels is 4,wide, expected whole numbers/);
  refused({}, /is for images, .* shape \[2\]. Take --denoiser residual/, { shape: [2] });
});
