import type { Mark, Spec } from "vega";
import { densityLegend, densityMark, legendWidth } from "./density.ts";
import { figure, legendRow, text, title } from "./layout.ts";
import { lossLegend, lossPlot } from "./loss.ts";
import { mseHeadroom, mseLegend, msePlot } from "./mse.ts";
import type { OverviewRecord } from "./records.ts";
import { COLOURS, SIZE } from "./theme.ts";

const LEFT = 58;
const TOP = 112;
const CURVE_WIDTH = 340;
/** Pixels between the density's right edge and the curves': its legend and their axis labels. */
const BETWEEN = 20 + legendWidth({}) + 68;

/** A number with two significant digits of its standard error, or with three decimals where that is not known. */
function measured(value: number, stderr?: number): string {
  const known = stderr !== undefined && Number.isFinite(stderr) && stderr > 0;
  const decimals = known ? Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(stderr)))) : 3;
  const number = value.toFixed(decimals).replace("-", "−");
  return known ? `${number} ± ${stderr.toFixed(decimals)}` : number;
}

/** The numbers that a run is judged by, such as "160 epochs · NLL 0.712 ± 0.031 nats · 0.514 bits/dim". */
export function headline(record: OverviewRecord): string {
  const { nll, nllStderr, density, mse, loss } = record;
  const bits = (nats: number) => nats / (mse.dimension * Math.LN2);
  const parts = [
    `${density.epoch} ${density.epoch === 1 ? "epoch" : "epochs"}`,
    `NLL ${measured(nll, nllStderr)} nats`,
    `${bits(nll).toFixed(3).replace("-", "−")} bits/dim`,
  ];
  if (loss.entropy !== undefined) parts.push(`true entropy ${loss.entropy.toFixed(3).replace("-", "−")} nats`);
  return parts.join(" · ");
}

/**
 * A finished 2-D run on one page: its numbers, the final density, the MSE curve and the NLL through training.
 *
 * @throws {RangeError} If a part of the record is incomplete; the message says which.
 */
export function overviewFigure(record: OverviewRecord): Spec {
  const numbers = headline(record);
  // The thin line of the standard Gaussian would crowd so small a plot.
  const { standard: _, ...mse } = record.mse;
  const upper = legendRow(mseLegend(mse), 0, 0, CURVE_WIDTH);
  const lower = legendRow(lossLegend(record.loss), 0, 0, CURVE_WIDTH);
  const mseTop = TOP + 14 + upper.height + mseHeadroom(mse);
  const mseHeight = 160;
  const lossHead = mseTop + mseHeight + 72;
  const lossTop = lossHead + 22 + lower.height + 6;
  const lossHeight = 140;
  // The density's frame ends where the loss's does, so that their axes stand on one line.
  const size = lossTop + lossHeight - TOP;
  const curves = LEFT + size + BETWEEN;
  const width = curves + CURVE_WIDTH + 24;
  const box = { x: LEFT, y: TOP, width: size, height: size };
  const name = { colour: COLOURS.muted, align: "center" } as const;
  const heading = { size: SIZE.heading, weight: 500 } as const;
  const marks: Mark[] = [
    title(LEFT, 36, record.title, width - LEFT - 24),
    text(LEFT, 62, numbers, { size: 14 }),
    text(LEFT, box.y - 10, `Density after epoch ${record.density.epoch}`, heading),
    densityMark(record.density, record.side, record.extent, record.points, box, { bottom: true, left: true }),
    text(LEFT + size / 2, box.y + size + 38, "x₁", name),
    text(LEFT - 38, box.y + size / 2, "x₂", { ...name, baseline: "middle" }),
    ...densityLegend(LEFT + size + 20, box.y, record),
    text(curves, TOP - 10, "Denoising error", heading),
    ...legendRow(mseLegend(mse), curves, TOP + 14, CURVE_WIDTH).marks,
    msePlot(mse, { x: curves, y: mseTop, width: CURVE_WIDTH, height: mseHeight }),
    text(curves, lossHead, "Negative log likelihood", heading),
    ...legendRow(lossLegend(record.loss), curves, lossHead + 22, CURVE_WIDTH).marks,
    lossPlot(record.loss, { x: curves, y: lossTop, width: CURVE_WIDTH, height: lossHeight }),
  ];
  return figure(
    width,
    lossTop + lossHeight + 54,
    `${record.title}. ${numbers}. Final density with data points, denoising error over log SNR, and negative log ` +
      "likelihood by epoch.",
    marks,
  );
}
