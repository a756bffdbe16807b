import * as ort from "onnxruntime-node";
import { resizeImage } from "../data/resize_image.ts";
import { messageOf, UserError } from "../errors/user_error.ts";
import type { EncodedRows } from "./table.ts";

/** A network of features that cannot be used. */
export class FeaturesError extends UserError {}

/** What the network takes black and white to be: numbers, or the mean and deviation of ImageNet's colours. */
export const FEATURE_RANGES = ["0,1", "-1,1", "0,255", "imagenet"] as const;

export type FeatureRange = typeof FEATURE_RANGES[number];

/** ImageNet's mean and deviation of red, green and blue between 0 and 1, as torchvision's models want them. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], scale: [0.229, 0.224, 0.225] } as const;

/** What protobuf allows of a model in one file. */
const MAX_BYTES = 2 ** 31 - 1;

/** The longest side of an image, and the most features. */
const MAX_SIDE = 4096, MAX_FEATURES = 4096;

/** Images at a time, where the network takes any number. */
const BATCH = 16;

/** What is asked of a network where its file leaves it open. */
export interface FeatureOptions {
  /** Of one image of ours: channels, height, width. */
  readonly shape: readonly [number, number, number];
  /** What is black and white in our images. */
  readonly range: readonly [number, number];
  /** What is black and white to the network: 0,255 for one of bytes, otherwise 0,1, if left out. */
  readonly featureRange?: FeatureRange | undefined;
  /** The side of the images that it takes, where the file leaves that open: our own, if left out. */
  readonly size?: number | undefined;
  /** Which output has the features; the first, if left out. */
  readonly output?: string | undefined;
  readonly threads?: number;
}

/** A network that makes features of images. */
export interface FeatureNetwork extends AsyncDisposable {
  /** What was found of its input and output and how images are brought to it, in one line. */
  readonly description: string;
  /**
   * The features of images, averaged over places where an output has some.
   *
   * @param images `[n, channels, height, width]`.
   * @param onProgress Told how many are done.
   * @throws {FeaturesError} When the network fails, or gives no finite numbers.
   */
  featuresOf(images: Float32Array, onProgress?: (done: number) => void): Promise<EncodedRows>;
}

/**
 * Opens an ONNX model of one input, images of 1 or 3 channels, `[n, channels, height, width]` or channels last, and an
 * output of `[n, features]` or `[n, features, height, width]`. Images are brought to its size
 * ({@linkcode resizeImage}), and grey ones to three equal channels, or colours to their mean, as it wants.
 *
 * @param path The file, with all weights in it.
 * @throws {FeaturesError} When it is no such model, or too large.
 */
