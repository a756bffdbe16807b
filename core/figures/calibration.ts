import type { Mark, Spec } from "vega";
import { curveAxes, curveScales, figure, group, legendRow, text, title } from "./layout.ts";
import type { CalibrationRecord } from "./records.ts";
import { COLOURS } from "./theme.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 460, LEFT = 68, RIGHT = 24, SIDE = 368, BELOW = 54;

/** The area of a dot of all samples, and of the smallest. */
const LARGEST = 900, SMALLEST = 30;

/**
 * How often predicted classes are right over the probability that they were given: on the diagonal where the probabilities
 * are what they say. A dot's area is the number of its samples, its bar one standard error either way.
 *
 * @throws {RangeError} For no bins.
 */
export function calibrationFigure({ title: name, subtitle, bins }: CalibrationRecord): Spec {
  if (bins.length === 0) throw new RangeError("Got no bins of predictions, expected at least one.");
  const box = { x: LEFT, y: 0, width: SIDE, height: SIDE };
  const legend = legendRow(
    [
      { label: "share of right answers ± 1 s.e.", colour: COLOURS.denoiser, kind: "line" },
      { label: "as the probability says", colour: COLOURS.gaussian, kind: "dash" },
    ],
    LEFT,
    84,
    WIDTH - LEFT - RIGHT,
  );
  const top = 84 + legend.height + 12, total = bins.reduce((sum, { count }) => sum + count, 0);
  const rows = bins.map(({ count, confidence, accuracy }) => {
    // That of a share of one right and one wrong answer more, which is not 0 where all were right.
    const share = (accuracy * count + 1) / (count + 2), stderr = Math.sqrt(share * (1 - share) / (count + 2));
    return {
      ...{ confidence, accuracy, area: SMALLEST + (LARGEST - SMALLEST) * count / total },
      ...{ low: Math.max(0, accuracy - stderr), high: Math.min(1, accuracy + stderr) },
    };
  });
  const [left, bottom] = curveAxes(box, "probability of the likeliest class", "share of right answers", [0, 1]);
  const at = (field: string, scale: string) => ({ scale, field });
  const marks: Mark[] = [
    {
      type: "rule",
      encode: {
        enter: {
          ...{ x: { scale: "x", value: 0 }, x2: { scale: "x", value: 1 } },
          ...{ y: { scale: "y", value: 0 }, y2: { scale: "y", value: 1 } },
          ...{ stroke: { value: COLOURS.gaussian }, strokeDash: { value: [4, 4] } },
        },
      },
    },
    {
      type: "rule",
      from: { data: "bins" },
      encode: {
        enter: {
          ...{ x: at("confidence", "x"), y: at("low", "y"), y2: at("high", "y") },
          ...{ stroke: { value: COLOURS.denoiser }, strokeWidth: { value: 2 } },
        },
      },
    },
    {
      type: "symbol",
      from: { data: "bins" },
      encode: {
        enter: {
          ...{ x: at("confidence", "x"), y: at("accuracy", "y"), size: { field: "area" } },
          ...{ fill: { value: COLOURS.denoiser }, fillOpacity: { value: 0.55 } },
        },
      },
    },
  ];
  return figure(WIDTH, top + SIDE + BELOW, `${name}. ${subtitle}. Share of right answers over predicted probability.`, [
    title(LEFT, 34, name, WIDTH - LEFT - RIGHT),
    text(LEFT, 56, subtitle, { colour: COLOURS.muted }),
    ...legend.marks,
    group({ ...box, y: top }, {
      data: [{ name: "bins", values: rows }],
      scales: curveScales(box, [0, 1], [0, 1]),
      axes: [left, bottom],
      marks,
    }),
  ]);
}
