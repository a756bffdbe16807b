import type { Mark, Spec } from "vega";
import { curveAxes, curveScales, figure, group, legendRow, shortened, text, title } from "./layout.ts";
import type { ScoresRecord } from "./records.ts";
import { COLOURS, SIZE } from "./theme.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 720, LEFT = 68, RIGHT = 24, PLOT = 210, BELOW = 54, BINS = 60;
const ROW = 22, CELL = 26, NAMES = 110, VALUES = 64;

/** By which names of columns rise, in degrees. */
const SLANT = 50;

/** The part of the scored rows above which a score is drawn in the last bin. */
const SHOWN = 0.999;

/** The excess in nats from which a cell is as dark as any. */
const DARKEST = 10;

/**
 * How the scores of rows lie beside those of reference rows, and which columns carry those of the most anomalous rows: a
 * cell is the darker, the more nats above usual its value has given the others.
 */
export function scoresFigure(
  { title: name, subtitle, reference, scores, threshold, columns, rows }: ScoresRecord,
): Spec {
  const width = WIDTH - LEFT - RIGHT, sorted = Float64Array.from([...reference, ...scores]).sort();
  const low = sorted[0], last = sorted[Math.floor(SHOWN * (sorted.length - 1))], most = sorted[sorted.length - 1];
  const high = most - low < 3 * (last - low) ? most : last + (last - low) * 0.05, step = (high - low) / BINS || 1;
  const shares = (values: ArrayLike<number>) => {
    const counts = new Float64Array(BINS);
    for (let i = 0; i < values.length; i++) {
      counts[Math.max(0, Math.min(BINS - 1, Math.floor((values[i] - low) / step)))] += 1 / values.length;
    }
    return counts;
  };
  const [ofReference, ofScores] = [shares(reference), shares(scores)];
  const top = Math.max(...ofReference, ...ofScores) * 1.05;
  const legend = legendRow(
    [
      { label: "rows scored", colour: COLOURS.denoiser, kind: "area" },
      { label: "reference rows", colour: COLOURS.gaussian, kind: "area" },
      ...(threshold === undefined ? [] : [{ label: "threshold", colour: COLOURS.excess, kind: "dash" } as const]),
    ],
    LEFT,
    84,
    width,
  );
  const box = { x: LEFT, y: 84 + legend.height + 12, width, height: PLOT };
  const [bottom, left] = curveAxes(box, "−log p of a row, nats", "share of rows", [0, top]);
  const bars = (field: string, colour: string): Mark => ({
    type: "rect",
    from: { data: "bins" },
    encode: {
      enter: {
        ...{ x: { scale: "x", field: "from" }, x2: { scale: "x", field: "to" } },
        ...{ y: { scale: "y", field }, y2: { scale: "y", value: 0 } },
        ...{ fill: { value: colour }, fillOpacity: { value: 0.45 } },
      },
    },
  });
  const bins = Array.from({ length: BINS }, (_, k) => ({
    ...{ from: low + k * step, to: low + (k + 1) * step },
    ...{ reference: ofReference[k], scores: ofScores[k] },
  }));
  const line: Mark[] = threshold === undefined || threshold < low || threshold > high ? [] : [{
    type: "rule",
    encode: {
      enter: {
        ...{ x: { scale: "x", value: threshold }, y: { value: 0 }, y2: { value: PLOT } },
        ...{ stroke: { value: COLOURS.excess }, strokeWidth: { value: 1.5 }, strokeDash: { value: [5, 4] } },
      },
    },
  }];
  const below = box.y + PLOT + BELOW + 14, shown = columns.length > 0 ? rows : [];
  const cell = Math.min(CELL * 2, (width - VALUES - 20) / Math.max(1, columns.length)), at = LEFT + VALUES;
  const heads = shown.length === 0 ? [] : columns.map((column, k): Mark => ({
    type: "text",
    encode: {
      enter: {
        ...{ x: { value: at + (k + 0.5) * cell }, y: { value: below + NAMES } },
        ...{
          text: { value: shortened(column, SIZE.tick, (NAMES - SIZE.heading - 3) / Math.sin(SLANT * Math.PI / 180)) },
          angle: { value: -SLANT },
        },
        ...{
          align: { value: "left" },
          baseline: { value: "middle" },
          fontSize: { value: SIZE.tick },
          fill: { value: COLOURS.muted },
        },
      },
    },
  }));
  const cells = shown.flatMap(({ label, excess }, i): Mark[] => {
    const y = below + NAMES + 12 + i * ROW;
    return [
      text(at - 10, y + ROW / 2, label, { align: "right", baseline: "middle", size: 11 }),
      ...[...excess].map((nats, k): Mark => ({
        type: "rect",
        encode: {
          enter: {
            ...{
              x: { value: at + k * cell + 1 },
              width: { value: cell - 2 },
              y: { value: y + 1 },
              height: { value: ROW - 2 },
            },
            fill: { value: Number.isNaN(nats) ? COLOURS.grid : COLOURS.excess },
            fillOpacity: { value: Number.isNaN(nats) ? 0.5 : Math.max(0.04, Math.min(1, nats / DARKEST)) },
          },
        },
      })),
      ...[...excess].flatMap((nats, k): Mark[] =>
        nats >= 1 && cell >= CELL
          ? [text(at + (k + 0.5) * cell, y + ROW / 2, nats.toFixed(nats < 10 ? 1 : 0), {
            ...{ align: "center", baseline: "middle", size: 10 },
          })]
          : []
      ),
    ];
  });
  const height = shown.length === 0 ? below : below + NAMES + 12 + shown.length * ROW + 24;
  return figure(
    WIDTH,
    height,
    `${name}. ${subtitle}. Shares of rows over −log p, and the columns of the most anomalous.`,
    [
      title(LEFT, 34, name, width),
      text(LEFT, 56, subtitle, { colour: COLOURS.muted }),
      ...legend.marks,
      group(box, {
        data: [{ name: "bins", values: bins }],
        scales: curveScales(box, [low, low + BINS * step], [0, top]),
        axes: [bottom, left],
        marks: [bars("reference", COLOURS.gaussian), bars("scores", COLOURS.denoiser), ...line],
      }),
      ...(shown.length === 0 ? [] : [
        text(LEFT, below + 12, "nats above usual of each value given the others, of the most anomalous rows", {
          weight: 600,
        }),
      ]),
      ...heads,
      ...cells,
    ],
  );
}