export async function openFeatures(path: string, options: FeatureOptions): Promise<FeatureNetwork> {
  const fail = (what: string) => new FeaturesError(`The network ${path} cannot be used: ${what}`);
  let session: ort.InferenceSession;
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) throw fail("it is no file. Name an ONNX model.");
    if (size > MAX_BYTES) throw fail(`it has ${size} bytes, expected at most ${MAX_BYTES} with all weights in it.`);
    session = await ort.InferenceSession.create(await Deno.readFile(path), {
      logSeverityLevel: 4,
      ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const why = messageOf(error).split("\n")[0].replace(/\.$/, "").slice(0, 200);
    throw new FeaturesError(`The network ${path} cannot be read: ${why}. Give an ONNX model with all weights in it.`, {
      cause: error,
    });
  }
  try {
    return networkOf(session, options, fail);
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** How the network takes images. */
interface InputForm {
  readonly name: string;
  readonly isBytes: boolean;
  readonly isLast: boolean;
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** Images at a time, where their number is fixed. */
  readonly batch: number | undefined;
}

function networkOf(
  session: ort.InferenceSession,
  options: FeatureOptions,
  fail: (what: string) => FeaturesError,
): FeatureNetwork {
  const form = inputOf(session, options, fail), { output = session.outputNames[0], shape, range } = options;
  if (!session.outputNames.includes(output)) {
    throw fail(`it has no output ${output}. Name one of ${session.outputNames.join(", ")} by --features-output.`);
  }
  const taken = options.featureRange ?? (form.isBytes ? "0,255" : "0,1");
  if (form.isBytes && taken !== "0,255") throw fail(`it takes bytes, but --features-range is ${taken}. Leave it out.`);
  const prepare = preparation(form, shape, range, taken), size = form.channels * form.height * form.width;
  const batch = form.batch ?? BATCH;
  return {
    description: describe(form, options, taken, output),
    async featuresOf(images, onProgress) {
      const pixels = shape.reduce((product, n) => product * n, 1), count = images.length / pixels;
      let rows: Float32Array | undefined, width = 0;
      for (let begin = 0; begin < count; begin += batch) {
        const n = Math.min(batch, count - begin), fed = form.batch ?? n;
        const values = new Float32Array(fed * size);
        for (let i = 0; i < n; i++) {
          prepare(
            images.subarray((begin + i) * pixels, (begin + i + 1) * pixels),
            values.subarray(i * size, (i + 1) * size),
          );
        }
        const dims = form.isLast ? [fed, form.height, form.width, form.channels] : [
          ...[fed, form.channels, form.height, form.width],
        ];
        const tensor = form.isBytes
          ? new ort.Tensor("uint8", Uint8Array.from(values, (x) => Math.max(0, Math.min(255, Math.round(x)))), dims)
          : new ort.Tensor("float32", values, dims);
        const got = await session.run({ [form.name]: tensor }, [output]).catch((error) => {
          throw fail(`ONNX Runtime says ${messageOf(error).split("\n")[0].slice(0, 200)}`);
        });
        const features = pooled(got[output], fed, fail);
        width = features.length / fed;
        rows ??= new Float32Array(count * width);
        rows.set(features.subarray(0, n * width), begin * width);
        onProgress?.(begin + n);
      }
      return { values: rows ?? new Float32Array(), width };
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

function inputOf(
  session: ort.InferenceSession,
  { shape: [own, height, width], size }: FeatureOptions,
  fail: (what: string) => FeaturesError,
): InputForm {
  if (own !== 1 && own !== 3) throw fail(`the samples have ${own} channels, expected 1 or 3.`);
  const [input, ...others] = session.inputMetadata;
  if (!input?.isTensor || others.length > 0) {
    throw fail(`it has the inputs ${session.inputNames.join(", ")}, expected one, of images.`);
  }
  const { name, type, shape } = input;
  if (type !== "float32" && type !== "uint8") throw fail(`its input ${name} is of ${type}, expected float32 or uint8.`);
  const isChannels = (n: number | string) => n === 1 || n === 3;
  const isLast = shape.length === 4 && !isChannels(shape[1]) && isChannels(shape[3]);
  const [batch, channels, high, wide] = isLast ? [shape[0], shape[3], shape[1], shape[2]] : shape;
  if (shape.length !== 4 || !isChannels(channels)) {
    throw fail(
      `its input ${name} is of shape [${shape.join(", ")}], expected [n, 3, height, width] or [n, height, width, 3].`,
    );
  }
  const side = (fixed: number | string, own: number) => typeof fixed === "number" && fixed > 0 ? fixed : size ?? own;
  const form = { height: side(high, height), width: side(wide, width) };
  if (!(Math.max(form.height, form.width) <= MAX_SIDE)) {
    throw fail(`it takes images of ${form.height} x ${form.width}, expected sides up to ${MAX_SIDE}.`);
  }
  if (size !== undefined && (form.height !== size || form.width !== size)) {
    throw fail(`it takes images of ${form.height} x ${form.width}, but --features-size is ${size}. Leave it out.`);
  }
  if (typeof batch === "number" && batch > 4096) throw fail(`it takes ${batch} images at a time, expected up to 4096.`);
  return {
    ...{ name, isLast, ...form },
    channels: channels as 1 | 3,
    isBytes: type === "uint8",
    batch: typeof batch === "number" && batch > 0 ? batch : undefined,
  };
}

/** Brings an image of ours to what the network takes. */
function preparation(
  { channels, height, width, isLast }: InputForm,
  shape: FeatureOptions["shape"],
  [low, high]: readonly [number, number],
  taken: FeatureRange,
): (image: Float32Array, out: Float32Array) => void {
  const [own, ownHeight, ownWidth] = shape, pixels = ownHeight * ownWidth;
  const [from, to] = taken === "imagenet" ? [0, 1] : taken.split(",").map(Number);
  return (image, out) => {
    const brought = new Float32Array(channels * pixels);
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < pixels; i++) {
        let value = image[own === channels ? c * pixels + i : i];
        if (channels === 1 && own > 1) value = meanOf(image, i, pixels, own);
        // What a picture shows: beyond black and white there is nothing.
        const share = Math.max(0, Math.min(1, (value - low) / (high - low)));
        brought[c * pixels + i] = from + (to - from) * share;
      }
    }
    const layout = { channels, height: ownHeight, width: ownWidth };
    const resized = resizeImage(brought, layout, [height, width]), area = height * width;
    for (let c = 0; c < channels; c++) {
      const { mean, scale } = taken === "imagenet" ? IMAGENET : { mean: [0, 0, 0], scale: [1, 1, 1] };
      for (let i = 0; i < area; i++) {
        out[isLast ? i * channels + c : c * area + i] = (resized[c * area + i] - mean[c]) / scale[c];
      }
    }
  };
}

function meanOf(image: Float32Array, at: number, pixels: number, channels: number): number {
  let sum = 0;
  for (let c = 0; c < channels; c++) sum += image[c * pixels + at];
  return sum / channels;
}

/** The mean of each feature over its places, `[n, features]`. */
function pooled(output: ort.Tensor, n: number, fail: (what: string) => FeaturesError): Float32Array {
  const { dims, type } = output;
  if (type !== "float32" || dims[0] !== n || !(dims.length === 2 || dims.length === 4)) {
    throw fail(`its output is ${type} of shape [${dims.join(", ")}], expected float32 of [${n}, features].`);
  }
  const width = dims[1], places = dims.length === 4 ? dims[2] * dims[3] : 1;
  if (!(width >= 1 && width <= MAX_FEATURES && places >= 1)) {
    throw fail(
      `it gives ${width} features, expected from 1 to ${MAX_FEATURES}. Name another output by --features-output.`,
    );
  }
  const values = output.data as Float32Array, out = new Float32Array(n * width);
  for (let k = 0; k < out.length; k++) {
    let sum = 0;
    for (let i = 0; i < places; i++) sum += values[k * places + i];
    out[k] = sum / places;
    if (!Number.isFinite(out[k])) throw fail(`it gives ${out[k]}, expected finite numbers. Check --features-range.`);
  }
  return out;
}

function describe(
  { name, isBytes, isLast, channels, height, width }: InputForm,
  { shape: [own, ownHeight, ownWidth] }: FeatureOptions,
  taken: FeatureRange,
  output: string,
): string {
  const order = isLast ? `[n, ${height}, ${width}, ${channels}]` : `[n, ${channels}, ${height}, ${width}]`;
  const range = taken === "imagenet" ? "0,1 less ImageNet's means over its deviations" : taken;
  return [
    `input ${name} ${order}, ${isBytes ? "bytes" : "float32"}; images taken to ${range}`,
    ...(height === ownHeight && width === ownWidth ? [] : [`resized from ${ownHeight} x ${ownWidth}`]),
    ...(own === channels ? [] : [channels === 3 ? "grey made colour" : "colours averaged"]),
    `features of ${output}`,
  ].join("; ");
}
