import type { Mark, Spec } from "vega";
import { figure, group, shortened, text, textWidth, title } from "../figures/layout.ts";
import { BANDS, COLOURS, SIZE } from "../figures/theme.ts";

/** The sizes of the figure's parts in pixels. */
const CELL = 46, TOP = 62, MARGIN = 24, GAP = 10, LEAST_WIDTH = 420, LONGEST = 110;

/** The least information in nats that has each fill. */
const EDGES = [0, 0.02, 0.1, 0.3, 1];

/**
 * The mutual information of each pair of columns in nats, the darker the more.
 *
 * @param labels Of the columns.
 * @param nats `[columns][columns]`; the diagonal is left empty.
 * @throws {RangeError} If there are not as many rows and columns as labels.
 */
export function informationMatrixFigure(
  name: string,
  labels: readonly string[],
  nats: readonly (readonly number[])[],
): Spec {
  if (nats.length !== labels.length || nats.some((row) => row.length !== labels.length)) {
    throw new RangeError(`Got ${labels.length} labels for ${nats.length} rows. Give one for each row and column.`);
  }
  const shown = labels.map((label) => shortened(label, SIZE.tick, LONGEST));
  const left = MARGIN + GAP + Math.max(...shown.map((label) => textWidth(label, SIZE.tick)));
  const side = CELL * labels.length, width = Math.max(LEAST_WIDTH, left + side + MARGIN);
  const cells = nats.flatMap((row, i) =>
    row.flatMap((value, j): Mark[] => i === j ? [] : cell(j * CELL, i * CELL, value))
  );
  return figure(
    width,
    TOP + side + GAP + 40,
    `${name}. A matrix of the information of ${labels.join(", ")} with each other, in nats.`,
    [
      title(MARGIN, 34, name, width - 2 * MARGIN),
      group({ x: left, y: TOP, width: side, height: side }, {
        marks: [
          ...cells,
          ...shown.map((label, i) =>
            text(-GAP, (i + 0.5) * CELL, label, { size: SIZE.tick, align: "right", baseline: "middle" })
          ),
          ...shown.map((label, j) =>
            text((j + 0.5) * CELL, side + 16, textWidth(label, SIZE.tick) > CELL ? `${j}` : label, {
              size: SIZE.tick,
              align: "center",
            })
          ),
        ],
      }),
      text(left, TOP + side + GAP + 28, "I(X; Y) in nats", { colour: COLOURS.muted }),
    ],
  );
}

function cell(x: number, y: number, nats: number): Mark[] {
  const band = BANDS[EDGES.findLastIndex((edge) => nats >= edge)] ?? COLOURS.paper;
  return [
    {
      type: "rect",
      encode: {
        enter: {
          x: { value: x + 1 },
          y: { value: y + 1 },
          width: { value: CELL - 2 },
          height: { value: CELL - 2 },
          fill: { value: band },
        },
      },
    },
    text(x + CELL / 2, y + CELL / 2, shownNats(nats), {
      size: SIZE.tick,
      align: "center",
      baseline: "middle",
    }),
  ];
}

/** In two decimals, without a sign where they are zero. */
function shownNats(nats: number): string {
  if (nats === Infinity) return "∞";
  return nats.toFixed(nats < 9.995 ? 2 : 1).replace(/^-(?=0\.00$)/, "").replace("-", "−");
}
