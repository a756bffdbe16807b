import type { Mark, Spec } from "vega";
import { curveAxes, curveScales, figure, group, legendRow, title } from "../figures/layout.ts";
import { COLOURS } from "../figures/theme.ts";

/** One curve of several in one plot. */
export interface Series {
  readonly label: string;
  readonly style: SeriesStyle;
  /** (x, y) in order of x; a y that is not finite breaks the line. */
  readonly points: readonly (readonly [number, number])[];
}

/** How the curves of one run are drawn. */
export interface SeriesStyle {
  readonly colour: string;
  readonly dashed: boolean;
}

/** What a plot of several curves says. */
export interface OverlayRecord {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** What it shows, in words. */
  readonly description: string;
  readonly series: readonly Series[];
  readonly yDomain: readonly [number, number];
  /** Whether x counts something, so that its ticks are whole numbers. */
  readonly wholeX?: boolean;
}

const SERIES_COLOURS = [COLOURS.denoiser, COLOURS.train, COLOURS.excess, COLOURS.gaussian, COLOURS.point] as const;

/** So many runs can be told apart. */
export const MAX_SERIES = 2 * SERIES_COLOURS.length;

/** The style of the i-th run, the same in every figure and table. */
export function seriesStyle(i: number): SeriesStyle {
  return { colour: SERIES_COLOURS[i % SERIES_COLOURS.length], dashed: i >= SERIES_COLOURS.length };
}

/**
 * Several curves in one plot, narrow enough for a phone.
 *
 * @throws {RangeError} If there is no curve with a point.
 */
export function overlayFigure(record: OverlayRecord): Spec {
  const drawn = record.series.filter(({ points }) => points.length > 0);
  const xs = drawn.flatMap(({ points }) => points.map(([x]) => x));
  if (xs.length === 0) throw new RangeError("The plot got no points. Give at least one curve that has one.");
  const [first, last] = [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b))];
  const [width, left, plot] = [400, 66, 240];
  const legend = legendRow(
    drawn.map(({ label, style: { colour, dashed } }) => ({ label, colour, kind: dashed ? "dash" : "line" })),
    left,
    56,
    width - left - 4,
  );
  const box = { x: left, y: 56 + legend.height + 4, width: width - left - 12, height: plot };
  const names = drawn.map((_, i) => `series${i}`);
  const lines: Mark[] = drawn.map(({ style: { colour, dashed } }, i) => ({
    type: "line",
    from: { data: names[i] },
    encode: {
      enter: {
        x: { scale: "x", field: "x" },
        y: { scale: "y", field: "y" },
        defined: { signal: "isValid(datum.y)" },
        stroke: { value: colour },
        strokeWidth: { value: 2 },
        strokeJoin: { value: "round" },
        ...(dashed ? { strokeDash: { value: [5, 3] } } : {}),
      },
    },
  }));
  // One point makes no line, and a few make one that is hard to read.
  const dots: Mark[] = drawn.map(({ style: { colour }, points }, i) => ({
    type: "symbol",
    from: { data: names[i] },
    encode: {
      enter: {
        x: { scale: "x", field: "x" },
        y: { scale: "y", field: "y" },
        size: { signal: `isValid(datum.y) && inrange(datum.y, domain('y')) ? ${points.length <= 20 ? 22 : 0} : 0` },
        fill: { value: colour },
      },
    },
  }));
  const axes = curveAxes(box, record.xTitle, record.yTitle, record.yDomain);
  const frame = { x: 0, y: 0, width: box.width, height: box.height };
  return figure(width, box.y + plot + 50, record.description, [
    title(left, 32, record.title, width - left - 16),
    ...legend.marks,
    group(box, {
      data: drawn.map(({ points }, i) => ({
        name: names[i],
        values: points.map(([x, y]) => ({ x, y: Number.isFinite(y) ? y : null })),
      })),
      scales: curveScales(box, [first, last], record.yDomain),
      axes: [axes[0], record.wholeX ? { ...axes[1], tickMinStep: 1 } : axes[1]],
      marks: [group(frame, { marks: lines }, { clip: true }), ...dots],
    }),
  ]);
}
