import type { GroupMark, Mark } from "vega";
import { type Box, group, rectangle, rule, text } from "./layout.ts";
import type { ContourRecord, DensityPanel } from "./records.ts";
import { BANDS, COLOURS, LEVELS, SIZE } from "./theme.ts";

/** Only so many data points are drawn: enough to see the data's shape, few enough to see the density. */
const POINTS = 200;

/** Below this, in nats, a density is blank anyway; a floor keeps −∞ out of the contours' interpolation. */
const FLOOR = LEVELS[0] - 5;
const CEILING = 20;

/** Which axes of a panel carry numbers. */
export interface PanelAxes {
  readonly bottom: boolean;
  readonly left: boolean;
}

/** The grid with rows from the top down, as a picture has them, and every value finite. */
function pictureRows(logDensity: Float32Array, side: number): number[] {
  return Array.from({ length: side * side }, (_, i) => {
    const row = side - 1 - Math.floor(i / side);
    const value = logDensity[row * side + (i % side)];
    return Number.isNaN(value) ? FLOOR : Math.min(CEILING, Math.max(FLOOR, value));
  });
}

/** One path of dots: a segment of no length for each point, which round line caps make a disc. */
function dotPath(points: Float32Array, extent: number, size: number, most: number): string {
  const place = (value: number) => (((value + extent) / (2 * extent)) * size).toFixed(1);
  const count = Math.floor(points.length / 2);
  const drawn = Math.min(most, count);
  const dots: string[] = [];
  for (let k = 0; k < drawn; k++) {
    // Evenly spread over the array, so that data sorted by class or by cluster is still shown whole.
    const i = Math.floor((k * count) / drawn);
    const [x, y] = [points[2 * i], points[2 * i + 1]];
    if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
    const at = `${place(x)},${place(-y)}`;
    dots.push(`M${at}L${at}`);
  }
  return dots.join("");
}

/**
 * One square panel: filled contours of log p(x) at −5 to −1 nats under the data points, x₁ to the right, x₂ upwards.
 *
 * @param box A square, in pixels. Numbers on the axes lie outside it.
 * @param most How many points are drawn at most.
 * @throws {RangeError} If the panel does not hold `side * side` values, or has fewer than two a side.
 */
export function densityMark(
  panel: DensityPanel,
  side: number,
  extent: number,
  points: Float32Array,
  box: Box,
  axes: PanelAxes,
  most = POINTS,
): GroupMark {
  if (!Number.isInteger(side) || side < 2 || panel.logDensity.length !== side * side) {
    throw new RangeError(
      `The density of epoch ${panel.epoch} has ${panel.logDensity.length} values, but a grid of side ${side} needs ` +
        `${side * side} and a side of at least 2. Evaluate log p(x) on the whole grid.`,
    );
  }
  if (!(extent > 0) || !Number.isFinite(extent)) {
    throw new RangeError(`The extent is ${extent}, but must be a positive number. Give half the width of the grid.`);
  }
  const size = box.width;
  // isocontour puts the value of column c at c + ½, and the outermost columns lie on the frame.
  const scale = size / (side - 1);
  const contours: Mark = {
    type: "path",
    from: { data: "contours" },
    encode: {
      enter: { fill: { scale: "band", field: "contour.value" }, path: { field: "path" } },
    },
  };
  const dots: Mark = {
    type: "path",
    encode: {
      enter: {
        path: { value: dotPath(points, extent, size, most) },
        stroke: { value: COLOURS.point },
        strokeWidth: { value: Math.max(2, size / 120) },
        strokeCap: { value: "round" },
        strokeOpacity: { value: 0.55 },
      },
    },
  };
  const axis = { tickCount: 3, domain: false } as const;
  return group(box, {
    data: [
      { name: "grid", values: [{ width: side, height: side, values: pictureRows(panel.logDensity, side) }] },
      {
        name: "contours",
        source: "grid",
        transform: [
          {
            type: "isocontour",
            field: { expr: "datum" },
            thresholds: [...LEVELS],
            scale,
            translate: [-scale / 2, -scale / 2],
            smooth: true,
          },
          { type: "geopath", field: "contour", as: "path" },
        ],
      },
    ],
    scales: [
      { name: "x", type: "linear", domain: [-extent, extent], range: [0, size] },
      { name: "y", type: "linear", domain: [-extent, extent], range: [size, 0] },
      { name: "band", type: "ordinal", domain: [...LEVELS], range: [...BANDS] },
    ],
    axes: [
      { orient: "bottom", scale: "x", ...axis, labels: axes.bottom },
      { orient: "left", scale: "y", ...axis, labels: axes.left },
    ],
    marks: [
      group({ x: 0, y: 0, width: size, height: size }, { marks: [contours, dots] }, { clip: true }),
      group({ x: 0, y: 0, width: size, height: size }, {}, { stroke: COLOURS.line }),
    ],
  });
}

/** The width in pixels that {@linkcode densityLegend} needs. */
export function legendWidth({ isGiven }: Pick<ContourRecord, "isGiven">): number {
  return isGiven ? 124 : 104;
}

/** What the contours are of, in a formula. */
export function densityName({ isGiven }: Pick<ContourRecord, "isGiven">): string {
  return isGiven ? "log p(x | c)" : "log p(x)";
}

/**
 * The scale of colours that all panels share, with its top at (x, y).
 *
 * @param record The blur that the density is shown with, if any, and whether something is given.
 * @param points What the points are.
 */
export function densityLegend(
  x: number,
  y: number,
  record: Pick<ContourRecord, "resolution" | "isGiven">,
  points = "data",
): Mark[] {
  const swatch = 24, { resolution } = record;
  const marks: Mark[] = [text(x, y, `${densityName(record)}, nats`, { baseline: "top", colour: COLOURS.muted })];
  const top = y + 24;
  const wide = 16;
  [...BANDS].reverse().forEach((colour, i) => {
    const edge = top + (i + 1) * swatch;
    marks.push(rectangle({ x, y: top + i * swatch, width: wide, height: swatch }, colour));
    marks.push(rule([x + wide, edge], [x + wide + 4, edge], { colour: COLOURS.line }));
    marks.push(
      text(x + wide + 9, edge, String(LEVELS[BANDS.length - 1 - i]).replace("-", "−"), {
        size: SIZE.tick,
        baseline: "middle",
        colour: COLOURS.muted,
      }),
    );
  });
  const below = top + BANDS.length * swatch + 24;
  const dot: Mark = {
    type: "path",
    encode: {
      enter: {
        path: { value: `M${x + wide / 2},${below}L${x + wide / 2},${below}` },
        stroke: { value: COLOURS.point },
        strokeWidth: { value: 3.5 },
        strokeCap: { value: "round" },
        strokeOpacity: { value: 0.7 },
      },
    },
  };
  const small = { size: SIZE.tick, baseline: "middle", colour: COLOURS.muted } as const;
  const blur = resolution === undefined ? [] : [
    text(x, below + 32, "p is blurred by", small),
    text(x, below + 48, `σ = ${resolution.toFixed(3)}`, small),
  ];
  return [...marks, dot, text(x + wide + 9, below, points, small), ...blur];
}
