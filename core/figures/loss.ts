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
  title,
} from "./layout.ts";
import type { LossRecord } from "./records.ts";
import { COLOURS, SIZE } from "./theme.ts";

type Losses = Omit<LossRecord, "title">;

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
    // The entropy's label stands below its rule.
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
  const rows = record.epochs.map((point) => ({
    epoch: point.epoch,
    train: keep(point.trainNll),
    validation: keep(point.valNll),
    low: keep(point.valNll - point.valNllStderr),
    high: keep(point.valNll + point.valNllStderr),
  }));
  const epochs = record.epochs.map((point) => point.epoch);
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)];
  const [bottom, top] = lossDomain(record);
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
  if (record.entropy !== undefined && Number.isFinite(record.entropy)) {
    const y = box.height * (top - record.entropy) / (top - bottom);
    marks.push(rule([0, y], [box.width, y], { colour: COLOURS.ink, width: 1.25, dash: [4, 3] }));
    marks.push(
      text(box.width - 4, y + 14, `true entropy ${record.entropy.toFixed(3).replace("-", "−")}`, {
        size: SIZE.tick,
        align: "right",
        halo: true,
      }),
    );
  }
  const axes = curveAxes(box, "Epoch", "NLL, nats", [bottom, top]);
  return group(box, {
    data: [{ name: "loss", values: rows }],
    scales: curveScales(box, [first, last], [bottom, top]),
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
