import type { Mark, Spec } from "vega";
import { figure, group, rule, text, title } from "../../core/figures/layout.ts";
import { COLOURS, SIZE } from "../../core/figures/theme.ts";
import type { MiResult } from "./mi_case.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 760, LEFT = 330, RIGHT = 24, TOP = 56, ROW = 17, BELOW = 52;

/** Ticks in nats. */
const TICKS = [-0.4, -0.3, -0.2, -0.1, -0.05, 0, 0.05, 0.1, 0.2, 0.3, 0.4];

/** The least that the axis shows to either side. */
const LEAST = 0.1;

/**
 * The estimate less the truth of each task with two standard errors either side, in nats; the band is what counts as solved.
 *
 * @throws {RangeError} If there is no result.
 */
export function informationErrorsFigure(name: string, results: readonly MiResult[]): Spec {
  if (results.length === 0) throw new RangeError("The figure got no result. Give at least one.");
  const rows = results.map(({ task, truth, mi_nats, mi_stderr }) => {
    const error = mi_nats - truth;
    return {
      task,
      error,
      low: error - 2 * mi_stderr,
      high: error + 2 * mi_stderr,
      allowed: Math.max(0.05, 0.05 * truth),
    };
  });
  const most = Math.max(LEAST, ...rows.flatMap(({ error, allowed }) => [Math.abs(error) * 1.1, allowed]));
  const width = WIDTH - LEFT - RIGHT, height = rows.length * ROW;
  const place = (nats: number) => width / 2 * (1 + Math.min(1, Math.max(-1, nats / most)));
  const marks = rows.flatMap(({ task, error, low, high, allowed }, i): Mark[] => {
    const y = (i + 0.5) * ROW, colour = Math.abs(error) <= allowed ? COLOURS.denoiser : COLOURS.excess;
    return [
      {
        type: "rect",
        encode: {
          enter: {
            x: { value: place(-allowed) },
            x2: { value: place(allowed) },
            y: { value: y - ROW / 2 },
            y2: { value: y + ROW / 2 },
            fill: { value: COLOURS.grid },
            fillOpacity: { value: 0.6 },
          },
        },
      },
      text(-10, y, task, { align: "right", baseline: "middle", size: SIZE.tick }),
      rule([place(low), y], [place(high), y], { colour, width: 1.5 }),
      {
        type: "symbol",
        encode: {
          enter: {
            x: { value: place(error) },
            y: { value: y },
            shape: { value: "circle" },
            size: { value: 34 },
            fill: { value: colour },
          },
        },
      },
    ];
  });
  const ticks = TICKS.filter((tick) => Math.abs(tick) <= most && (most < 0.25 || Math.abs(tick) !== 0.05));
  return figure(
    WIDTH,
    TOP + height + BELOW,
    `${name}. For each task: the estimate less the truth in nats, with two standard errors.`,
    [
      title(LEFT, 34, name, width),
      group({ x: LEFT, y: TOP, width, height }, {
        marks: [
          ...marks,
          ...ticks.flatMap((tick) => [
            rule([place(tick), 0], [place(tick), height], { colour: tick === 0 ? COLOURS.line : COLOURS.grid }),
            text(place(tick), height + 16, String(tick).replace("-", "−"), {
              size: SIZE.tick,
              colour: COLOURS.muted,
              align: "center",
            }),
          ]),
          rule([0, height], [width, height], { colour: COLOURS.line }),
          text(width / 2, height + 38, "estimate less truth, nats ± 2 s.e.; the band counts as solved", {
            colour: COLOURS.muted,
            align: "center",
          }),
        ],
      }),
    ],
  );
}
