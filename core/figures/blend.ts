import type { Spec } from "vega";
import { figure, legendRow, title } from "./layout.ts";
import { curveArea, curveLine, panel } from "./panel.ts";
import type { BlendRecord } from "./records.ts";
import { COLOURS } from "./theme.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 660, LEFT = 68, RIGHT = 24, PLOT = 180, BELOW = 54;

/** How much of the network counts at each log SNR, and how much of the reference. */
export function blendFigure({ title: name, logsnr, weight, reference }: BlendRecord): Spec {
  const width = WIDTH - LEFT - RIGHT;
  const legend = legendRow(
    [
      { label: "λ: the network's share", colour: COLOURS.denoiser, kind: "line" },
      { label: `the rest is that of ${reference}`, colour: COLOURS.gaussian, kind: "area" },
    ],
    LEFT,
    60,
    width,
  );
  const top = 60 + legend.height + 12;
  const rows = logsnr.map((alpha, k) => ({ logsnr: alpha, weight: weight[k] }));
  return figure(
    WIDTH,
    top + PLOT + BELOW,
    `${name}. Over log SNR: the share of the network in the model, beside that of ${reference}.`,
    [
      title(LEFT, 34, name, width),
      ...legend.marks,
      panel({
        box: { x: LEFT, y: top, width, height: PLOT },
        rows,
        xDomain: [logsnr[0], logsnr[logsnr.length - 1]],
        yDomain: [0, 1],
        yTitle: "λ(α)",
        labels: true,
        marks: [
          curveArea("datum.weight", "1", COLOURS.gaussian, 0.16),
          curveArea("0", "datum.weight", COLOURS.denoiser, 0.24),
          curveLine("weight", COLOURS.denoiser, { width: 2.25 }),
        ],
      }),
    ],
  );
}
