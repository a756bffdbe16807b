import type { GroupMark, Mark, Spec } from "vega";
import { densityMark } from "./density.ts";
import { type Box, figure, group, type LegendItem, legendRow, shortened, subtitle, text, title } from "./layout.ts";
import { COLOURS, SIZE } from "./theme.ts";

/** How often values of a column fall into each of some bins, among held-out rows and among samples. */
export interface ColumnHistogram {
  readonly name: string;
  /** The edges of the bins, one more than there are; of classes these are 0, 1, … */
  readonly edges: readonly number[];
  /** The names of the bins, of classes. */
  readonly levels?: readonly string[];
  /** The share of the rows in each bin. */
  readonly heldOut: readonly number[];
  readonly samples: readonly number[];
}

/** What the figure of a comparison of samples with held-out rows shows. */
export interface QualityRecord {
  readonly title: string;
  /** The result, on one line. */
  readonly subtitle: string;
  /** One to twelve. */
  readonly columns: readonly ColumnHistogram[];
  /** The rows themselves, `[n, 2]`, where they have two columns. */
  readonly points?: { readonly heldOut: Float32Array; readonly samples: Float32Array; readonly extent: number };
}

/** The sizes of the figure's parts in pixels. */
const LEFT = 24, TOP = 74, WIDTH = 640, GAP = 24, PANEL_HEIGHT = 96, BELOW = 58, HEAD = 20;

/** Points of each set that are drawn. */
const MOST_POINTS = 1500;

/**
 * Histograms of columns of held-out rows, filled, and of samples, as a line; of rows in the plane both sets of points
 * above them.
 *
 * @throws {RangeError} For no columns.
 */
export function qualityFigure({ title: name, subtitle: how, columns, points }: QualityRecord): Spec {
  if (columns.length === 0) throw new RangeError("Got no columns, expected at least one.");
  const told = subtitle(LEFT, 56, how, WIDTH), legend = legendRow(LEGEND, LEFT, TOP + told.height + 8, WIDTH);
  let top = TOP + told.height + legend.height + 8;
  const marks: Mark[] = [title(LEFT, 34, name, WIDTH), ...told.marks, ...legend.marks];
  if (points) {
    const side = (WIDTH - GAP) / 2;
    for (
      const [k, [label, rows]] of ([["held-out rows", points.heldOut], ["samples", points.samples]] as const).entries()
    ) {
      const x = LEFT + k * (side + GAP), blank = { epoch: 0, logDensity: new Float32Array(4).fill(-Infinity) };
      marks.push(text(x, top + 14, label, { colour: COLOURS.muted }));
      const box = { x: x + 20, y: top + HEAD, width: side - 20, height: side - 20 };
      marks.push(densityMark(blank, 2, points.extent, rows, box, { bottom: true, left: true }, MOST_POINTS));
    }
    top += side + BELOW - 8;
  }
  const across = columns.length === 1 ? 1 : columns.length === 2 || columns.length === 4 ? 2 : 3;
  const width = (WIDTH - (across - 1) * GAP) / across, row = PANEL_HEIGHT + HEAD + BELOW - 22;
  columns.forEach((column, i) => {
    const x = LEFT + i % across * (width + GAP), y = top + Math.floor(i / across) * row;
    marks.push(text(x, y + 14, shortened(column.name, SIZE.label, width), { weight: 500 }));
    marks.push(histogram(column, { x, y: y + HEAD, width, height: PANEL_HEIGHT }));
  });
  const height = top + Math.ceil(columns.length / across) * row + 8;
  const description =
    `${name}. ${how}. Histograms of ${columns.map((column) => column.name).join(", ")}: held-out rows ` +
    "and samples.";
  return figure(WIDTH + 2 * LEFT, height, description, marks);
}

const LEGEND: readonly LegendItem[] = [
  { label: "held-out rows", colour: COLOURS.gaussian, kind: "area" },
  { label: "samples", colour: COLOURS.denoiser, kind: "line" },
];

function histogram({ edges, levels, heldOut, samples }: ColumnHistogram, box: Box): GroupMark {
  const most = Math.max(...heldOut, ...samples) * 1.05 || 1;
  const [first, last] = [edges[0], edges[edges.length - 1]], span = last - first || 1;
  const x = (edge: number) => (box.width * (edge - first) / span).toFixed(1);
  const y = (share: number) => (box.height * (1 - share / most)).toFixed(1);
  const steps = (shares: readonly number[]) =>
    shares.map((share, k) => `L${x(edges[k])},${y(share)}L${x(edges[k + 1])},${y(share)}`).join("");
  const path = (d: string, encode: Record<string, unknown>): Mark => ({
    type: "path",
    encode: { enter: { path: { value: d }, ...encode } },
  });
  const inner: Mark[] = [
    path(`M${x(first)},${y(0)}${steps(heldOut)}L${x(last)},${y(0)}Z`, {
      ...{ fill: { value: COLOURS.gaussian }, fillOpacity: { value: 0.3 } },
    }),
    path(`M${x(first)},${y(0)}${steps(samples)}L${x(last)},${y(0)}`, {
      ...{ stroke: { value: COLOURS.denoiser }, strokeWidth: { value: 1.75 }, strokeJoin: { value: "round" } },
    }),
  ];
  const names = levels?.map((level, k) =>
    text(Number(x((edges[k] + edges[k + 1]) / 2)), box.height + 16, level, {
      ...{ size: SIZE.tick, colour: COLOURS.muted, align: "center" as const },
    })
  );
  return group(box, {
    scales: [{ name: "x", type: "linear", domain: [first, last], range: [0, box.width], nice: false, zero: false }],
    axes: levels ? [] : [{ orient: "bottom", scale: "x", tickCount: Math.max(2, Math.round(box.width / 70)) }],
    marks: [
      group({ x: 0, y: 0, width: box.width, height: box.height }, { marks: inner }, { clip: true }),
      ...names ?? [],
    ],
  });
}
