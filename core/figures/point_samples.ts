import type { Mark, Spec } from "vega";
import { densityLegend, densityMark, densityName, legendWidth } from "./density.ts";
import { figure, subtitle, text, title } from "./layout.ts";
import type { PointSamplesRecord } from "./records.ts";
import { COLOURS } from "./theme.ts";

const LEFT = 58;
const TOP = 74;
const SIDE = 400;

/** More dots than this are one blot. */
const MOST_POINTS = 2000;

/**
 * Sampled points, over the model's density where that is known, otherwise alone.
 *
 * @throws {RangeError} If the density's grid is incomplete.
 */
export function pointSamplesFigure(record: PointSamplesRecord): Spec {
  const { title: name, subtitle: how, points, density } = record;
  const { panel, side, extent } = density ?? blank(points);
  const legend = LEFT + SIDE + 24;
  const width = density ? legend + legendWidth(density) : LEFT + SIDE + 24;
  const told = subtitle(LEFT, 56, how, width - LEFT - 16), top = TOP + told.height;
  const box = { x: LEFT, y: top, width: SIDE, height: SIDE };
  const axis = { colour: COLOURS.muted, align: "center" } as const;
  const marks: Mark[] = [
    title(LEFT, 34, name, width - LEFT - 16),
    ...told.marks,
    densityMark(panel, side, extent, points, box, { bottom: true, left: true }, MOST_POINTS),
    text(LEFT + SIDE / 2, top + SIDE + 38, "x₁", axis),
    text(LEFT - 38, top + SIDE / 2, "x₂", { ...axis, baseline: "middle" }),
    ...(density ? densityLegend(legend, top, density, "samples") : []),
  ];
  const over = density ? ` over filled contours of the model's ${densityName(density)} from −5 to −1 nats` : "";
  return figure(width, top + SIDE + 52, `${name}. ${how}. Sampled points${over}.`, marks);
}

/** No density, on axes that hold all points. */
function blank(points: Float32Array) {
  const largest = points.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return { panel: { epoch: 0, logDensity: new Float32Array(4).fill(-Infinity) }, side: 2, extent: 1.05 * largest || 1 };
}
