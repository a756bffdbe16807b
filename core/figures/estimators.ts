import type { Mark, Spec } from "vega";
import {
  type Box,
  curveAxes,
  curveScales,
  figure,
  group,
  rectangle,
  rule,
  subtitle,
  text,
  textWidth,
  title,
} from "./layout.ts";
import { curveArea, curveLine, panel, withZero } from "./panel.ts";
import type { EstimatorsRecord } from "./records.ts";
import { COLOURS, SIZE } from "./theme.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 660, LEFT = 68, RIGHT = 24, ROW = 30, COUNTS = 130, TERMS = 150, BELOW = 54, GAP = 26;

/** Bars of the differences, and the part of them beyond the first and the last, where they are counted with these. */
const BARS = 41, BEYOND = 0.005;

const ESTIMATE_COLOURS = [COLOURS.denoiser, COLOURS.train, COLOURS.excess] as const;

/**
 * Estimates of one likelihood side by side: each with one standard error either side, of the noise as a thick bar and of
 * all as a thin one; how the flow's differs from the paired one sample by sample; and the bound's terms over log SNR.
 *
 * @throws {RangeError} Without an estimate or a difference.
 */
export function estimatorsFigure(record: EstimatorsRecord): Spec {
  const { estimates, differences, difference, bound } = record;
  if (estimates.length === 0 || differences.length === 0) {
    throw new RangeError("Got no estimates or no differences to draw. Give at least one of each.");
  }
  const plot = { x: LEFT, width: WIDTH - LEFT - RIGHT };
  const below = subtitle(LEFT, 56, record.subtitle, plot.width);
  const top = 76 + below.height;
  const values = estimatesPanel({ ...plot, y: top, height: ROW * estimates.length }, estimates);
  const countsTop = top + ROW * estimates.length + BELOW + GAP;
  const counts = differencesPanel({ ...plot, y: countsTop, height: COUNTS }, differences, difference[0]);
  const termsTop = countsTop + COUNTS + BELOW + GAP;
  const rows = Array.from(bound.logsnr, (logsnr, k) => ({
    logsnr,
    nats: bound.divergence[k],
    low: bound.divergence[k] - bound.stderr[k],
    high: bound.divergence[k] + bound.stderr[k],
  })).reverse();
  const heading = (y: number, content: string) => text(LEFT, y, content, { size: SIZE.label, colour: COLOURS.muted });
  return figure(
    WIDTH,
    termsTop + TERMS + BELOW,
    `${record.title}. ${
      estimates.map(({ name, nats }) => `${name} ${shown(nats)}`).join(", ")
    } nats, the differences ` +
      "of the flow's likelihood from the paired one by sample, and the terms of the variational bound over log SNR.",
    [
      title(LEFT, 34, record.title, plot.width),
      ...below.marks,
      ...values,
      heading(
        countsTop - 12,
        `ode − paired, sample by sample: ${shown(difference[0])} ± ${error(difference[1])} nats on average`,
      ),
      ...counts,
      heading(
        termsTop - 12,
        `terms of elbo; besides them the prior, ${shown(bound.prior)}, and the decoder, ${shown(bound.decoder)} nats`,
      ),
      panel({
        box: { ...plot, y: termsTop, height: TERMS },
        rows,
        xDomain: [rows[0].logsnr, rows[rows.length - 1].logsnr],
        yDomain: withZero(rows.flatMap(({ low, high }) => [low, high])),
        yTitle: "nats a step",
        labels: true,
        marks: [curveArea("datum.low", "datum.high", COLOURS.excess, 0.25), curveLine("nats", COLOURS.excess)],
      }),
    ],
  );
}

/** A row for each estimate, with its name and number beside it. */
function estimatesPanel(box: Box, estimates: EstimatorsRecord["estimates"]): Mark[] {
  const labels = estimates.map(({ name, nats, noiseStderr }) =>
    `${name} ${shown(nats)}${noiseStderr > 0 ? ` ± ${error(noiseStderr)}` : ""}`
  );
  const room = Math.max(...labels.map((label) => textWidth(label, SIZE.label))) + 12;
  const [low, high] = [-1, 1].map((side) =>
    Math[side < 0 ? "min" : "max"](...estimates.map(({ nats, stderr }) => nats + side * stderr))
  );
  const margin = Math.max(0.08 * (high - low), 1e-6 * Math.max(1, Math.abs(high)));
  const inner = { ...box, x: box.x + room, width: box.width - room };
  const domain = [low - margin, high + margin] as const;
  const x = (nats: number) => inner.width * (nats - domain[0]) / (domain[1] - domain[0]);
  const [, bottom] = curveAxes(
    inner,
    "−log p(x), nats",
    "",
    [0, 1],
  );
  return [
    ...labels.map((label, i) =>
      text(box.x, box.y + (i + 0.5) * ROW, label, { baseline: "middle", colour: COLOURS.ink })
    ),
    group(inner, {
      scales: curveScales(inner, domain, [0, 1]),
      axes: [{ ...bottom, grid: true, gridScale: "y" }],
      marks: estimates.flatMap(({ nats, stderr, noiseStderr }, i) => {
        const y = (i + 0.5) * ROW, colour = ESTIMATE_COLOURS[i % ESTIMATE_COLOURS.length];
        const thick = Math.max(x(nats + noiseStderr) - x(nats), 1.5);
        return [
          rule([x(nats - stderr), y], [x(nats + stderr), y], { colour, width: 1.5 }),
          rectangle({ x: x(nats) - thick, y: y - 5, width: 2 * thick, height: 10 }, colour, 0.4),
          rectangle({ x: x(nats) - 1.5, y: y - 8, width: 3, height: 16 }, colour),
        ];
      }),
    }),
  ];
}

/** How many samples differ by how much. */
function differencesPanel(box: Box, differences: ArrayLike<number>, mean: number): Mark[] {
  const sorted = Float64Array.from(differences).sort(), last = sorted.length - 1;
  const [low, high] = [sorted[Math.floor(BEYOND * last)], sorted[Math.ceil((1 - BEYOND) * last)]];
  const reach = Math.max(high - low, 1e-9), from = Math.min(low, 0), to = Math.max(high, 0, from + reach);
  const width = (to - from) / BARS, counts = new Array<number>(BARS).fill(0);
  for (const value of sorted) counts[Math.min(BARS - 1, Math.max(0, Math.floor((value - from) / width)))]++;
  const most = Math.max(...counts), x = (value: number) => box.width * (value - from) / (to - from);
  const domain = [0, 1.06 * most] as const;
  const [left, bottom] = curveAxes(box, "nats", "samples", domain);
  return [group(box, {
    scales: curveScales(box, [from, to], domain),
    axes: [left, bottom],
    marks: [
      ...counts.map((count, k) => {
        const height = box.height * count / domain[1];
        return rectangle(
          { x: x(from + k * width) + 0.5, y: box.height - height, width: box.width / BARS - 1, height },
          COLOURS.train,
          0.55,
        );
      }),
      rule([x(0), 0], [x(0), box.height], { colour: COLOURS.gaussian, width: 1.5, dash: [5, 3] }),
      rule([x(mean), 0], [x(mean), box.height], { colour: COLOURS.ink, width: 1.5 }),
    ],
  })];
}

/** A number of nats with as many digits as tell it from another. */
function shown(nats: number): string {
  const size = Math.abs(nats);
  return (size >= 100 ? nats.toFixed(1) : size >= 0.1 ? nats.toFixed(3) : error(nats)).replace("-", "−");
}

/** An error with two digits. */
function error(nats: number): string {
  return String(Number(nats.toPrecision(2)));
}
