import type { Spec } from "vega";
import { figure, legendRow, title } from "../figures/layout.ts";
import { curveArea, curveLine, panel, withZero } from "../figures/panel.ts";
import { COLOURS } from "../figures/theme.ts";
import type { ErrorCurves } from "./information_curves.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 660, LEFT = 68, RIGHT = 24, CURVES = 240, DIFFERENCE = 150, GAP = 26, BELOW = 54;

/**
 * The error of one side without and with the other over log SNR, and below it their difference with one standard error
 * either side: half of its area is the mutual information in nats. Beside it is the distance of both estimates, which is that
 * difference where they are the data's own.
 *
 * @param name What the figure is of, for its title.
 * @param given What is known, `y` where the likelihood is that of x.
 */
export function informationFigure(
  name: string,
  given: "x" | "y" | "c",
  { logsnr, marginal, conditional, difference, distance }: ErrorCurves,
): Spec {
  const rows = logsnr.map((alpha, k) => ({
    logsnr: alpha,
    marginal: marginal[k],
    conditional: conditional[k],
    difference: difference[k].mean,
    low: difference[k].mean - difference[k].stderr,
    high: difference[k].mean + difference[k].stderr,
    distance: distance[k],
    zero: 0,
  }));
  const plot = { width: WIDTH - LEFT - RIGHT, x: LEFT };
  const upper = legendRow(
    [
      { label: "ε̂(z, α)", colour: COLOURS.gaussian, kind: "dash" },
      { label: `ε̂(z, α | ${given})`, colour: COLOURS.denoiser, kind: "line" },
    ],
    LEFT,
    60,
    plot.width,
  );
  const top = 60 + upper.height + 8;
  const lower = legendRow(
    [
      { label: "difference ± 1 s.e.", colour: COLOURS.denoiser, kind: "line" },
      { label: `E‖ε̂(z, α) − ε̂(z, α | ${given})‖²`, colour: COLOURS.excess, kind: "dash" },
      { label: `half of this area is I(X; ${given === "c" ? "C" : "Y"})`, colour: COLOURS.gap, kind: "area" },
    ],
    LEFT,
    top + CURVES + GAP,
    plot.width,
  );
  const lowerTop = top + CURVES + GAP + lower.height + 8;
  const xDomain = [logsnr[0], logsnr[logsnr.length - 1]] as const;
  return figure(
    WIDTH,
    lowerTop + DIFFERENCE + BELOW,
    `${name}. Mean square error over log SNR of the denoisers without and with ${given}, and their difference.`,
    [
      title(LEFT, 34, name, plot.width),
      ...upper.marks,
      panel({
        box: { ...plot, y: top, height: CURVES },
        rows,
        xDomain,
        yDomain: withZero([...marginal, ...conditional]),
        yTitle: "E‖ε − ε̂‖²",
        labels: false,
        marks: [
          curveArea("datum.conditional", "datum.marginal", COLOURS.gap, 0.24),
          curveLine("marginal", COLOURS.gaussian, { dash: [5, 3] }),
          curveLine("conditional", COLOURS.denoiser),
        ],
      }),
      ...lower.marks,
      panel({
        box: { ...plot, y: lowerTop, height: DIFFERENCE },
        rows,
        xDomain,
        yDomain: withZero([...rows.flatMap(({ low, high }) => [low, high]), ...distance]),
        yTitle: "difference",
        labels: true,
        marks: [
          curveArea("datum.zero", "datum.difference", COLOURS.gap, 0.24),
          curveArea("datum.low", "datum.high", COLOURS.denoiser, 0.22),
          curveLine("zero", COLOURS.line, { width: 1 }),
          curveLine("difference", COLOURS.denoiser),
          curveLine("distance", COLOURS.excess, { dash: [5, 3] }),
        ],
      }),
    ],
  );
}
