import { toFloat32 } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { logsnrRange } from "../diffusion/logsnr.ts";
import { referenceOf } from "../plugins/contracts.ts";
import { blendNodes } from "../reference/blend.ts";
import { mixtureName } from "../reference/mixture.ts";
import { classPanels } from "./class_panels.ts";
import type { DensityPanels } from "./density_panels.ts";
import { EXTENT, FINE_SIDE, SIDE } from "../evaluation/picture.ts";
import type { PreparedRun } from "./prepare.ts";
import type { Measurements } from "./training_task.ts";

/** Data points that a density is shown with. */
const POINTS = 200;

/** The width of TensorBoard's pictures in pixels. */
const PNG_WIDTH = 900;

/**
 * Draws a run's figures as SVG files in `figures`, and as pictures for TensorBoard.
 *
 * @param name The data set's name, for the titles.
 * @param panels The density through training; none where the data is not two-dimensional.
 * @returns The files' paths within the run's folder.
 */
export async function drawFigures(
  { data, info, training, folder, proposal, ranks }: PreparedRun,
  name: string,
  { metrics, curve, suggestion, test }: Measurements,
  panels: DensityPanels | undefined,
): Promise<string[]> {
  const { blendFigure, contourFigure, lossFigure, mseFigure, overviewFigure, renderPng, renderSvg } = await import(
    "../figures/mod.ts"
  );
  const dimension = sizeOf(data.shape);
  const blend = await training.blend();
  const points = toFloat32(data.train, 0, Math.min(POINTS, data.train.count));
  const loss = {
    epochs: metrics.map((m) => ({
      epoch: m.epoch,
      trainNll: m.train_nll,
      valNll: m.val_nll,
      valNllStderr: m.val_nll_stderr,
    })),
    ...(data.entropy === undefined ? {} : { entropy: data.entropy }),
  };
  const standard = curve.logsnr.map((a) => dimension / (1 + Math.exp(-a)));
  const mse = { ...curve, ...proposal, standard, dimension, ...(suggestion ? { suggestion } : {}) };
  const last = metrics[metrics.length - 1];
  const nll = test ?? { mean: last.val_nll, stderr: last.val_nll_stderr };
  const grid = {
    side: SIDE,
    extent: EXTENT,
    points,
    ...(panels?.resolution === undefined ? {} : { resolution: panels.resolution }),
  };
  const figures = {
    ...(panels
      ? {
        overview: overviewFigure({
          title: name,
          nll: nll.mean,
          nllStderr: nll.stderr,
          density: { epoch: last.epoch, logDensity: await panels.fine() },
          ...grid,
          side: FINE_SIDE,
          mse,
          loss,
        }),
        // A run that went on without figures may have none of its panels.
        ...(panels.list().length > 0
          ? { contours: contourFigure({ title: `${name}: density through training`, panels: panels.list(), ...grid }) }
          : {}),
      }
      : {}),
    ...(panels && data.condition
      ? {
        given: contourFigure({
          title: `${name}: density given ${data.condition[0].name}`,
          panels: await classPanels(panels, data.condition, data.train, last.epoch),
          isGiven: true,
          ...grid,
        }),
      }
      : {}),
    ...(blend
      ? {
        blend: blendFigure({
          title: `${name}: the network's share over log SNR`,
          logsnr: blendNodes(logsnrRange(proposal)),
          weight: [...blend],
          reference: mixtureName(referenceOf(info)),
        }),
      }
      : {}),
    mse: mseFigure({ title: `${name}: error over log SNR`, ...mse }),
    loss: lossFigure({ title: `${name}: negative log likelihood`, ...loss }),
  };

  const { step } = last;
  if (!folder.isWritten) return [];
  using events = folder.openEvents();
  const files: string[] = [];
  for (const [key, spec] of Object.entries(figures)) {
    ranks.stop.throwIfAborted();
    const svg = await renderSvg(spec);
    const file = `figures/${key}.svg`;
    await folder.write(file, svg);
    files.push(file);
    const png = await renderPng(svg, PNG_WIDTH);
    const view = new DataView(png.buffer, png.byteOffset);
    events.image(key, png, view.getUint32(16), view.getUint32(20), step);
  }
  return files;
}
