import type { NamedValues } from "../data/condition_request.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import { UserError } from "../errors/user_error.ts";
import { mseCurve, suggestProposal } from "../evaluation/curve.ts";
import { FINE_LEVELS, FINE_SIDE } from "../evaluation/picture.ts";
import { Random } from "../random/random.ts";
import { sizeOf } from "../data/tensors.ts";
import { densityGrid } from "./density_grid.ts";
import type { FittedModel } from "./fit.ts";
import { internalsOf } from "./internals.ts";
import type { CommonOptions, Model } from "./model.ts";
import { onlyGaussian } from "../reference/mixture.ts";

/** What a figure of a model says. */
export interface FigureOptions extends CommonOptions {
  /** What stands above it. */
  readonly title?: string;
}

/** Data points that a density is shown with. */
const POINTS = 200;

/** Log SNRs of an error curve, and the samples that it is measured on at most. */
const CURVE_POINTS = 97, CURVE_SAMPLES = 2000;

/**
 * The density of a two-dimensional model as an SVG document: filled contours of log p from −5 to −1 nats on [−3, 3]², in the
 * values that the model sees.
 *
 * @param options `points`: samples that are drawn over it, the first 200; `given`: what is known, for log p(x | c).
 * @throws {UserError} When the model is not of two dimensions.
 */
export async function densityFigure(
  model: Model & Partial<FittedModel>,
  { title = "Density", points = model.data?.train, seed = 0, signal, given }:
    & FigureOptions
    & { readonly points?: Samples; readonly given?: NamedValues } = {},
): Promise<string> {
  if (model.shape.length !== 1 || model.shape[0] !== 2) {
    throw new UserError(`The model is of samples of shape [${model.shape}], but a density is drawn of shape [2].`);
  }
  const random = Random.fromSeed(seed).split("density figure");
  const { logDensity, ...grid } = await densityGrid(model, {
    ...{ side: FINE_SIDE, levels: FINE_LEVELS, random, given, signal },
  });
  const { contourFigure, renderSvg } = await import("../figures/mod.ts");
  return await renderSvg(contourFigure({
    title,
    panels: [{ epoch: model.history?.length ?? 0, logDensity }],
    ...grid,
    points: points ? toFloat32(points, 0, Math.min(POINTS, points.count)) : new Float32Array(0),
    isGiven: given !== undefined,
  }));
}

/**
 * The denoiser's mean squared error over log SNR beside the Gaussian's MMSE, as an SVG document. Half the area between the
 * curves is the gain over the Gaussian in nats.
 *
 * @param samples To measure on, such as the validation data; at most 2,000 of them are.
 */
export async function errorFigure(
  model: Model,
  samples: Samples,
  { title = "Error over log SNR", seed = 0, signal }: FigureOptions = {},
): Promise<string> {
  const random = Random.fromSeed(seed).split("error figure");
  const some = {
    ...{ count: Math.min(samples.count, CURVE_SAMPLES), dimension: samples.dimension },
    ...(samples.condition ? { condition: samples.condition } : {}),
    copy: samples.copy.bind(samples),
  };
  const options = { reference: onlyGaussian(model.info.gaussian), ...(signal ? { signal } : {}) };
  await using meter = await internalsOf(model).meter(options);
  const curve = await mseCurve(meter, some, model.proposal, random, CURVE_POINTS);
  const dimension = sizeOf(model.shape);
  const suggestion = model.proposal.even ? undefined : suggestProposal(curve, dimension);
  const standard = curve.logsnr.map((alpha) => dimension / (1 + Math.exp(-alpha)));
  const { mseFigure, renderSvg } = await import("../figures/mod.ts");
  return await renderSvg(
    mseFigure({ title, ...curve, ...model.proposal, standard, dimension, ...(suggestion ? { suggestion } : {}) }),
  );
}

/** The NLL on training and validation data through the epochs of a fit, as an SVG document. */
export async function lossFigure(
  model: FittedModel,
  { title = "Negative log likelihood" }: FigureOptions = {},
): Promise<string> {
  const { lossFigure, renderSvg } = await import("../figures/mod.ts");
  const { entropy } = model.info;
  return await renderSvg(lossFigure({
    title,
    epochs: model.history.map(({ epoch, trainNll, validation }) => ({
      ...{ epoch, trainNll },
      ...{ valNll: validation.mean, valNllStderr: validation.stderr },
    })),
    ...(entropy === undefined ? {} : { entropy }),
  }));
}
