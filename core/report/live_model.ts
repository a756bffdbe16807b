import { floatSamples } from "../data/samples.ts";
import { gzipSync } from "node:zlib";
import { blurredGaussian, type Gaussian } from "../reference/gaussian.ts";
import { logsnrRange, logsnrWeight, type Proposal, sigmoid } from "../diffusion/logsnr.ts";
import { blurredProposal } from "../evaluation/blur.ts";
import { density } from "../evaluation/density.ts";
import type { ErrorMeter } from "../evaluation/errors.ts";
import { exportOnnx } from "../export/onnx.ts";
import { densityMark } from "../figures/density.ts";
import { figure } from "../figures/layout.ts";
import { renderSvg } from "../figures/render.ts";
import { onlyGaussian } from "../reference/mixture.ts";
import { Random } from "../random/random.ts";
import { readPanel } from "../run/density_panels.ts";
import { EXTENT, SIDE } from "../evaluation/picture.ts";
import type { OpenRun } from "../run/open_run.ts";
import type { Design, PlaneGaussian } from "./live_density.js";
import { type SavedFigure, savedFigure } from "./saved_figure.ts";

/** Where the plane lies in its picture, in pixels; the picture is square. */
export interface PlaneFrame {
  readonly left: number;
  readonly top: number;
  readonly size: number;
  readonly width: number;
  readonly extent: number;
}

/** A two-dimensional model as the page evaluates it. */
export interface LiveModel {
  /** The ONNX model, compressed by gzip. */
  readonly onnx: Uint8Array;
  readonly gaussian: PlaneGaussian;
  /** The same estimate with more and more log SNRs. */
  readonly designs: readonly Design[];
  /** The smallest and largest log SNR, in nats. */
  readonly logsnr: readonly [number, number];
  readonly frame: PlaneFrame;
  /** The density, or an empty frame where the run has no panel of this epoch. */
  readonly picture: SavedFigure;
  /** The standard deviation of the noise that the density is that of data with, where the run shows it so. */
  readonly resolution?: number;
}

/** Log SNRs of the estimates, each of which is used where the one before is not exact enough. */
const LEVELS = [16, 64, 256, 1024] as const;

const FRAME = { left: 30, top: 8, size: 320, width: 358, height: 352 } as const;

/**
 * Makes a model ready to be evaluated in a page.
 *
 * @param run Of two-dimensional points.
 * @throws {UserError} When the denoiser cannot be exported as ONNX.
 */
export async function liveModel(run: OpenRun): Promise<LiveModel> {
  const { denoiser, params, info, config, epoch } = run;
  const parts = exportOnnx(denoiser, { name: config.denoiser, shape: info.shape, params });
  const panel = await readPanel(run.folder, epoch);
  const resolution = panel?.resolution;
  const gaussian = resolution === undefined ? info.gaussian : blurredGaussian(info.gaussian, resolution);
  const proposal = resolution === undefined ? run.proposal : blurredProposal(run.proposal, resolution);
  const { left, top, size, width, height } = FRAME;
  const extent = panel?.extent ?? EXTENT;
  const shown = panel ?? { panel: { epoch, logDensity: new Float32Array(SIDE * SIDE).fill(-Infinity) }, side: SIDE };
  const mark = densityMark(shown.panel, shown.side, extent, new Float32Array(0), {
    x: left,
    y: top,
    width: size,
    height: size,
  }, {
    bottom: true,
    left: true,
  });
  const picture = savedFigure(
    "density",
    await renderSvg(figure(width, height, `Filled contours of log p(x) after epoch ${epoch}.`, [mark])),
  );
  if (!picture) throw new Error("A figure that was drawn has no size.");
  return {
    onnx: gzipSync(joined(parts), { level: 9 }),
    gaussian: planeGaussian(gaussian),
    designs: await Promise.all(LEVELS.map((levels) => designOf(gaussian, proposal, levels, resolution))),
    logsnr: logsnrRange(proposal).map((alpha) => Math.round(10 * alpha) / 10) as [number, number],
    frame: { left, top, size, width, extent },
    picture,
    ...(resolution === undefined ? {} : { resolution }),
  };
}

/** A Gaussian of the plane by its precision. */
export function planeGaussian({ mean, eigenvalues, eigenvectors }: Gaussian): PlaneGaussian {
  const [precision11, precision12, precision22] = symmetric(eigenvalues.map((l) => 1 / l), eigenvectors);
  return {
    mean: [...mean],
    precision: [precision11, precision12, precision22],
    logNormaliser: eigenvalues.reduce((sum, l) => sum - 0.5 * Math.log(2 * Math.PI * l), 0),
  };
}

/**
 * What the estimate of core/evaluation/density.ts uses at each log SNR. Its log SNRs and noise are those that it asks its
 * meter for.
 *
 * @param gaussian Blurred, as is the proposal, where there is a resolution.
 */
export async function designOf(
  gaussian: Gaussian,
  proposal: Proposal,
  levels: number,
  resolution = 0,
): Promise<Design> {
  const asked = { eps: new Float32Array(0), logsnr: new Float32Array(0) };
  const recorder: ErrorMeter = {
    shape: [2],
    reference: onlyGaussian(gaussian),
    measure(_, eps, logsnr) {
      Object.assign(asked, { eps: eps.slice(), logsnr: logsnr.slice() });
      const none = new Float32Array(logsnr.length);
      return Promise.resolve({ mse: none, mseReference: none, distance: none });
    },
    dispose() {},
  };
  await density(recorder, floatSamples(new Float32Array(2), 2), proposal, Random.fromSeed(0).split("report"), levels);
  const rows = Array.from({ length: levels }, (_, k) => {
    const alpha = asked.logsnr[2 * k];
    const [signal, own] = [sigmoid(alpha), sigmoid(-alpha)];
    // Of blurred data the model sees all the noise, and its estimate is shared out: core/evaluation/blur.ts.
    const noise = signal * resolution ** 2 + own;
    const scales = gaussian.eigenvalues.map((l) => Math.sqrt(own) / (signal * l + own));
    const [ideal11, ideal12, ideal22] = symmetric(scales, gaussian.eigenvectors);
    return {
      signal: Math.sqrt(signal),
      noise: Math.sqrt(own),
      eps1: asked.eps[4 * k],
      eps2: asked.eps[4 * k + 1],
      weight: logsnrWeight(alpha, proposal),
      inputScale: 1 / Math.sqrt(signal + noise),
      inputLogsnr: Math.log(signal / noise),
      outputScale: Math.sqrt(own / noise),
      ideal11,
      ideal12,
      ideal22,
    };
  });
  const column = (key: keyof typeof rows[number]) => rows.map((row) => Number(row[key].toPrecision(8)));
  return {
    signal: column("signal"),
    noise: column("noise"),
    eps1: column("eps1"),
    eps2: column("eps2"),
    weight: column("weight"),
    inputScale: column("inputScale"),
    inputLogsnr: column("inputLogsnr"),
    outputScale: column("outputScale"),
    ideal11: column("ideal11"),
    ideal12: column("ideal12"),
    ideal22: column("ideal22"),
  };
}

/** The elements 11, 12 and 22 of U·diag(values)·Uᵀ. */
function symmetric(values: ArrayLike<number>, eigenvectors?: Float64Array): [number, number, number] {
  const [u11, u12, u21, u22] = eigenvectors ?? [1, 0, 0, 1];
  const [a, b] = [values[0], values[1]];
  return [u11 * u11 * a + u12 * u12 * b, u11 * u21 * a + u12 * u22 * b, u21 * u21 * a + u22 * u22 * b];
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
