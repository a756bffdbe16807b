import { deepEqual, match, ok, rejects, throws } from "assert";
import * as tf from "@tensorflow/tfjs";
import * as ort from "onnxruntime-node";
import { fitGaussian, gaussianOf, standardGaussian } from "../../../core/reference/gaussian.ts";
import { type Condition, conditionWidth, encodeCondition } from "../../../core/data/condition.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { checkOnnx } from "../../../core/export/check_onnx.ts";
import { ExportError } from "../../../core/export/errors.ts";
import { exportOnnx, type OnnxExport } from "../../../core/export/onnx.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { type HostTensors, sizeOf } from "../../../core/data/tensors.ts";
import { parseUnetConfig } from "../../../denoisers/unet_pretrained/config.ts";
import { initParams, unet } from "../../../denoisers/unet_pretrained/network.ts";
import { create as createGaussian } from "../../../denoisers/gaussian.ts";
import { BLEND, BLEND_NODES, blendedDenoiser } from "../../../core/reference/blend.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";
import { create as createMlp } from "../../../denoisers/mlp.ts";
import { create as createUnet } from "../../../denoisers/unet_pretrained/mod.ts";
import { create as createResidual } from "../../../denoisers/residual.ts";
import { CONDITION, LABELLED } from "../../labelled.ts";
import { assertWithin } from "../../reference.ts";
import { run } from "../engine/differentiate.ts";

const MLP = { hiddenSize: 16, hiddenLayers: 3, embedding: true, embeddingSize: 8, skip: true };
const PROPOSAL = { loc: 1, scale: 2 };

