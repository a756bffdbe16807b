import type { Mark, Spec } from "vega";
import type { Diagnosis, Interval } from "../evaluation/diagnosis.ts";
import { figure, legendRow, rectangle, rule, text, textWidth, title } from "./layout.ts";
import { mseHeadroom, mseLegend, msePlot } from "./mse.ts";
import { curveArea, curveLine, panel, unlabelled, withZero } from "./panel.ts";
import { COLOURS, SIZE } from "./theme.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 660, LEFT = 68, RIGHT = 24, ERRORS = 220, GAIN = 150, VARIANCE = 150, BELOW = 54;

/** The room between the panels, before the legend. */
const GAP = 26;

/** The room above a panel for the bracket of its interval. */
const BRACKET = 22;

/**
 * A diagnosis in three panels over log SNR: the errors of the denoiser and of the data's Gaussian; the gain in nats
 * that comes from there, and where the Gaussian wins; and the share of the estimator's variance beside the proposal.
 */
export function diagnosisFigure(name: string, diagnosis: Diagnosis): Spec {
  const { levels, proposal, dimension, suggestion, gaussianWins, gainInterval, varianceInterval } = diagnosis;
  const alphas = levels.map(({ logsnr }) => logsnr);
  const xDomain = [alphas[0], alphas[alphas.length - 1]] as const;
  const plot = { x: LEFT, width: WIDTH - LEFT - RIGHT };
  const x = (logsnr: number) => plot.width * (logsnr - xDomain[0]) / (xDomain[1] - xDomain[0]);
  const errors = {
    ...proposal,
    dimension,
    logsnr: alphas,
    mse: levels.map(({ mse }) => mse),
    gaussian: levels.map(({ gaussian }) => gaussian),
    stderr: levels.map(({ stderr }) => stderr),
    ...(suggestion ? { suggestion } : {}),
  };

  const errorLegend = legendRow(mseLegend(errors), LEFT, 60, plot.width);
  const errorTop = 60 + errorLegend.height + mseHeadroom(errors);
  const { axes: [left, bottom] = [], ...errorPlot } = msePlot(errors, { ...plot, y: errorTop, height: ERRORS });

  const gainLegend = legendRow(
    [
      { label: "gain on the Gaussian ± 1 s.e.", colour: COLOURS.denoiser, kind: "line" },
      ...(gaussianWins.length > 0
        ? [{ label: "the Gaussian wins, beyond 2 s.e.", colour: COLOURS.excess, kind: "area" } as const]
        : []),
    ],
    LEFT,
    errorTop + ERRORS + GAP,
    plot.width,
  );
  const gainTop = errorTop + ERRORS + GAP + gainLegend.height + BRACKET;
  const gainRows = levels.map(({ logsnr, gain, stderr }) => ({
    logsnr,
    gain,
    zero: 0,
    low: gain - stderr / 2,
    high: gain + stderr / 2,
  }));

  const varianceLegend = legendRow(
    [
      { label: "share of the variance", colour: COLOURS.denoiser, kind: "line" },
      { label: "proposal", colour: COLOURS.gaussian, kind: "dash" },
      { label: "best proposal", colour: COLOURS.train, kind: "line" },
    ],
    LEFT,
    gainTop + GAIN + GAP,
    plot.width,
  );
  const varianceTop = gainTop + GAIN + GAP + varianceLegend.height + BRACKET;
  const variance = normalised(alphas, levels.map((level) => level.variance));
  const best = normalised(alphas, levels.map(({ deviation }) => deviation));
  const varianceRows = levels.map(({ logsnr, density }, k) => ({
    logsnr,
    density,
    variance: variance[k],
    best: best[k],
  }));

  return figure(
    WIDTH,
    varianceTop + VARIANCE + BELOW,
    `${name}. Over log SNR: the error of the denoiser and of the data's Gaussian, the gain in nats that comes from ` +
      "there and where the Gaussian wins, and the share of the estimator's variance beside the proposal's density.",
    [
      title(LEFT, 34, name, plot.width),
      ...errorLegend.marks,
      { ...errorPlot, axes: [left, unlabelled(bottom)] },
      ...gainLegend.marks,
      panel({
        box: { ...plot, y: gainTop, height: GAIN },
        rows: gainRows,
        xDomain,
        yDomain: withZero(gainRows.flatMap(({ low, high }) => [low, high])),
        yTitle: "nats per unit α",
        labels: false,
        marks: [
          ...gaussianWins.map(({ interval: [from, to] }) =>
            rectangle({ x: x(from), y: 0, width: x(to) - x(from), height: GAIN }, COLOURS.excess, 0.14)
          ),
          curveArea("0", "max(0, datum.gain)", COLOURS.gap, 0.24),
          curveArea("min(0, datum.gain)", "0", COLOURS.excess, 0.3),
          curveArea("datum.low", "datum.high", COLOURS.denoiser, 0.22),
          curveLine("zero", COLOURS.line, { width: 1 }),
          curveLine("gain", COLOURS.denoiser),
        ],
        around: gainInterval ? bracket(gainInterval, "90 % of the gain", x, plot.width) : [],
      }),
      ...varianceLegend.marks,
      panel({
        box: { ...plot, y: varianceTop, height: VARIANCE },
        rows: varianceRows,
        xDomain,
        yDomain: withZero(varianceRows.flatMap((row) => [row.variance, row.density, row.best])),
        yTitle: "per unit α",
        labels: true,
        marks: [
          curveArea("0", "datum.variance", COLOURS.denoiser, 0.14),
          curveLine("density", COLOURS.gaussian, { width: 1.75, dash: [5, 3] }),
          curveLine("best", COLOURS.train, { width: 1.75 }),
          curveLine("variance", COLOURS.denoiser),
        ],
        around: varianceInterval ? bracket(varianceInterval, "90 % of the variance", x, plot.width) : [],
      }),
    ],
  );
}

/** A density that is proportional to some values and is 1 in all, by the trapezoidal rule; of zeros all zeros. */
function normalised(x: readonly number[], values: readonly number[]): number[] {
  const area = values.reduce((sum, value, k) => k === 0 ? 0 : sum + (x[k] - x[k - 1]) * (value + values[k - 1]) / 2, 0);
  return values.map((value) => area > 0 ? value / area : 0);
}

/** An interval as a bracket above a panel, with its name, which stays within the panel's width. */
function bracket([from, to]: Interval, name: string, x: (logsnr: number) => number, width: number): Mark[] {
  const half = textWidth(name, SIZE.tick) / 2;
  const middle = Math.min(width - half, Math.max(half, (x(from) + x(to)) / 2));
  const y = -8, style = { colour: COLOURS.muted, width: 1.5 };
  return [
    rule([x(from), y], [x(to), y], style),
    rule([x(from), y], [x(from), y + 5], style),
    rule([x(to), y], [x(to), y + 5], style),
    text(middle, y - 5, name, { size: SIZE.tick, colour: COLOURS.muted, align: "center" }),
  ];
}
