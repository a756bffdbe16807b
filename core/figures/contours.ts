import type { Mark, Spec } from "vega";
import { densityLegend, densityMark, densityName, legendWidth } from "./density.ts";
import { figure, text, title } from "./layout.ts";
import type { ContourRecord, DensityPanel } from "./records.ts";
import { COLOURS, SIZE } from "./theme.ts";

/** Panel sizes in pixels by the number of columns: fewer panels are larger. */
const PANEL = [0, 400, 320, 270, 200] as const;

const LEFT = 58;
const TOP = 78;
const GAP = 18;
const ROW_GAP = 34;
const BOTTOM = 52;

function labelOf({ epoch, label }: DensityPanel): string {
  return label ?? `Epoch ${epoch}`;
}

/**
 * The density through training, or given what is known of a sample: up to eight square panels of filled contours, in two
 * rows where there are more than four, with data points and one scale of colours.
 *
 * @throws {RangeError} If there are no panels or more than eight, or if a panel's grid is incomplete.
 */
export function contourFigure(record: ContourRecord): Spec {
  const count = record.panels.length;
  if (count < 1 || count > 8) {
    throw new RangeError(`Got ${count} panels, but the figure holds 1 to 8. Choose eight epochs or fewer.`);
  }
  const columns = count > 4 ? Math.ceil(count / 2) : count;
  const rows = Math.ceil(count / columns);
  const size = PANEL[columns];
  const right = LEFT + columns * size + (columns - 1) * GAP;
  const bottom = TOP + rows * size + (rows - 1) * ROW_GAP;
  const width = right + 24 + legendWidth(record);
  const marks: Mark[] = [title(LEFT, 34, record.title, width - LEFT - 16)];

  record.panels.forEach((panel, i) => {
    const [column, row] = [i % columns, Math.floor(i / columns)];
    const box = { x: LEFT + column * (size + GAP), y: TOP + row * (size + ROW_GAP), width: size, height: size };
    const lowest = i + columns >= count;
    marks.push(text(box.x, box.y - 8, labelOf(panel), { size: SIZE.heading, weight: 500 }));
    marks.push(
      densityMark(panel, record.side, record.extent, panel.points ?? record.points, box, {
        bottom: lowest,
        left: column === 0,
      }),
    );
    const name = { colour: COLOURS.muted, align: "center" } as const;
    if (lowest) marks.push(text(box.x + size / 2, box.y + size + 38, "x₁", name));
    if (column === 0) marks.push(text(box.x - 38, box.y + size / 2, "x₂", { ...name, baseline: "middle" }));
  });
  marks.push(...densityLegend(right + 24, TOP, record));

  const panels = record.panels.map((panel) => labelOf(panel)).join(", ");
  const isEpochs = record.panels.every(({ label }) => label === undefined);
  const what = isEpochs ? `at epochs ${record.panels.map(({ epoch }) => epoch).join(", ")}` : `for ${panels}`;
  return figure(
    width,
    bottom + BOTTOM,
    `${record.title}. Filled contours of ${densityName(record)} from −5 to −1 nats ${what}, with data points.`,
    marks,
  );
}