function bytesOf(denoiser: Denoiser, params: HostTensors, shape: readonly number[], more: Partial<OnnxExport> = {}) {
  const parts = exportOnnx(denoiser, { name: "own", shape, params, ...more });
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Fails unless the model gives what the denoiser gives on an eager backend. */
async function assertSame(
  denoiser: Denoiser,
  params: HostTensors,
  shape: readonly number[],
  batches: readonly number[],
  more: Partial<OnnxExport> = {},
): Promise<string> {
  const bytes = bytesOf(denoiser, params, shape, more);
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const { condition } = more, given = condition ? ["condition"] : [];
  deepEqual([session.inputNames, session.outputNames], [["z", "logsnr", ...given], ["eps_hat"]]);
  for (const n of batches) {
    const z = Random.fromSeed(n).normalTensor([n, ...shape]);
    const logsnr = { shape: [n], data: Float32Array.from({ length: n }, (_, i) => 3 * i - 4) };
    const inputs: HostTensors = { z, logsnr, ...(condition ? { condition: knownRows(condition, n) } : {}) };
    const fed = Object.fromEntries(
      Object.entries(inputs).map(([name, t]) => [name, new ort.Tensor("float32", t.data, [...t.shape])]),
    );
    const { eps_hat: got } = await session.run(fed);
    deepEqual([...got.dims], z.shape);
    const program = (_: unknown, { z, logsnr, condition, ...params }: Record<string, tf.Tensor>) => ({
      outputs: { epsHat: denoiser.predict(params, z, logsnr as tf.Tensor1D, condition) },
    });
    const { epsHat } = await run("tfjs-cpu", program, { ...params, ...inputs });
    assertWithin(got.data as Float32Array, epsHat, { rtol: 1e-4, atol: 1e-4 }, `batch ${n}`);
  }
  await session.release();
  const text = new TextDecoder("latin1").decode(bytes);
  for (const name of Object.keys(params)) ok(text.includes(name), name);
  ok(!text.includes("com.microsoft"), "an operation that is not ONNX's own");
  return text;
}

/** Rows of which all is known, nothing, and some by turns. */
function knownRows(condition: Condition, n: number) {
  const values = Array.from(
    { length: n },
    (_, row) => [[row % 3, 30 + row], [NaN, NaN], [1, NaN]][row % 3].slice(0, condition.length),
  ).flat();
  return { shape: [n, conditionWidth(condition)], data: encodeCondition(condition, values) };
}

Deno.test("an exported model of a condition has it as an input, blended with a conditional mixture", async () => {
  const condition: Condition = [...CONDITION, { name: "age", kind: "number", mean: 31, scale: 2 }];
  const random = Random.fromSeed(4), given = LABELLED.given!, k = LABELLED.weights.length;
  // Of the number each component has a mean and a correlation of its own.
  const reference = {
    ...LABELLED,
    given: {
      logits: Float64Array.from(
        { length: k * 6 },
        (_, at) => at % 6 < 4 ? given.logits[4 * Math.floor(at / 6) + at % 6] : 0,
      ),
      numbers: Uint32Array.of(4),
      means: Float64Array.from({ length: k }, () => random.normal()),
      cross: Float64Array.from({ length: 2 * k }, () => 0.2 * random.normal()),
      covariances: new Float64Array(k).fill(1),
    },
  };
  const info = { shape: [2], gaussian: standardGaussian(2), reference, condition };
  const residual = createResidual(info, { width: 8, blocks: 2, octaves: 2, skip: "gaussian" });
  const denoiser = blendedDenoiser(residual, reference, [-6, 9]), initial = denoiser.init(Random.fromSeed(0));
  const weights = { shape: [BLEND_NODES], data: Random.fromSeed(3).fillUniform(new Float32Array(BLEND_NODES)) };
  const params = { ...randomised(initial), [BLEND]: weights };
  const text = await assertSame(denoiser, params, [2], [1, 3, 8], { condition });
  match(text, /"name":"age","kind":"number","mean":31/);
  const model = { name: "own", shape: [2], params, condition };
  ok(await checkOnnx(bytesOf(denoiser, params, [2], { condition }), denoiser, model, PROPOSAL, 1) < 1e-4);
});

Deno.test("an exported U-Net with classes has what is known as an input", async () => {
  const info = { shape: [1, 8, 4], gaussian: standardGaussian(32), condition: CONDITION };
  const denoiser = await createUnet(info, { fromScratch: true, channels: "4,8" });
  await assertSame(denoiser, randomised(denoiser.init(Random.fromSeed(0))), info.shape, [1, 3], {
    condition: CONDITION,
  });
});

Deno.test("an exported mlp takes any batch", async () => {
  const denoiser = createMlp({ shape: [3], gaussian: standardGaussian(3) }, MLP);
  const text = await assertSame(denoiser, randomised(denoiser.init(Random.fromSeed(0))), [3], [1, 2, 7]);
  match(text, /batch/);
});

Deno.test("an exported blend has its mixture in it, and takes any batch", async () => {
  const info = { shape: [3], gaussian: standardGaussian(3), reference: randomMixture(Random.fromSeed(2), 4, 3) };
  const residual = createResidual(info, { width: 8, blocks: 2, octaves: 2, skip: "mixture" });
  const denoiser = blendedDenoiser(residual, info.reference, [-6, 9]), initial = denoiser.init(Random.fromSeed(0));
  const weights = { shape: [BLEND_NODES], data: Random.fromSeed(3).fillUniform(new Float32Array(BLEND_NODES)) };
  await assertSame(denoiser, { ...randomised(initial), [BLEND]: weights }, [3], [1, 2, 7]);
});

Deno.test("an exported denoiser may have no parameters, and images", async () => {
  const gaussian = gaussianOf([1, 2], [2, 0.3, 0.3, 1]);
  await assertSame(createGaussian({ shape: [2], gaussian }), {}, [2], [1, 5]);
  const few = floatSamples(Random.fromSeed(2).normalTensor([20, 60]).data, 60), shape = [3, 4, 5];
  await assertSame(createGaussian({ shape, gaussian: fitGaussian(few, shape) }), {}, shape, [1, 2, 3]);
  const images = createMlp({ shape: [1, 2, 3], gaussian: standardGaussian(6) }, { ...MLP, embedding: false });
  await assertSame(images, randomised(images.init(Random.fromSeed(1))), [1, 2, 3], [4]);
});

/** Layers that start from zeros would hide what comes before them. */
function randomised(params: HostTensors): HostTensors {
  const random = Random.fromSeed(7);
  return Object.fromEntries(
    Object.entries(params).map(([name, { shape }]) => [name, random.uniformTensor(shape, -0.3, 0.3)]),
  );
}

const UNET = {
  in_channels: 2,
  out_channels: 2,
  block_out_channels: [9, 18],
  norm_num_groups: 3,
  down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
  layers_per_block: 1,
  attention_head_dim: 9,
  downsample_padding: 0,
};

for (const more of [{}, { attention_head_dim: null, resnet_time_scale_shift: "scale_shift", downsample_padding: 1 }]) {
  Deno.test(`an exported U-Net takes any batch, or the one that is fixed (${JSON.stringify(more)})`, async () => {
    const config = parseUnetConfig({ ...UNET, ...more }, "config.json");
    const denoiser: Denoiser = {
      init: (random) => initParams(config, random),
      predict: (params, z, logsnr) => unet(config, params, z, tf.mul(tf.sigmoid(logsnr), 999)),
    };
    const params = randomised(denoiser.init(Random.fromSeed(0)));
    await assertSame(denoiser, params, [2, 8, 4], [1, 3]);
    await assertSame(denoiser, params, [2, 8, 4], [1], { batch: 1 });
    await assertSame(denoiser, params, [2, 8, 4], [3], { batch: 3 });
  });
}

Deno.test("constants and tiles of the batch's size are computed from it", async () => {
  const w = Random.fromSeed(3).normalTensor([5, 2]);
  const big = Random.fromSeed(4).normalTensor([2, 5000]);
  const denoiser: Denoiser = {
    init: () => ({ w, big }),
    predict({ w, big }, z, logsnr) {
      const n = z.shape[0];
      const wide = tf.mul(tf.matMul(z as tf.Tensor2D, big as tf.Tensor2D), tf.fill([n, 5000], 0.01));
      const column = tf.tile(tf.reshape(tf.slice(tf.reshape(w, [10]), 3, 1), [1, 1]), [n, 1]);
      const parts = [z, tf.zeros([n, 1]), tf.reshape(logsnr, [n, 1]), tf.mean(wide, 1, true)];
      return tf.add(tf.matMul(tf.concat(parts, 1) as tf.Tensor2D, w as tf.Tensor2D), column);
    },
  };
  await assertSame(denoiser, { w, big }, [2], [1, 4]);
});

/** A denoiser of points with one parameter, `scale`. */
function own(predict: (z: tf.Tensor, scale: tf.Tensor) => tf.Tensor): Denoiser {
  return {
    init: () => SCALE,
    predict: ({ scale }, z, logsnr) => tf.add(predict(z, scale), tf.mul(0, tf.reshape(logsnr, [-1, 1]))),
  };
}

const SCALE = { scale: { shape: [2], data: Float32Array.of(2, 3) } };

Deno.test("a model that computes across its batch is refused, unless the batch is fixed", async () => {
  const centred = own((z, scale) => tf.mul(tf.sub(z, tf.div(tf.sum(z, 0, true), z.shape[0])), scale));
  const check = async (batch?: number) => {
    const model = { name: "centred", shape: [2], params: SCALE, ...(batch === undefined ? {} : { batch }) };
    return await checkOnnx(bytesOf(centred, SCALE, [2], model), centred, model, PROPOSAL, 1);
  };
  await rejects(check(), (error) => {
    ok(error instanceof ExportError);
    match(error.message, /centred cannot be exported as ONNX: .* for a batch of [13]\. .*--batch 1\.$/);
    return true;
  });
  ok(await check(4) < 1e-6);
  await assertSame(centred, SCALE, [2], [4], { batch: 4 });

  const halves = own((z, scale) => {
    const [a, b] = tf.split(tf.concat([z, tf.neg(z)], 0), 2, 0);
    return tf.mul(tf.sub(a, b), scale);
  });
  throws(() => bytesOf(halves, SCALE, [2]), /has an operation Slice that depends on the size of the batch.*--batch 1/);
  await assertSame(halves, SCALE, [2], [2], { batch: 2 });
});

Deno.test("what cannot be a model is refused in one line", () => {
  const fails = (denoiser: Denoiser, params: HostTensors, pattern: RegExp) =>
    throws(() => exportOnnx(denoiser, { name: "own", shape: [2], params }), (error) => {
      ok(error instanceof ExportError, String(error));
      match(error.message, pattern);
      ok(!error.message.includes("\n"));
      return true;
    });
  fails(own((z, scale) => tf.mul(tf.cumsum(z, 1), scale)), SCALE, /own cannot be exported as ONNX\. .*Cumsum/);
  fails(own((z) => tf.slice(z, [0, 0], [1, 2])), { z: SCALE.scale }, /has a parameter z, a name/);
  const count = 520;
  const shared = { shape: [1024, 1024], data: new Float32Array(1024 * 1024) };
  const params = Object.fromEntries(Array.from({ length: count }, (_, i) => [`w${i}`, shared]));
  const large: Denoiser = {
    init: () => params,
    predict: (params, z) => Object.values(params).reduce((sum, w) => tf.add(sum, tf.slice(w, [0, 0], [1, 2])), z),
  };
  const whole: Denoiser = { init: () => SCALE, predict: (_, z) => tf.add(z, tf.zeros([...z.shape, 2 ** 20, 2 ** 20])) };
  fails(whole, SCALE, /own cannot be exported as ONNX for a batch of 65537: .*--batch 1\.$/);
  fails(large, params, /a file of 2181038080 bytes, but an ONNX file has at most 2147483647/);
  ok(sizeOf(shared.shape) * 4 * count > 2 ** 31);
});
