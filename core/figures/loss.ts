import type { GroupMark, Mark, Spec } from "vega";
import {
  type Box,
  curveAxes,
  curveScales,
  figure,
  group,
  type LegendItem,
  legendRow,
  rule,
  text,
  textWidth,
  title,
} from "./layout.ts";
import type { LossRecord } from "./records.ts";
import { COLOURS, SIZE } from "./theme.ts";

type Losses = Omit<LossRecord, "title">;

/** The curves' values at an epoch; null leaves a hole. */
interface LossRow {
  readonly epoch: number;
  readonly train: number | null;
  readonly validation: number | null;
  /** One standard error below the validation's, and above. */
  readonly low: number | null;
  readonly high: number | null;
}

/** The q-quantile of values in ascending order. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.round(q * (sorted.length - 1))];
}

/**
 * The range of the y axis: what the last three quarters of training span, room above for the way there, and the
 * entropy. The first epochs may be thousands of nats off and leave the frame.
 */
export function lossDomain(record: Losses): [number, number] {
  const values = (from: number) =>
    record.epochs.slice(from).flatMap((point) => [
      point.trainNll,
      point.valNll,
      point.valNll - (point.valNllStderr || 0),
      point.valNll + (point.valNllStderr || 0),
    ]).filter(Number.isFinite).sort((a, b) => a - b);
  const all = values(0);
  if (all.length === 0) return [0, 1];
  const late = values(Math.floor(record.epochs.length / 4));
  const tail = late.length > 0 ? late : all;
  const entropy = record.entropy !== undefined && Number.isFinite(record.entropy) ? record.entropy : tail[0];
  const low = Math.min(quantile(tail, 0.005), entropy);
  const high = Math.max(quantile(tail, 0.995), entropy);
  // Not so little that the axis would need many digits.
  const room = Math.max(0.1 * (high - low), 5e-4 * Math.abs(high), 5e-7);
  return [
    // The entropy's label stands below its rule where it can.
    low - (record.entropy === undefined ? 1 : 2) * room,
    Math.max(high + room, Math.min(all[all.length - 1] + room, high + 8 * room)),
  ];
}

function line(field: string, colour: string, width: number): Mark {
  return {
    type: "line",
    from: { data: "loss" },
    encode: {
      enter: {
        x: { scale: "x", field: "epoch" },
        y: { scale: "y", field },
        defined: { signal: `isValid(datum.${field})` },
        stroke: { value: colour },
        strokeWidth: { value: width },
        strokeJoin: { value: "round" },
      },
    },
  };
}

function dots(field: string, colour: string): Mark {
  return {
    type: "symbol",
    from: { data: "loss" },
    encode: {
      enter: {
        x: { scale: "x", field: "epoch" },
        y: { scale: "y", field },
        size: { signal: `isValid(datum.${field}) && inrange(datum.${field}, domain('y')) ? 22 : 0` },
        fill: { value: colour },
      },
    },
  };
}

/** Pixels of the label's letters above and below its baseline, and between it and what lies around it. */
const LETTERS = { above: 10, below: 3 } as const;
const CLEAR = 4;

/** Pixels between the places along the rule that are tried. */
const STEP = 6;

interface EntropyLabel {
  readonly text: string;
  /** Its right end and its baseline. */
  readonly x: number;
  readonly y: number;
  /** The y axis's range in which no curve crosses it. */
  readonly domain: [number, number];
}

