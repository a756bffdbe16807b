import type { Mark, Spec } from "vega";
import { figure, group, rule, text, textWidth, title } from "../../core/figures/layout.ts";
import { COLOURS, SIZE } from "../../core/figures/theme.ts";
import { type ComparedResult, isMeasured, type SetResult } from "./density_results.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 660, LEFT = 78, RIGHT = 24, BELOW = 58, LANE = 9, ROW_GAP = 14, LEGEND = 64, LEGEND_GAP = 18;

/** Differences below it are drawn evenly, larger ones by their logarithm, in nats. */
const EVEN = 0.01;

/** Ticks in nats that the axis may have, and the least pixels between two of them. */
const TICKS = [0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000], TICK_GAP = 34;

/** How a model is drawn. Colours tell families apart, and fillings their members. */
interface Style {
  readonly colour: string;
  readonly shape: string;
  readonly filled: boolean;
}

const STYLES: Readonly<Record<string, Style>> = {
  ours: { colour: COLOURS.denoiser, shape: "circle", filled: true },
  reference: { colour: COLOURS.denoiser, shape: "circle", filled: false },
  gmm: { colour: COLOURS.train, shape: "square", filled: true },
  kde: { colour: COLOURS.train, shape: "square", filled: false },
  nsf: { colour: COLOURS.excess, shape: "triangle-up", filled: true },
  maf: { colour: COLOURS.excess, shape: "triangle-up", filled: false },
};
const OTHER: Style = { colour: COLOURS.muted, shape: "diamond", filled: true };

/** A model's place in nats, with one standard error either side. */
interface Dot {
  readonly model: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** A set's models, and the truth where it is known. */
interface Row {
  readonly set: string;
  readonly dots: readonly Dot[];
  readonly truth?: number;
}

/**
 * The NLL of each model less the least of its set, on the same points, with one standard error of the difference either
 * side. The axis is even near zero, and beyond that logarithmic, since a model may be wrong by tens of nats.
 *
 * @throws {RangeError} If no model has an NLL.
 */
export function densityComparisonFigure(name: string, results: readonly SetResult[]): Spec {
  const rows = results.map(rowOf).filter(({ dots }) => dots.length > 0);
  if (rows.length === 0) throw new RangeError("The figure got no NLL. Give at least one set that has one.");
  const models = [...new Set(rows.flatMap(({ dots }) => dots.map(({ model }) => model)))];
  const items = [...models, ...(rows.some(({ truth }) => truth !== undefined) ? ["truth"] : [])];
  const width = WIDTH - LEFT - RIGHT, rowHeight = models.length * LANE + ROW_GAP, height = rows.length * rowHeight;
  const place = placeIn(domainOf(rows), width);
  const top = LEGEND + LEGEND_GAP;
  const marks = rows.flatMap(({ set, dots, truth }, i): Mark[] => {
    const y = i * rowHeight;
    const lane = (model: string) => y + ROW_GAP / 2 + (models.indexOf(model) + 0.5) * LANE;
    return [
      text(-12, y + rowHeight / 2, set, { align: "right", baseline: "middle" }),
      ...(i === 0 ? [] : [rule([0, y], [width, y], { colour: COLOURS.grid })]),
      ...(truth === undefined ? [] : [truthMark(place(truth), y + 5, y + rowHeight - 5)]),
      ...dots.map(({ model, low, high }) =>
        rule([place(low), lane(model)], [place(high), lane(model)], { colour: styleOf(model).colour, width: 1.5 })
      ),
      ...dots.map(({ model, value }) => symbol(place(value), lane(model), styleOf(model))),
    ];
  });
  return figure(
    WIDTH,
    top + height + BELOW,
    `${name}. For each set: the NLL of ${models.join(", ")} in nats less the least of them.`,
    [
      title(LEFT, 34, name, width),
      ...legend(items, LEFT, LEGEND),
      group({ x: LEFT, y: top, width, height }, {
        marks: [
          ...ticksOf(domainOf(rows), place).flatMap((tick) => [
            rule([place(tick), 0], [place(tick), height], { colour: tick === 0 ? COLOURS.line : COLOURS.grid }),
            text(place(tick), height + 16, String(tick).replace("-", "−"), {
              size: SIZE.tick,
              colour: COLOURS.muted,
              align: "center",
            }),
          ]),
          rule([0, height], [width, height], { colour: COLOURS.line }),
          ...marks,
          text(width / 2, height + 40, "NLL less the best one's, nats ± 1 s.e. (logarithmic beyond 0.01)", {
            colour: COLOURS.muted,
            align: "center",
          }),
        ],
      }),
    ],
  );
}

function rowOf({ set, truth, models }: SetResult): Row {
  const measured = models.filter(isMeasured);
  // The best is the one that is not above another.
  const best = measured.find(({ above_best }: ComparedResult) => above_best === undefined);
  const dots = measured.map(({ model, above_best: value = 0, above_best_stderr: stderr = 0 }) => ({
    ...{ model, value },
    ...{ low: value - stderr, high: value + stderr },
  }));
  return { set, dots, ...(truth === undefined || !best ? {} : { truth: truth - best.nll_nats }) };
}

function styleOf(model: string): Style {
  return STYLES[model] ?? OTHER;
}

function domainOf(rows: readonly Row[]): readonly [number, number] {
  const values = rows.flatMap(({ dots, truth = 0 }) => [truth, ...dots.flatMap(({ low, high }) => [low, high])]);
  return [Math.min(-EVEN, ...values), Math.max(EVEN, ...values)];
}

/** The pixel of a difference, with some room at both ends. */
function placeIn([low, high]: readonly [number, number], width: number): (value: number) => number {
  const room = 10;
  const bent = (value: number) => Math.sign(value) * Math.log1p(Math.abs(value) / EVEN);
  const scale = (width - 2 * room) / (bent(high) - bent(low));
  return (value) => room + (bent(value) - bent(low)) * scale;
}

/** Ticks within the domain, zero and those nearest to it first, none too near to another. */
function ticksOf([low, high]: readonly [number, number], place: (value: number) => number): number[] {
  const kept: number[] = [];
  for (const tick of TICKS.flatMap((tick) => tick === 0 ? [0] : [tick, -tick])) {
    if (tick < low || tick > high) continue;
    if (kept.every((other) => Math.abs(place(other) - place(tick)) >= TICK_GAP)) kept.push(tick);
  }
  return kept;
}

function symbol(x: number, y: number, { colour, shape, filled }: Style): Mark {
  return {
    type: "symbol",
    encode: {
      enter: {
        x: { value: x },
        y: { value: y },
        shape: { value: shape },
        size: { value: 46 },
        fill: { value: filled ? colour : COLOURS.paper },
        stroke: { value: colour },
        strokeWidth: { value: 1.5 },
      },
    },
  };
}

function truthMark(x: number, from: number, to: number): Mark {
  return rule([x, from], [x, to], { colour: COLOURS.ink, width: 1.5, dash: [3, 2] });
}

function legend(items: readonly string[], x: number, y: number): Mark[] {
  let left = x;
  return items.flatMap((item) => {
    const at = left;
    left += 30 + textWidth(item, SIZE.label);
    return [
      item === "truth" ? truthMark(at + 5, y - 8, y + 8) : symbol(at + 5, y, styleOf(item)),
      text(at + 16, y, item, { baseline: "middle", colour: COLOURS.muted }),
    ];
  });
}
