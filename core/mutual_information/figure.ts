import type { Mark, Spec } from "vega";
import { type Box, curveAxes, figure, group, legendRow, title } from "../figures/layout.ts";
import { curveArea, curveLine } from "../figures/panel.ts";
import { COLOURS } from "../figures/theme.ts";
import type { ErrorCurves } from "./estimate.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 660, LEFT = 68, RIGHT = 24, CURVES = 240, DIFFERENCE = 130, GAP = 64, BELOW = 54;

/**
 * The error of one side without and with the other over log SNR, and below it their difference with one standard error either side: half
 * of its area is the mutual information in nats.
 *
 * @param name What the figure is of, for its title.
 * @param given The side that is known, `y` where the likelihood is that of x.
 */
export function informationFigure(
  name: string,
  given: "x" | "y",
  { logsnr, marginal, conditional, difference }: ErrorCurves,
): Spec {
  const rows = logsnr.map((alpha, k) => ({
    logsnr: alpha,
    marginal: marginal[k],
    conditional: conditional[k],
    difference: difference[k].mean,
    low: difference[k].mean - difference[k].stderr,
    high: difference[k].mean + difference[k].stderr,
    zero: 0,
  }));
  const plot = { width: WIDTH - LEFT - RIGHT, x: LEFT };
  const legend = legendRow(
    [
      { label: "ε̂(z, α)", colour: COLOURS.gaussian, kind: "dash" },
      { label: `ε̂(z, α | ${given})`, colour: COLOURS.denoiser, kind: "line" },
      { label: "difference: its half area is I(X; Y)", colour: COLOURS.gap, kind: "area" },
    ],
    LEFT,
    60,
    plot.width,
  );
  const top = 60 + legend.height + 8, lower = top + CURVES + GAP;
  const most = Math.max(...marginal, ...conditional, 1e-6);
  const lows = Math.min(0, ...rows.map(({ low }) => low)), highs = Math.max(1e-6, ...rows.map(({ high }) => high));
  const margin = 0.06 * (highs - lows);
  return figure(
    WIDTH,
    lower + DIFFERENCE + BELOW,
    `${name}. Mean square error over log SNR of the denoisers without and with ${given}, and their difference.`,
    [
      title(LEFT, 34, name, plot.width),
      ...legend.marks,
      panel({ ...plot, y: top, height: CURVES }, rows, [0, 1.06 * most], "E‖ε − ε̂‖²", [
        curveArea("datum.conditional", "datum.marginal", COLOURS.gap, 0.24),
        curveLine("marginal", COLOURS.gaussian, { dash: [5, 3] }),
        curveLine("conditional", COLOURS.denoiser),
      ]),
      panel({ ...plot, y: lower, height: DIFFERENCE }, rows, [lows - margin, highs + margin], "difference", [
        curveArea("datum.zero", "datum.difference", COLOURS.gap, 0.24),
        curveArea("datum.low", "datum.high", COLOURS.denoiser, 0.22),
        curveLine("zero", COLOURS.line),
        curveLine("difference", COLOURS.denoiser),
      ]),
    ],
  );
}

function panel(
  box: Box,
  rows: readonly object[],
  domain: readonly [number, number],
  yTitle: string,
  marks: Mark[],
): Mark {
  const alphas = rows.map((row) => (row as { logsnr: number }).logsnr);
  return group(box, {
    data: [{ name: "curve", values: [...rows] }],
    scales: [
      {
        name: "x",
        type: "linear",
        domain: [alphas[0], alphas[alphas.length - 1]],
        range: [0, box.width],
        nice: false,
        zero: false,
      },
      { name: "y", type: "linear", domain: [...domain], range: [box.height, 0], nice: false, zero: false },
    ],
    axes: curveAxes(box, "log SNR α, nats", yTitle),
    marks: [group({ x: 0, y: 0, width: box.width, height: box.height }, { marks }, { clip: true })],
  });
}
