import * as tf from "@tensorflow/tfjs";
import type { Gaussian } from "../reference/gaussian.ts";
import { type GaussianMixture, onlyGaussian } from "../reference/mixture.ts";
import type { Random } from "../random/random.ts";
import type { DiffusionSchedule } from "../diffusion/variational_bound.ts";
import { type Condition, conditionWidth } from "../data/condition.ts";
import type { Samples } from "../data/samples.ts";
import type { AxisMap } from "../data/standardisation.ts";
import { type HostTensor, type HostTensors, type ParameterShapes, sizeOf } from "../data/tensors.ts";
import type { OptionSpec, OptionValues } from "../options/spec.ts";
import type { TableCoding } from "../rows/table_coding.ts";

export type { OptionSpec, OptionValues } from "../options/spec.ts";

/** What a denoiser is told of the data that it will see. */
export interface DataInfo {
  /** The shape of one sample, `[2]` for points, `[3, 32, 32]` for images. */
  readonly shape: readonly number[];
  /** The Gaussian with the training data's mean and covariance. */
  readonly gaussian: Gaussian;
  /** The density that a model is compared and blended with, where it is another one than that Gaussian. */
  readonly reference?: GaussianMixture;
  /** What may be known of a sample, where the model is a conditional one. */
  readonly condition?: Condition;
  /**
   * Of data whose values may be unknown which these are, by their places in a sample. What is known of a sample then ends with
   * a flag for each of its values, 1 where that is unknown, and 0 stands in its place.
   */
  readonly gaps?: readonly number[];
}

/** The number of values of what is known of a sample; 0 where nothing ever is. */
export function widthOfCondition({ condition, gaps, shape }: Pick<DataInfo, "condition" | "gaps" | "shape">): number {
  return (condition ? conditionWidth(condition) : 0) + (gaps ? sizeOf(shape) : 0);
}

/**
 * 1 for each value of samples that is known and 0 for the others, of the shape of z, from what is known of them; nothing of
 * data without gaps, or where all is known.
 */
export function knownValues(
  { condition, gaps, shape }: Pick<DataInfo, "condition" | "gaps" | "shape">,
  vectors: Tensor | undefined,
): Tensor | undefined {
  if (!gaps || !vectors) return undefined;
  const [batch] = vectors.shape, first = condition ? conditionWidth(condition) : 0;
  return tf.reshape(tf.sub(1, tf.slice(vectors, [0, first], [batch, sizeOf(shape)])), [batch, ...shape]);
}

/** The density that a model of the data is compared with. */
export function referenceOf({ gaussian, reference }: DataInfo): GaussianMixture {
  return reference ?? onlyGaussian(gaussian);
}

/** A tensor of tfjs. */
export type Tensor = tf.Tensor;

/** A tensor of tfjs with one axis. */
export type Tensor1D = tf.Tensor1D;

/** A denoiser: named parameters, and a prediction of the noise that is differentiable in them. */
export interface Denoiser {
  /** Initial parameters. The same `random` gives the same parameters. An empty record means nothing to train. */
  init(random: Random): HostTensors;
  /**
   * The same parameters one after the other, so that not all have to be held at once. For a large network, whose `shapes`
   * are known too.
   */
  initEach?(random: Random): Iterable<readonly [string, HostTensor]>;
  /**
   * Epsilon prediction. Pure and made of tfjs operations only.
   *
   * @param params The tensors of `init`, by name.
   * @param z Noisy samples, `[batch, ...shape]`.
   * @param logsnr Log SNR of each sample in nats, `[batch]`.
   * @param condition What is known of each sample, `[batch, width]` as {@linkcode Condition} has it; of data that has a
   * condition it may be left out where nothing is known.
   * @returns The estimate of ε, of the shape of `z`.
   */
  predict(params: Record<string, Tensor>, z: Tensor, logsnr: Tensor1D, condition?: Tensor): Tensor;
  /**
   * What its network says of the variance of a step back, for each value, beside ε̂, as the schedule's `learned` means it;
   * of the variational bound.
   *
   * @returns ε̂ and v, both of the shape of `z`.
   */
  stepVariance?(
    params: Record<string, Tensor>,
    z: Tensor,
    logsnr: Tensor1D,
    condition?: Tensor,
  ): { readonly epsHat: Tensor; readonly v: Tensor };
  /** How it predicts in training, where chance has a part in that; without it, as `predict` does. */
  readonly training?: RandomPrediction;
  /**
   * The shapes of the tensors of `init`, by name. Where they are given, a network that is too large for the memory, or that
   * does not fit a checkpoint, is refused before any of its parameters are drawn.
   */
  readonly shapes?: ParameterShapes;
  /** The options that it was made with, where it chose what was left open: a run keeps them. */
  readonly options?: OptionValues;
  /** Whether its first parameters are those of another training: the usual learning rate is then that of fine-tuning. */
  readonly isPretrained?: boolean;
  /** Adam's learning rate where nothing is said and it is not pretrained. */
  readonly learningRate?: number;
  /** The steps of the diffusion that its network was made for, where it was for one: of the variational bound. */
  readonly schedule?: DiffusionSchedule;
  /** How a checkpoint is stored so that another library loads it; without it the parameters are stored alone. */
  readonly form?: ModelForm;
}

