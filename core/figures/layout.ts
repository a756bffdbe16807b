import type { Axis, GroupMark, Mark, Scale, Spec } from "vega";
import { COLOURS, FONT, SIZE } from "./theme.ts";

/** A rectangle in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** How a piece of text is set. */
export interface TextStyle {
  readonly size?: number;
  readonly colour?: string;
  readonly align?: "left" | "center" | "right";
  readonly baseline?: "alphabetic" | "top" | "middle" | "bottom";
  readonly weight?: 400 | 500 | 600;
  /** Keeps what lies behind the letters at a distance. */
  readonly halo?: boolean;
}

/** An entry of a legend row. */
export interface LegendItem {
  readonly label: string;
  readonly colour: string;
  readonly kind: "line" | "dash" | "thin" | "area";
}

const SWATCH = 18;
const LEGEND_ROW = 18;

/** How much wider bold letters are. */
const BOLD = 1.12;

/** Widths of letters over the font's size, in a wide typeface (DejaVu Sans); the first that matches counts. */
const LETTER_WIDTHS: readonly (readonly [RegExp, number])[] = [
  [/[ijl.,:;'|!]/, 0.33],
  [/[ ftr()[\]/]/, 0.4],
  [/[mwMW@%±≈−+=<>…]/, 0.95],
  [/[A-Z]/, 0.74],
  [/\p{M}/u, 0],
  [/[ -~·½∫]|\p{Script=Latin}|\p{Script=Greek}/u, 0.63],
];

/**
 * A generous estimate of the width of a text in pixels. No font can be measured here, and the reader's may be wider
 * than ours.
 */
export function textWidth(text: string, size: number): number {
  const ems = [...text].map((letter) => LETTER_WIDTHS.find(([letters]) => letters.test(letter))?.[1] ?? 1);
  return size * ems.reduce((sum, width) => sum + width, 0);
}

/** A text mark at (x, y). White space is collapsed. */
export function text(x: number, y: number, content: string, style: TextStyle = {}): Mark {
  return {
    type: "text",
    encode: {
      enter: {
        x: { value: x },
        y: { value: y },
        text: { value: content.replace(/\s+/g, " ").trim() },
        fontSize: { value: style.size ?? SIZE.label },
        fill: { value: style.colour ?? COLOURS.ink },
        align: { value: style.align ?? "left" },
        baseline: { value: style.baseline ?? "alphabetic" },
        fontWeight: { value: style.weight ?? 400 },
        ...(style.halo ? { stroke: { value: COLOURS.paper }, strokeWidth: { value: 4 } } : {}),
      },
    },
  };
}

/** A text, cut where it would be wider than `width` pixels. */
export function shortened(content: string, size: number, width: number): string {
  // A text that was made as large as fits is not cut for the sake of rounding.
  if (textWidth(content, size) <= width + 1e-6) return content;
  const letters = [...content], room = width / size;
  let kept = 0;
  for (let used = textWidth("…", 1); kept < letters.length; kept++) {
    used += textWidth(letters[kept], 1);
    if (used > room) break;
  }
  return `${letters.slice(0, kept).join("").trimEnd()}…`;
}

/** A title that is set smaller, and at last cut short, where it would be wider than `width` pixels. */
export function title(x: number, y: number, content: string, width: number): Mark {
  const room = width / BOLD, size = Math.max(SIZE.heading, Math.min(SIZE.title, room / textWidth(content, 1)));
  return text(x, y, shortened(content, size, room), { size, weight: 600 });
}

/** The height of a line of a subtitle. */
const SUBTITLE_LINE = 18;

/**
 * A subtitle, broken after commas where it would be wider than `width` pixels.
 *
 * @returns Its marks, and by how much it is higher than one line.
 */
export function subtitle(
  x: number,
  y: number,
  content: string,
  width: number,
): { readonly marks: Mark[]; readonly height: number } {
  const lines: string[] = [];
  for (const part of content.split(/(?<=,) /)) {
    const last = lines.at(-1), joined = `${last} ${part}`;
    if (last !== undefined && textWidth(joined, SIZE.label) <= width) lines[lines.length - 1] = joined;
    else lines.push(part);
  }
  return {
    marks: lines.map((line, i) => text(x, y + i * SUBTITLE_LINE, line, { colour: COLOURS.muted })),
    height: (lines.length - 1) * SUBTITLE_LINE,
  };
}

/** A straight line from (x, y) to (x2, y2). */
export function rule(from: readonly [number, number], to: readonly [number, number], style: {
  readonly colour: string;
  readonly width?: number;
  readonly dash?: readonly number[];
}): Mark {
  return {
    type: "rule",
    encode: {
      enter: {
        x: { value: from[0] },
        y: { value: from[1] },
        x2: { value: to[0] },
        y2: { value: to[1] },
        stroke: { value: style.colour },
        strokeWidth: { value: style.width ?? 1 },
        ...(style.dash ? { strokeDash: { value: [...style.dash] } } : {}),
      },
    },
  };
}

/** A filled rectangle. */
export function rectangle(box: Box, colour: string, opacity = 1): Mark {
  return {
    type: "rect",
    encode: {
      enter: {
        x: { value: box.x },
        y: { value: box.y },
        width: { value: box.width },
        height: { value: box.height },
        fill: { value: colour },
        ...(opacity === 1 ? {} : { fillOpacity: { value: opacity } }),
      },
    },
  };
}

function swatch(item: LegendItem, x: number, y: number): Mark {
  if (item.kind === "area") return rectangle({ x, y: y - 5, width: SWATCH, height: 10 }, item.colour, 0.3);
  return rule([x, y], [x + SWATCH, y], {
    colour: item.colour,
    width: item.kind === "line" ? 2.25 : item.kind === "dash" ? 1.75 : 1,
    ...(item.kind === "dash" ? { dash: [5, 3] } : {}),
  });
}

/**
 * A legend of lines and areas in a row, wrapped to as many rows as `width` pixels ask for.
 *
 * @param y The middle of the first row.
 * @returns The marks, and the height in pixels that they take.
 */
export function legendRow(items: readonly LegendItem[], x: number, y: number, width: number): {
  marks: Mark[];
  height: number;
} {
  const marks: Mark[] = [];
  let left = x;
  let middle = y;
  for (const item of items) {
    const wide = SWATCH + 6 + textWidth(item.label, SIZE.label);
    if (left > x && left + wide > x + width) {
      left = x;
      middle += LEGEND_ROW;
    }
    marks.push(swatch(item, left, middle));
    marks.push(text(left + SWATCH + 6, middle, item.label, { baseline: "middle", colour: COLOURS.muted }));
    left += wide + 12;
  }
  return { marks, height: middle - y + LEGEND_ROW };
}

/** A group of marks at a box, optionally clipped to it, with a frame where `stroke` is given. */
export function group(box: Box, parts: Omit<GroupMark, "type" | "encode">, style: {
  readonly clip?: boolean;
  readonly stroke?: string;
} = {}): GroupMark {
  return {
    type: "group",
    encode: {
      enter: {
        x: { value: box.x },
        y: { value: box.y },
        width: { value: box.width },
        height: { value: box.height },
        ...(style.clip ? { clip: { value: true } } : {}),
        ...(style.stroke ? { stroke: { value: style.stroke } } : {}),
      },
    },
    ...parts,
  };
}

/** Values up to the first, and from the second on, are written with a power of ten, to fit beside the axis. */
const PLAIN = [1e-3, 1e5] as const;

/** The power of ten that is taken out of an axis's numbers; 0 where they are short as they are. */
function commonPower([low, high]: readonly [number, number]): number {
  const largest = Math.max(Math.abs(low), Math.abs(high));
  return largest === 0 || (largest > PLAIN[0] && largest < PLAIN[1]) ? 0 : Math.floor(Math.log10(largest));
}

function superscript(power: number): string {
  return [...String(power)].map((digit) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]).join("");
}

/** The labels of an axis without its common power, with as many decimals as its ticks need. */
function labelsWithout(
  power: number,
  [low, high]: readonly [number, number],
  ticks: number,
): NonNullable<Axis["encode"]> {
  // Ticks are 1, 2 or 5 times a power of ten apart, and from 10/√2 times on the next power.
  const decimals = Math.max(0, Math.ceil(power - Math.log10(Math.SQRT2 * (high - low) / ticks)));
  return { labels: { update: { text: { signal: `format(datum.value / 1e${power}, '.${decimals}f')` } } } };
}

/** The scales `x` and `y` of a curve plot, over exactly these domains; a single x has one unit of room on both sides. */
export function curveScales(
  { width, height }: Box,
  [first, last]: readonly [number, number],
  yDomain: readonly [number, number],
): Scale[] {
  const xDomain = last > first ? [first, last] : [first - 1, first + 1];
  return [
    { name: "x", type: "linear", domain: xDomain, range: [0, width], nice: false, zero: false },
    { name: "y", type: "linear", domain: [...yDomain], range: [height, 0], nice: false, zero: false },
  ];
}

/**
 * The bottom and left axes of a curve plot, on scales named `x` and `y`, with a faint horizontal grid.
 *
 * @param yDomain The range of the scale `y`. Very large and very small numbers share a power of ten beside the title.
 */
export function curveAxes(box: Box, xTitle: string, yTitle: string, yDomain: readonly [number, number]): Axis[] {
  const steps = (length: number, step: number) => Math.max(2, Math.round(length / step));
  const ticks = steps(box.height, 48), power = commonPower(yDomain);
  return [
    {
      orient: "left",
      scale: "y",
      tickCount: ticks,
      grid: true,
      // Without it the grid is as wide as the whole figure.
      gridScale: "x",
      domain: false,
      ticks: false,
      title: power === 0 ? yTitle : `${yTitle} (×10${superscript(power)})`,
      titleX: -54,
      ...(power === 0 ? {} : { encode: labelsWithout(power, yDomain, ticks) }),
    },
    { orient: "bottom", scale: "x", tickCount: steps(box.width, 62), title: xTitle, titleY: 34 },
  ];
}

/**
 * A whole figure of fixed size with the house's fonts and colours.
 *
 * @param description What the figure shows, in words: becomes the SVG's accessible name.
 */
export function figure(width: number, height: number, description: string, marks: Mark[]): Spec {
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    description: description.replace(/\s+/g, " ").trim(),
    width,
    height,
    padding: 0,
    autosize: "none",
    background: COLOURS.paper,
    marks,
    config: {
      text: { font: FONT },
      axis: {
        labelFont: FONT,
        labelFontSize: SIZE.tick,
        labelColor: COLOURS.muted,
        labelPadding: 6,
        labelFlush: false,
        titleFont: FONT,
        titleFontSize: SIZE.label,
        titleFontWeight: 400,
        titleColor: COLOURS.muted,
        domainColor: COLOURS.line,
        tickColor: COLOURS.line,
        tickSize: 4,
        gridColor: COLOURS.grid,
      },
    },
  };
}