/** The range of a curve, `[x, y]` point by point with holes where y is null, between two x; nothing without a point. */
function rangeWithin(curve: readonly (readonly [number, number | null])[], from: number, to: number) {
  const values: number[] = [];
  for (const [i, [x, y]] of curve.entries()) {
    if (y === null) continue;
    if (x >= from && x <= to) values.push(y);
    const next = curve[i + 1];
    if (next === undefined || next[1] === null) continue;
    for (const end of [from, to]) {
      if (x < end && next[0] > end) values.push(y + (next[1] - y) * (end - x) / (next[0] - x));
    }
  }
  return values.length === 0
    ? undefined
    : [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}

/**
 * A place for the entropy's label that no curve crosses: below its rule or above it, as far to the right as one is free.
 * Where curves lie on both sides all along, it is below them, and the axis reaches down to it.
 *
 * @param rows The curves' values by epoch, in the order of the epochs.
 */
function entropyLabel(
  entropy: number,
  rows: readonly LossRow[],
  { width, height }: Box,
  [low, top]: [number, number],
): EntropyLabel {
  // The lower end of an axis that has room for the label below a value.
  const share = (LETTERS.above + LETTERS.below + 2 * CLEAR) / height;
  const below = (value: number) => Math.min(low, (value - share * top) / (1 - share));
  const bottom = below(entropy);
  const label = `true entropy ${entropy.toFixed(3).replace("-", "−")}`;
  const wide = textWidth(label, SIZE.tick);
  const [first, last] = [rows[0].epoch, rows[rows.length - 1].epoch];
  const xOf = (epoch: number) => last > first ? width * (epoch - first) / (last - first) : width / 2;
  const yOf = (value: number) => height * (top - value) / (top - bottom);
  const curves = (["train", "validation", "low", "high"] as const).map((name) =>
    rows.map((row) => [xOf(row.epoch), row[name]] as const)
  );
  const places = [];
  for (let x = width - CLEAR; x - wide >= CLEAR || x === width - CLEAR; x -= STEP) {
    const [train, validation, low, high] = curves.map((curve) => rangeWithin(curve, x - wide - CLEAR, x + CLEAR));
    // What lies between the band's edges is covered too.
    const covered = [train, validation, low && high && [low[0], high[1]]].filter((range) => range !== undefined);
    places.push({ x, covered, lowest: Math.min(entropy, ...covered.map((range) => range[0])) });
  }
  for (const y of [yOf(entropy) + CLEAR + LETTERS.above, yOf(entropy) - CLEAR - LETTERS.below]) {
    const [upper, lower] = [y - LETTERS.above, y + LETTERS.below];
    if (upper < 0 || lower > height) continue;
    const place = places.find(({ covered }) =>
      covered.every(([low, high]) => yOf(high) > lower + CLEAR || yOf(low) < upper - CLEAR)
    );
    if (place) return { text: label, x: place.x, y, domain: [bottom, top] };
  }
  const { x, lowest } = places.reduce((best, place) => place.lowest > best.lowest ? place : best);
  const reached = Math.min(bottom, below(lowest));
  const y = height * (top - lowest) / (top - reached) + CLEAR + LETTERS.above;
  return { text: label, x, y, domain: [reached, top] };
}

/** What the lines of `lossPlot` mean. */
export function lossLegend(record: Losses): LegendItem[] {
  const items: LegendItem[] = [
    { label: "train", colour: COLOURS.train, kind: "line" },
    { label: "validation", colour: COLOURS.denoiser, kind: "line" },
  ];
  if (record.epochs.some((point) => point.valNllStderr > 0)) {
    items.push({ label: "± 1 standard error", colour: COLOURS.denoiser, kind: "area" });
  }
  return items;
}

/**
 * The curves of the loss figure within a box, in pixels; axis labels lie outside, to the left and below.
 *
 * @throws {RangeError} If there are no epochs.
 */
export function lossPlot(record: Losses, box: Box): GroupMark {
  if (record.epochs.length === 0) {
    throw new RangeError("The loss figure got no epochs. Draw it after the first epoch at the earliest.");
  }
  const keep = (value: number) => Number.isFinite(value) ? value : null;
  const rows: LossRow[] = record.epochs.map((point) => ({
    epoch: point.epoch,
    train: keep(point.trainNll),
    validation: keep(point.valNll),
    low: keep(point.valNll - point.valNllStderr),
    high: keep(point.valNll + point.valNllStderr),
  })).sort((a, b) => a.epoch - b.epoch);
  const label = record.entropy !== undefined && Number.isFinite(record.entropy)
    ? entropyLabel(record.entropy, rows, box, lossDomain(record))
    : undefined;
  const [bottom, top] = label?.domain ?? lossDomain(record);
  const frame = { x: 0, y: 0, width: box.width, height: box.height };
  const band: Mark = {
    type: "area",
    from: { data: "loss" },
    encode: {
      enter: {
        x: { scale: "x", field: "epoch" },
        y: { scale: "y", field: "low" },
        y2: { scale: "y", field: "high" },
        defined: { signal: "isValid(datum.low) && isValid(datum.high)" },
        fill: { value: COLOURS.denoiser },
        fillOpacity: { value: 0.22 },
      },
    },
  };
  const curves = [band, line("train", COLOURS.train, 1.5), line("validation", COLOURS.denoiser, 2.25)];
  const marks: Mark[] = [group(frame, { marks: curves }, { clip: true })];
  // A few epochs make a line hard to read, and one makes none. The first and the last lie on the frame.
  if (rows.length <= 20) marks.push(dots("train", COLOURS.train), dots("validation", COLOURS.denoiser));
  if (label) {
    const y = box.height * (top - record.entropy!) / (top - bottom);
    marks.push(rule([0, y], [box.width, y], { colour: COLOURS.ink, width: 1.25, dash: [4, 3] }));
    marks.push(text(label.x, label.y, label.text, { size: SIZE.tick, align: "right", halo: true }));
  }
  const axes = curveAxes(box, "Epoch", "NLL, nats", [bottom, top]);
  return group(box, {
    data: [{ name: "loss", values: rows }],
    scales: curveScales(box, [rows[0].epoch, rows[rows.length - 1].epoch], [bottom, top]),
    axes: [axes[0], { ...axes[1], tickMinStep: 1 }],
    marks,
  });
}

/**
 * Train and validation NLL in nats by epoch, with one standard error either side of the validation's, and the data's
 * true entropy where it is known.
 *
 * @throws {RangeError} If there are no epochs.
 */
export function lossFigure(record: LossRecord): Spec {
  const [width, plot] = [660, 300];
  const left = 68;
  const legend = legendRow(lossLegend(record), left, 60, width - left - 24);
  const top = 60 + legend.height + 10;
  return figure(
    width,
    top + plot + 54,
    `${record.title}. Train and validation negative log likelihood in nats by epoch.`,
    [
      title(left, 34, record.title, width - left - 24),
      ...legend.marks,
      lossPlot(record, { x: left, y: top, width: width - left - 24, height: plot }),
    ],
  );
}
