import type { Mark, Spec } from "vega";
import { densityLegend, densityMark } from "./density.ts";
import { figure, legendRow, text, title } from "./layout.ts";
import { lossLegend, lossPlot } from "./loss.ts";
import { mseHeadroom, mseLegend, msePlot } from "./mse.ts";
import type { OverviewRecord } from "./records.ts";
import { COLOURS, SIZE } from "./theme.ts";

const WIDTH = 1080;
const LEFT = 58;
const TOP = 112;
const DENSITY = 430;
const CURVES = 670;
const CURVE_WIDTH = WIDTH - CURVES - 24;

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
  const upper = legendRow(mseLegend(record.mse), CURVES, TOP + 14, CURVE_WIDTH);
  const mseTop = TOP + 14 + upper.height + mseHeadroom(record.mse);
  const mseHeight = 170;
  const lossHead = mseTop + mseHeight + 74;
  const lower = legendRow(lossLegend(record.loss), CURVES, lossHead + 22, CURVE_WIDTH);
  const lossTop = lossHead + 22 + lower.height + 6;
  const lossHeight = 150;
  const height = lossTop + lossHeight + 54;
  // The density stands in the middle of the column beside the two curves.
  const top = TOP + Math.max(0, Math.round((lossTop + lossHeight - TOP - DENSITY) / 2));
  const box = { x: LEFT, y: top, width: DENSITY, height: DENSITY };
  const name = { colour: COLOURS.muted, align: "center" } as const;
  const heading = { size: SIZE.heading, weight: 500 } as const;
  const marks: Mark[] = [
    title(LEFT, 36, record.title, WIDTH - LEFT - 24),
    text(LEFT, 62, numbers, { size: SIZE.heading, colour: COLOURS.muted }),
    text(LEFT, box.y - 10, `Density after epoch ${record.density.epoch}`, heading),
    densityMark(record.density, record.side, record.extent, record.points, box, { bottom: true, left: true }),
    text(LEFT + DENSITY / 2, box.y + DENSITY + 38, "x₁", name),
    text(LEFT - 38, box.y + DENSITY / 2, "x₂", { ...name, baseline: "middle" }),
    ...densityLegend(LEFT + DENSITY + 20, box.y),
    text(CURVES, TOP - 8, "Denoising error", heading),
    ...upper.marks,
    msePlot(record.mse, { x: CURVES, y: mseTop, width: CURVE_WIDTH, height: mseHeight }),
    text(CURVES, lossHead, "Negative log likelihood", heading),
    ...lower.marks,
    lossPlot(record.loss, { x: CURVES, y: lossTop, width: CURVE_WIDTH, height: lossHeight }),
  ];
  return figure(
    WIDTH,
    height,
    `${record.title}. ${numbers}. Final density with data points, denoising error over log SNR, and negative log ` +
      "likelihood by epoch.",
    marks,
  );
}