/** A prediction of which chance is a part, as of a network with dropout in training. */
export interface RandomPrediction {
  /** How many whole numbers of chance a sample takes. */
  readonly draws: number;
  /** They are from 0 to below this. */
  readonly below: number;
  /** As {@linkcode Denoiser.predict}. @param draws For each sample, `[batch, draws]`. */
  predict(
    params: Record<string, Tensor>,
    z: Tensor,
    logsnr: Tensor1D,
    draws: Tensor,
    condition?: Tensor,
  ): Tensor;
}

/** The files that a model has in another library's form. */
export interface ModelForm {
  /** The name of the safetensors file with the parameters. */
  readonly weights: string;
  /** The texts of the other files, by their names. */
  readonly files: Readonly<Record<string, string>>;
}

/** A denoiser plugin: a module that exports `create` and, if it has any, `options` and `recipes`. */
export interface DenoiserPlugin {
  /** Its options, by their names in camelCase. */
  readonly options?: Readonly<Record<string, OptionSpec>>;
  /** Other defaults of its options under a recipe, by the recipe's name. */
  readonly recipes?: Readonly<Record<string, OptionValues>>;
  /** Whether its denoisers take what is known of a sample; others refuse data with a condition. */
  readonly conditional?: boolean;
  /** Makes a denoiser for data of a kind. */
  create(data: DataInfo, options: OptionValues, context?: CreateContext): Denoiser | Promise<Denoiser>;
}

/** How far a download is, in bytes. */
export interface PluginProgress {
  /** What is loaded. */
  readonly label: string;
  /** Bytes that are there. */
  readonly done: number;
  /** Bytes in all, where that is known. */
  readonly total: number | undefined;
}

/** What a plugin may use while it loads. */
export interface LoadContext {
  /** Called as it goes on. */
  readonly onProgress?: (progress: PluginProgress) => void;
  /** Said to the user in a line, as what was assumed. */
  readonly onNote?: (note: string) => void;
  /** Ends it soon after, with its reason as the error. What was downloaded is kept, to go on with. */
  readonly signal?: AbortSignal | undefined;
}

/** What a denoiser may use while it is made. */
export interface CreateContext extends LoadContext {
  /**
   * The files of the checkpoint whose parameters the denoiser will be given, as its `form` gave them. Then `init` need only
   * give the parameters' shapes.
   */
  readonly saved?: ModelForm["files"];
  /** Whether it is made to be trained, rather than for what it has learned. */
  readonly training?: boolean;
}

/**
 * A loaded data set: samples, and what is known of them. A plugin may be laxer, since what it loads is brought to this
 * form: samples may be any array of numbers or an array of rows, the shape may be left out where they are rows, and
 * without `validation` a tenth of the rows of `train`, drawn at random, becomes it.
 */
export interface Dataset {
  /** The shape of one sample. */
  readonly shape: readonly number[];
  /** Samples to train on. */
  readonly train: Samples;
  /** Samples to validate on. */
  readonly validation: Samples;
  /**
   * Where `train` and `validation` were drawn from the rows of one source: the places that these had in it, of `train`
   * before those of `validation`. Where it is left out they follow one another there.
   */
  readonly splitOrder?: Uint32Array;
  /** Samples that neither training nor validation sees; a synthetic data set draws fresh ones. */
  readonly test?: Samples;
  /** The true differential entropy in nats, where it is known. */
  readonly entropy?: number;
  /**
   * Where the values were scaled: the sum over a sample of the logs of what each was divided by. Added to an NLL in nats
   * it gives that of the values before.
   */
  readonly logScale?: number;
  /** Where each axis was brought to mean 0 and standard deviation 1: the values before are value · scale + mean. */
  readonly axes?: AxisMap;
  /** Smallest and largest value of a component, where the data has such a range. */
  readonly range?: readonly [number, number];
  /** The step between neighbouring values of discrete data. */
  readonly delta?: number;
  /** The names of the columns of points, where they have some. */
  readonly columns?: readonly string[];
  /** What is known of each sample besides its values, which `Samples.condition` holds. */
  readonly condition?: Condition;
  /** Which values of its samples may be unknown, where any may: `Samples.gaps` says of each sample. */
  readonly gaps?: readonly number[];
  /** How rows of a table were made samples of. */
  readonly table?: TableCoding;
  /** The values before they were scaled that became the smallest and the largest of `range`. */
  readonly fileRange?: readonly [number, number];
  /** What was read and how it was taken, in one line: `points.csv: 500 rows, columns x, y; header found`. */
  readonly description?: string;
}

/** A data set plugin: a module that exports `load` and, if it has any, `options`. */
export interface DatasetPlugin {
  /** Its options, by their names in camelCase. */
  readonly options?: Readonly<Record<string, OptionSpec>>;
  /** Loads the data, the same for the same `random`. */
  load(random: Random, options: OptionValues, context?: LoadContext): Dataset | Promise<Dataset>;
}

/** What a data set says of its samples besides the samples. */
export type DataFacts = Pick<
  Dataset,
  | "shape"
  | "entropy"
  | "range"
  | "delta"
  | "logScale"
  | "axes"
  | "columns"
  | "condition"
  | "gaps"
  | "table"
  | "fileRange"
  | "description"
>;

/** What a model knows of its data without the data itself. */
export type SavedDataInfo = DataInfo & DataFacts;
