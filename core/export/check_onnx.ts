import * as ort from "onnxruntime-node";
import { createEngine } from "../engine/mod.ts";
import type { Denoiser } from "../plugins/contracts.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { Random } from "../random/random.ts";
import { type Condition, conditionWidth, encodeCondition } from "../data/condition.ts";
import { type HostTensor, type HostTensors, sizeOf } from "../data/tensors.ts";
import { predict } from "../plugins/predict.ts";
import { ExportError } from "./errors.ts";
import type { OnnxExport } from "./onnx.ts";

/** Batches that a model which takes any is tried with. */
const BATCHES = [1, 3];

/** Largest difference of an output that is about 1; float32 in another order of operations differs far less. */
const TOLERANCE = 1e-3;

/**
 * Runs an exported model beside the denoiser on noise, at log SNRs across the proposal, given something and given nothing.
 *
 * @param model The file's bytes.
 * @returns The largest difference, relative to the larger of 1 and the value.
 * @throws {ExportError} When the model cannot be run or gives other values.
 */
export async function checkOnnx(
  model: Uint8Array,
  denoiser: Denoiser,
  { name, shape, params, condition, batch }: OnnxExport,
  { loc, scale }: Proposal,
  threads: number,
): Promise<number> {
  const fail = (what: string) =>
    new ExportError(
      `The denoiser ${name} cannot be exported as ONNX: ${what}.` +
        (batch === undefined ? " If it computes across the batch, fix the batch's size: --batch 1." : ""),
    );
  const engine = await createEngine("onnx-cpu", threads);
  const state = engine.createState(params);
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads, logSeverityLevel: 3 })
    .catch((error) => {
      throw fail(`ONNX Runtime says ${error.message}`);
    });
  let worst = 0;
  try {
    for (const n of batch === undefined ? BATCHES : [batch]) {
      const z = new Float32Array(n * sizeOf(shape));
      Random.fromSeed(n).fillNormal(z);
      const logsnr = Float32Array.from({ length: n }, (_, i) => loc + scale * (i - (n - 1) / 2));
      const inputs: HostTensors = {
        z: { shape: [n, ...shape], data: z },
        logsnr: { shape: [n], data: logsnr },
        ...(condition ? { condition: somethingKnown(condition, n) } : {}),
      };
      const program = await engine.compile(
        (state, { z, logsnr, condition }) => ({ outputs: { epsHat: predict(denoiser, state, z, logsnr, condition) } }),
        state,
        Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape])),
      );
      const { epsHat } = await program.run(
        Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data])),
      );
      const fed = Object.entries(inputs).map(([name, { data, shape }]) =>
        [name, new ort.Tensor("float32", data, [...shape])] as const
      );
      const { eps_hat: got } = await session.run(Object.fromEntries(fed)).catch((error) => {
        throw fail(`ONNX Runtime says ${error.message}`);
      });
      worst = Math.max(worst, largestDifference(got.data as Float32Array, epsHat));
      await program.dispose();
      if (!(worst <= TOLERANCE)) throw fail(`its model's values differ by ${worst.toPrecision(2)} for a batch of ${n}`);
    }
  } finally {
    await session.release();
    state.dispose();
    engine.dispose();
  }
  return worst;
}

/** Rows of which all is known of the first, nothing of the second, and so on by turns. */
function somethingKnown(condition: Condition, n: number): HostTensor {
  const values = Array.from({ length: n }, (_, row) =>
    condition.map((variable) => {
      if (row % 2 === 1) return NaN;
      return variable.kind === "class" ? variable.levels[row % variable.levels.length] : variable.mean + variable.scale;
    })).flat();
  return { shape: [n, conditionWidth(condition)], data: encodeCondition(condition, values) };
}

/** NaN where either has values that are not finite. */
function largestDifference(got: Float32Array, expected: Float32Array): number {
  if (got.length !== expected.length) return NaN;
  let worst = 0;
  for (let i = 0; i < got.length; i++) {
    const difference = Math.abs(got[i] - expected[i]) / Math.max(1, Math.abs(expected[i]));
    if (!(difference <= worst)) worst = difference;
    if (Number.isNaN(worst)) break;
  }
  return worst;
}
