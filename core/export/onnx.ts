import configuration from "../../deno.json" with { type: "json" };
import { fuse } from "../engine/fuse.ts";
import { portableKernels } from "../engine/kernels/portable.ts";
import { EngineError } from "../engine/program.ts";
import { record } from "../engine/recording.ts";
import { type Condition, conditionWidth } from "../data/condition.ts";
import type { Denoiser } from "../plugins/contracts.ts";
import type { HostTensors } from "../data/tensors.ts";
import { predict } from "../plugins/predict.ts";
import { ExportError } from "./errors.ts";
import { freeBatch } from "./free_batch.ts";
import { encodeOnnxFile } from "./onnx_file.ts";

/** The model's inputs and its output. */
const [Z, LOGSNR, CONDITION, EPS_HAT] = ["z", "logsnr", "condition", "eps_hat"];

const DESCRIPTION = `${EPS_HAT}, the estimate of the noise in z = sqrt(sigmoid(${LOGSNR})) * x + ` +
  `sqrt(sigmoid(-${LOGSNR})) * eps at the log SNR of each sample, in nats.`;

/** What is added where the denoiser takes a condition. */
const GIVEN =
  ` ${CONDITION} is what is known of each sample, laid out by the metadata's ${CONDITION}: of each variable 1 where ` +
  "it is known, and then the number less its mean over its scale, or a 1 in the place of its class; all 0 for p(x).";

/** Batches to record for a model that takes any: primes, larger than constants that are computed while recording. */
const MARKERS = [65_537, 65_539, 65_543, 65_551, 65_557];

/** What is exported besides the denoiser. */
export interface OnnxExport {
  /** The denoiser's name, for messages. */
  readonly name: string;
  /** The shape of one sample. */
  readonly shape: readonly number[];
  readonly params: HostTensors;
  /** What the denoiser is told of a sample; nothing, if left out. */
  readonly condition?: Condition;
  /** The size of the batch; any where it is left out. */
  readonly batch?: number;
  /** What else the file says of the model. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Encodes a denoiser as an ONNX model of standard operations: inputs `z` `[batch, ...shape]`, `logsnr` `[batch]` and, of one
 * with a condition, `condition` `[batch, width]`, output `eps_hat`, and the parameters as initialisers under their names.
 *
 * @returns The file in parts.
 * @throws {ExportError} When the denoiser cannot be a model of that form.
 */
export function exportOnnx(
  denoiser: Denoiser,
  { name, shape, params, condition, batch, metadata = {} }: OnnxExport,
): Uint8Array[] {
  const ours = [Z, LOGSNR, EPS_HAT, ...(condition ? [CONDITION] : [])];
  const taken = Object.keys(params).find((key) => ours.includes(key) || key.startsWith("/"));
  if (taken !== undefined) {
    throw new ExportError(
      `The denoiser ${name} has a parameter ${taken}, a name that something else has in the ONNX model. ` +
        "Rename it, or export as tfjs.",
    );
  }
  const weights = Object.fromEntries(Object.entries(params).map(([key, tensor]) => [key, tensor.shape]));
  const width = condition ? [conditionWidth(condition)] : [];
  const fixed = [...shape, ...width, ...Object.values(weights).flat()];
  const marker = batch === undefined ? MARKERS.find((prime) => fixed.every((n) => n % prime !== 0)) : undefined;
  const size = batch ?? marker;
  if (size === undefined) {
    throw new ExportError(`The sizes of the denoiser ${name} leave none to stand for any batch. Fix it: --batch 1.`);
  }
  const inputs = {
    ...{ [Z]: [size, ...shape], [LOGSNR]: [size] },
    ...(condition ? { [CONDITION]: [size, ...width] } : {}),
  };
  const output = freeBatch(recorded(denoiser, name, weights, inputs), {
    shapes: { ...weights, ...inputs },
    batched: Z,
    ...(marker === undefined ? {} : { marker }),
  });
  return encodeOnnxFile({
    output,
    outputName: EPS_HAT,
    inputs,
    weights: params,
    openSize: (n) => n === marker ? "batch" : undefined,
    producer: { name: "itdiffusion", version: configuration.version },
    description: condition ? DESCRIPTION + GIVEN : DESCRIPTION,
    metadata: { ...metadata, ...(condition ? { [CONDITION]: JSON.stringify(condition) } : {}) },
  });
}

/** What the denoiser computes of its parameters, z and log SNR. */
function recorded(
  denoiser: Denoiser,
  name: string,
  weights: Readonly<Record<string, readonly number[]>>,
  inputs: Readonly<Record<string, readonly number[]>>,
) {
  try {
    const { graph, outputs } = record(
      (params, { [Z]: z, [LOGSNR]: logsnr, [CONDITION]: condition }) => ({
        outputs: { [EPS_HAT]: predict(denoiser, params, z, logsnr, condition) },
      }),
      weights,
      inputs,
      { table: portableKernels },
    );
    return fuse(graph, [outputs[EPS_HAT]])[0];
  } catch (error) {
    if (error instanceof EngineError) {
      throw new ExportError(`The denoiser ${name} cannot be exported as ONNX. ${error.message}`, { cause: error });
    }
    if (!(error instanceof RangeError)) throw error;
    // Among others, constants of the batch's size that do not fit in memory.
    throw new ExportError(
      `The denoiser ${name} cannot be exported as ONNX for a batch of ${inputs[Z][0]}: ${error.message}. ` +
        "Fix a small batch: --batch 1.",
      { cause: error },
    );
  }
}
